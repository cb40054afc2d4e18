# SPDX-License-Identifier: Apache-2.0
"""A real MariaDB for the length of a test run: own port, own data, own password, nothing left behind."""

from __future__ import annotations

import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql

from tests.servers.local import account_of_servers, free_port, hand_over, program

START_SECONDS = 60
SMALL_AND_FORGETFUL = {
    "innodb_flush_log_at_trx_commit": 0,
    "innodb_buffer_pool_size": "32M",
    "innodb_log_file_size": "16M",
    "performance_schema": 0,
    "skip_name_resolve": 1,
}


@dataclass(frozen=True)
class MariadbServer:
    """A running server.

    :param pid: the process's.
    """

    port: int
    pid: int
    data: Path
    password: str = field(repr=False)

    def url(self, database: str) -> str:
        """A SQLAlchemy URL; it holds the password."""
        return f"mysql://tests:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Make an empty database, instead of one that has the name already, and return its URL."""
        self.execute(f"DROP DATABASE IF EXISTS {name}")
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement with all rights and return its rows."""
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def is_ours(self) -> bool:
        """Whether the listener on the port is this very server and not another one that had the port before."""
        return Path(self.execute("SELECT @@datadir")[0][0]) == self.data

    def _connect(self) -> Any:
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="tests", password=self.password, autocommit=True, connect_timeout=5
        )


@contextmanager
def mariadb_server() -> Iterator[MariadbServer]:
    """Start a MariaDB on a free loopback port and stop it at the end. The programs are Debian's.

    :raises RuntimeError: where there are none, or where the server doesn't start.
    """
    with tempfile.TemporaryDirectory(prefix="genesys-mariadb-") as directory:
        home = Path(directory).resolve()
        home.chmod(0o755)
        data, password, accounts = _initialise(home)
        process, server = _start(home, data, password, accounts)
        try:
            yield server
        finally:
            _stop(process)


def _initialise(home: Path) -> tuple[Path, str, Path]:
    data, password = home / "data", secrets.token_urlsafe(16)
    data.mkdir(mode=0o700)
    accounts = home / "accounts.sql"
    accounts.touch(mode=0o600)
    accounts.write_text(
        f"CREATE USER IF NOT EXISTS tests@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        "GRANT ALL ON *.* TO tests@'127.0.0.1' WITH GRANT OPTION;\n"
        "DROP USER IF EXISTS root@localhost, ''@localhost;\n"
    )
    hand_over(data, accounts)
    command = [program("mariadb-install-db", "mariadb-server"), "--no-defaults", f"--datadir={data}"]
    made = subprocess.run(
        [*command, "--skip-test-db", "--auth-root-authentication-method=normal", "--innodb-log-file-size=16M"],
        capture_output=True,
        cwd=home,
        **account_of_servers(),
    )
    if made.returncode:
        raise RuntimeError(f"mariadb-install-db failed: {made.stderr.decode(errors='replace')[-2000:]}")
    return data, password, accounts


def _start(home: Path, data: Path, password: str, accounts: Path) -> tuple[subprocess.Popen[bytes], MariadbServer]:
    for _ in range(3):
        port = free_port()
        options = {
            "datadir": data,
            "port": port,
            "bind_address": "127.0.0.1",
            "socket": data / "socket",
            "pid_file": data / "pid",
            "init_file": accounts,
            **SMALL_AND_FORGETFUL,
        }
        command = [program("mariadbd", "mariadb-server"), "--no-defaults"]
        with (home / "log").open("ab") as log:
            process = subprocess.Popen(
                [*command, *(f"--{name}={value}" for name, value in options.items())],
                stdout=log,
                stderr=log,
                cwd=home,
                **account_of_servers(),
            )
        server = MariadbServer(port, process.pid, data, password)
        if _answers(process, server):
            return process, server
        _stop(process)
    raise RuntimeError(f"MariaDB did not start: {(home / 'log').read_text(errors='replace')[-2000:]}")


def _answers(process: subprocess.Popen[bytes], server: MariadbServer) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return server.is_ours()
        except pymysql.OperationalError:
            time.sleep(0.05)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop at once: the data are thrown away."""
    process.kill()
    process.wait()
