# SPDX-License-Identifier: Apache-2.0
"""Azurite, Microsoft's own emulator of Azure Blob Storage, in memory, for the length of a test run.

It checks signatures, conditions and the MD5 of what it is sent.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.servers.npm import started

ACCOUNT = "genesys"


@dataclass(frozen=True)
class AzuriteServer:
    """A running server.

    :param pid: the process's.
    """

    port: int
    pid: int
    account_key: str = field(repr=False)

    @property
    def endpoint(self) -> str:
        """The account's URL."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """What a connection of Airflow takes; it holds the key."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={self.account_key};"
            f"BlobEndpoint={self.endpoint};"
        )

    def client(self, **options: Any) -> Any:
        """A ``BlobServiceClient`` with the server's own key.

        :param options: its options.
        """
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient.from_connection_string(self.connection_string, **options)

    def create_container(self, name: str) -> str:
        """Make an empty container and return its name."""
        self.client().create_container(name)
        return name


@contextmanager
def azurite_server() -> Iterator[AzuriteServer]:
    """Start an Azurite on a free loopback port and stop it at the end. It comes from npm, once.

    :raises RuntimeError: where there is no Node.js or no registry, or where the server doesn't start.
    """
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    options = ["--inMemoryPersistence", "--disableTelemetry", "--silent", "--blobHost", "127.0.0.1"]
    # The client speaks a newer version of the API than the emulator knows by name
    options.append("--skipApiVersionCheck")
    process, port = started(
        "azurite", "dist/src/blob/main.js", "--blobPort", options, {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
    )
    try:
        yield AzuriteServer(port, process.pid, key)
    finally:
        process.kill()
        process.wait()
