# SPDX-License-Identifier: Apache-2.0
"""dynalite, a faithful DynamoDB in memory, for the length of a test run. Its keys mean nothing: it checks none."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.servers.local import free_port

VERSION = "4.0.0"


@dataclass(frozen=True)
class DynaliteServer:
    """A running server.

    :param pid: the process's.
    """

    port: int
    pid: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def dynalite_server() -> Iterator[DynaliteServer]:
    """Start a dynalite on a free loopback port and stop it at the end. It comes from npm, once.

    :raises RuntimeError: where there is no Node.js or no registry, or where the server doesn't start.
    """
    process, server = _start(installed())
    try:
        yield server
    finally:
        process.kill()
        process.wait()


@cache
def dynamodb_client(endpoint: str, pid: int) -> Any:
    """A boto3 client for a dynalite.

    :param pid: this process's: a client is not to be carried over a fork.
    """
    from boto3.session import Session

    return Session().client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def installed() -> Path:
    """The directory that npm has put the pinned version into."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache_home / "airflow-provider-genesys" / f"dynalite-{VERSION}"
    if not (home / "complete").exists():
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("no npm for the tests, which run dynalite: install Node.js")
        command = [npm, "install", "--prefix", str(home), "--no-audit", "--no-fund", "--ignore-scripts"]
        home.mkdir(parents=True, exist_ok=True)
        made = subprocess.run([*command, f"dynalite@{VERSION}"], capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(f"npm could not install dynalite {VERSION}: {made.stderr[-2000:]}")
        (home / "complete").touch()
    return home


def _start(home: Path) -> tuple[subprocess.Popen[bytes], DynaliteServer]:
    node = shutil.which("node")
    if node is None:
        raise RuntimeError("no node for the tests, which run dynalite: install Node.js")
    command = [node, str(home / "node_modules" / "dynalite" / "cli.js"), "--host", "127.0.0.1", "--createTableMs", "0"]
    for _ in range(3):
        port = free_port()
        log = tempfile.TemporaryFile()  # noqa: SIM115 the process keeps it
        process = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.PIPE, stderr=log)
        # It says so once it listens, and ends where the port is taken: then it is another's.
        if process.stdout is not None and b"listening" in process.stdout.readline():
            return process, DynaliteServer(port, process.pid)
        process.kill()
        process.wait()
    log.seek(0)
    raise RuntimeError(f"dynalite did not start: {log.read().decode(errors='replace')[-2000:]}")
