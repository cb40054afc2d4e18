# SPDX-License-Identifier: Apache-2.0
"""A real Redis for the length of a test run: own port, own data, own password, nothing left behind."""

from __future__ import annotations

import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from tests.servers.local import account_of_servers, free_port, hand_over, program

START_SECONDS = 30


@dataclass
class RedisServer:
    """A server that keeps every write in its append-only file, and can be killed and started again."""

    home: Path
    password: str = field(repr=False)
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """A URL; it holds the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis(**{"host": "127.0.0.1", "port": self.port, "password": self.password, **options})

    def start(self) -> None:
        """Start it, on the port that it had.

        :raises RuntimeError: where it doesn't start.
        """
        for _ in range(3):
            port = self.port or free_port()
            with (self.home / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    [program("redis-server", "redis-server"), self.home / "redis.conf", "--port", str(port)],
                    stdout=log,
                    stderr=log,
                    cwd=self.home / "data",
                    **account_of_servers(),
                )
            if self._answers(port):
                self.port = port
                return
            self.kill()
        raise RuntimeError(f"Redis did not start: {(self.home / 'log').read_text(errors='replace')[-2000:]}")

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _answers(self, port: int) -> bool:
        """Wait until it has read its file; whether the listener is this very process and not another's."""
        assert self.process is not None
        client = redis.Redis(host="127.0.0.1", port=port, password=self.password, socket_timeout=5)
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                return bool(client.info("server")["process_id"] == self.process.pid)
            except redis.RedisError:
                time.sleep(0.05)
        return False


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Start a Redis on a free loopback port and stop it at the end. The program is Debian's.

    :raises RuntimeError: where there is none, or where the server doesn't start.
    """
    with tempfile.TemporaryDirectory(prefix="genesys-redis-") as directory:
        home = Path(directory).resolve()
        home.chmod(0o755)
        server = RedisServer(home, secrets.token_urlsafe(16))
        data, configuration = home / "data", home / "redis.conf"
        data.mkdir(mode=0o700)
        configuration.touch(mode=0o600)
        configuration.write_text(
            f'bind 127.0.0.1\nrequirepass "{server.password}"\ndir {data}\nappendonly yes\nsave ""\n'
        )
        hand_over(data, configuration)
        server.start()
        try:
            yield server
        finally:
            server.kill()
