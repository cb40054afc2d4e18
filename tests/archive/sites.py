# SPDX-License-Identifier: Apache-2.0
"""Places for a store under test, with an eye of their own on them. A new store is one more line in ``SITES``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path

from airflow_provider_genesys.archive.stores import Attributes, Store
from airflow_provider_genesys.archive.stores.file import FileStore
from airflow_provider_genesys.archive.stores.s3 import S3Store
from airflow_provider_genesys.archive.writing import media_type, write_object
from airflow_provider_genesys.export.model import StoredObject
from tests.servers.seaweedfs import SeaweedServer


class Site(ABC):
    @abstractmethod
    def store(self) -> Store:
        """A store of its own over the same place, as another process would have it."""

    @abstractmethod
    def objects(self) -> dict[str, bytes]:
        """Every finished object by its key."""

    @abstractmethod
    def unfinished(self) -> list[str]:
        """Whatever lies there and is no object."""

    @abstractmethod
    def underway(self) -> bool:
        """Whether an upload has begun, with some bytes in the store."""


class FileSite(Site):
    def __init__(self, root: Path) -> None:
        self.root = root

    def store(self) -> FileStore:
        return FileStore(self.root)

    def objects(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file() and ".incoming" not in path.parts
        }

    def unfinished(self) -> list[str]:
        return [path.as_posix() for path in (self.root / ".incoming", *self.root.glob(".incoming/*")) if path.exists()]

    def underway(self) -> bool:
        return any(path.stat().st_size for path in self.root.glob(".incoming/*"))


class S3Site(Site):
    """A prefix of its own in a bucket that all tests share."""

    def __init__(self, server: SeaweedServer, bucket: str, prefix: str) -> None:
        self.server = server
        self.bucket = bucket
        self.prefix = prefix
        self.client = server.client()

    def store(self) -> S3Store:
        return S3Store(self.client, self.bucket, self.prefix)

    def objects(self) -> dict[str, bytes]:
        listed = self.client.list_objects_v2(Bucket=self.bucket, Prefix=f"{self.prefix}/").get("Contents", ())
        keys = [entry["Key"] for entry in listed]
        return {
            key.removeprefix(f"{self.prefix}/"): self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            for key in keys
        }

    def unfinished(self) -> list[str]:
        return [upload["Key"].removeprefix(f"{self.prefix}/") for upload in self._uploads()]

    def underway(self) -> bool:
        return any(
            self.client.list_parts(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"]).get("Parts")
            for upload in self._uploads()
        )

    def _uploads(self) -> list[dict[str, str]]:
        answer = self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=f"{self.prefix}/")
        uploads: list[dict[str, str]] = answer.get("Uploads", [])
        return uploads


def put(
    store: Store, key: str, chunks: Iterable[bytes], *, overwrite: bool = False, source_etag: str | None = None
) -> StoredObject | None:
    """Store chunks under a key, unless something is there."""
    return write_object(store, key, chunks, Attributes(media_type(key), source_etag), overwrite)


SITES: dict[str, Callable[[Path, SeaweedServer], Site]] = {
    "file": lambda directory, seaweed: FileSite(directory / "archive"),
    "s3": lambda directory, seaweed: S3Site(seaweed, "calls", directory.name),
}
