# SPDX-License-Identifier: Apache-2.0
"""The two sinks: one that checks nothing, and one that verifies checksums and conditions as S3 does."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dev.transfer.nginx import Nginx
from tests.servers.local import hand_over
from tests.servers.seaweedfs import SeaweedServer


class Sink(ABC):
    """Where recordings go.

    :ivar port: on loopback, of TLS.
    """

    name: str
    port: int
    access_key: str
    secret_key: str

    @abstractmethod
    def make(self, bucket: str) -> None:
        """Make an empty bucket that is ready for its first object."""

    @abstractmethod
    def size(self, bucket: str) -> int:
        """Bytes of the objects in a bucket."""

    @abstractmethod
    def remove(self, bucket: str) -> None:
        """Remove a bucket with all it holds."""

    @abstractmethod
    def put_urls(self, endpoint: str, bucket: str, keys: Sequence[str]) -> list[str]:
        """For each key a URL that takes an object by PUT without further words."""

    def requests(self) -> Counter[str] | None:
        """How often each method was asked for since the last look, or None where nobody counts."""
        return None


@dataclass
class Unchecked(Sink):
    """nginx: stores, and believes everything."""

    nginx: Nginx
    name: str = "nginx, checks nothing"
    access_key: str = "bench"
    secret_key: str = field(default="bench", repr=False)

    def __post_init__(self) -> None:
        self.port = self.nginx.sink_port

    def make(self, bucket: str) -> None:
        self._directory(bucket).mkdir()
        hand_over(self._directory(bucket))

    def size(self, bucket: str) -> int:
        return sum(path.stat().st_size for path in self._directory(bucket).rglob("*") if path.is_file())

    def remove(self, bucket: str) -> None:
        shutil.rmtree(self._directory(bucket))

    def put_urls(self, endpoint: str, bucket: str, keys: Sequence[str]) -> list[str]:
        return [f"{endpoint}/{bucket}/{key}" for key in keys]

    def requests(self) -> Counter[str]:
        return self.nginx.requests("sink")

    def _directory(self, bucket: str) -> Path:
        return self.nginx.sink / bucket


class Checking(Sink):
    """SeaweedFS: verifies signatures, checksums and ``If-None-Match``.

    :param port: where it speaks TLS, or where somebody does in front of it.
    """

    name = "SeaweedFS, verifies"

    def __init__(self, server: SeaweedServer, port: int) -> None:
        self.port, self.access_key, self.secret_key = port, server.access_key, server.secret_key
        self._client = server.client()

    def make(self, bucket: str) -> None:
        self._client.create_bucket(Bucket=bucket)
        self._client.put_object(Bucket=bucket, Key="first", Body=b"makes the server lay out its volumes")
        self._client.delete_object(Bucket=bucket, Key="first")

    def size(self, bucket: str) -> int:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sum(entry["Size"] for page in pages for entry in page.get("Contents", ()))

    def remove(self, bucket: str) -> None:
        self._client.delete_bucket(Bucket=bucket)

    def put_urls(self, endpoint: str, bucket: str, keys: Sequence[str]) -> list[str]:
        from boto3.session import Session
        from botocore.config import Config

        # The signature covers the host, and so the port of the wire: ``Host`` passes it unchanged.
        client = Session().client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
            ),
        )
        return [client.generate_presigned_url("put_object", {"Bucket": bucket, "Key": key}) for key in keys]


class Counted(Checking):
    """The same behind an nginx that counts the requests: too slow to be timed."""

    def __init__(self, server: SeaweedServer, nginx: Nginx) -> None:
        super().__init__(server, nginx.front_port)
        self._nginx = nginx

    def requests(self) -> Counter[str]:
        return self._nginx.requests("front")

    def lose(self, bucket: str, prefix: str) -> None:
        """Remove the objects below a prefix."""
        for entry in self._client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ()):
            self._client.delete_object(Bucket=bucket, Key=entry["Key"])
