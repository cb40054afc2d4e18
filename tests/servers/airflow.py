# SPDX-License-Identifier: Apache-2.0
"""A real Airflow 3 to look at: an api-server, and commands beside it, with a port, a database and a home of its own."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.servers.local import free_port

START_SECONDS = 180
COMMAND_SECONDS = 300


@dataclass(frozen=True)
class AirflowServer:
    """A running api-server. Whoever asks is an admin.

    :param environment: of every process of this Airflow; it holds passwords.
    """

    home: Path
    port: int
    environment: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: str) -> None:
        """Run one of Airflow's commands to its end.

        :raises RuntimeError: it failed.
        """
        done = subprocess.run(
            [*AIRFLOW, *arguments],
            env=dict(self.environment),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        if done.returncode:
            raise RuntimeError(f"airflow {' '.join(arguments)} failed: {(done.stdout + done.stderr)[-4000:]}")

    @contextmanager
    def service(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Have another of its services run for the length of the block, with all its children."""
        with (self.home / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [*AIRFLOW, *arguments],
                env=dict(self.environment),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            _stop(process)


AIRFLOW = (sys.executable, "-m", "airflow")


@contextmanager
def airflow_server(home: Path, database: str, **environment: str) -> Iterator[AirflowServer]:
    """Migrate a database, and start an api-server over it.

    :param home: an empty directory.
    :param database: SQLAlchemy URL of an empty PostgreSQL database.
    :param environment: connections, DAGs folder and the like.
    :raises RuntimeError: it doesn't start.
    """
    port = free_port()
    server = AirflowServer(home, port, _environment(home, port, database) | environment)
    server.run("db", "migrate")
    with server.service("api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1") as process:
        _wait_for(server, process)
        yield server


def _environment(home: Path, port: int, database: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "GENESYS"))}
    return {
        **kept,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.replace("postgresql:", "postgresql+psycopg2:"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }


def _wait_for(server: AirflowServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(URLError, OSError), urlopen(f"{server.url}/api/v2/monitor/health", timeout=5) as answer:
            if json.load(answer)["metadatabase"]["status"] == "healthy":
                return
        time.sleep(0.2)
    log = (server.home / "api-server.log").read_text(errors="replace")
    raise RuntimeError(f"Airflow's api-server did not start: {log[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a service and its children: they are a process group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
