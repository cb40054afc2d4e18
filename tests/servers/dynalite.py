# SPDX-License-Identifier: Apache-2.0
"""dynalite, a faithful DynamoDB in memory, for the length of a test run. Its keys mean nothing: it checks none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.servers.npm import started


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
    process, port = started("dynalite", "cli.js", "--port", ["--host", "127.0.0.1", "--createTableMs", "0"])
    try:
        yield DynaliteServer(port, process.pid)
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
