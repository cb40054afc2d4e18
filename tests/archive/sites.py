# SPDX-License-Identifier: Apache-2.0
"""Places for a store under test, with an eye of their own on them. A new store is one more line in ``SITES``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_genesys.archive.stores import Attributes, Store
from airflow_provider_genesys.archive.stores.file import FileStore
from airflow_provider_genesys.archive.stores.s3 import S3Store
from airflow_provider_genesys.archive.writing import media_type, write_object
from airflow_provider_genesys.export.model import StoredObject
from tests.servers.azurite import AzuriteServer
from tests.servers.gcs import GcsServer
from tests.servers.seaweedfs import SeaweedServer

if TYPE_CHECKING:
    import pytest

    from airflow_provider_genesys.archive.stores.azure import AzureStore
    from airflow_provider_genesys.archive.stores.gcs import GcsStore


class Site(ABC):
    @abstractmethod
    def store(self) -> Store:
        """A store of its own over the same place, as another process would have it."""

    @abstractmethod
    def place(self, port: int | None = None) -> dict[str, Any]:
        """JSON by which another process opens a store here, see :data:`OPENERS`.

        :param port: of a proxy before the server, if there is one.
        """

    @abstractmethod
    def objects(self) -> dict[str, bytes]:
        """Every finished object by its key."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Take an object away, as somebody beside us would."""

    def unfinished(self) -> list[str]:
        """Whatever can be seen there and is no object. Some stores show nothing of the kind."""
        return []

    @abstractmethod
    def underway(self) -> int:
        """How many uploads have begun, with some bytes in the store."""


class ServedSite(Site):
    """A place on a server.

    :ivar port: the server's.
    """

    port: int

    @abstractmethod
    def store(self, port: int | None = None) -> Store:
        """See :meth:`Site.store`.

        :param port: of a proxy before the server, or of nobody.
        """

    @abstractmethod
    def missing(self) -> Store:
        """A store in a bucket that doesn't exist."""

    @abstractmethod
    def media_type(self, key: str) -> str:
        """An object's Content-Type."""


class FileSite(Site):
    def __init__(self, root: Path) -> None:
        self.root = root

    def store(self) -> FileStore:
        return FileStore(self.root)

    def place(self, port: int | None = None) -> dict[str, Any]:
        return {"scheme": "file", "root": str(self.root)}

    def objects(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file() and ".incoming" not in path.parts
        }

    def delete(self, key: str) -> None:
        (self.root / key).unlink()

    def unfinished(self) -> list[str]:
        return [path.as_posix() for path in (self.root / ".incoming", *self.root.glob(".incoming/*")) if path.exists()]

    def underway(self) -> int:
        return sum(path.stat().st_size > 0 for path in self.root.glob(".incoming/*"))


class S3Site(ServedSite):
    """A prefix of its own in a bucket that all tests share, or a whole bucket: the prefix is empty then."""

    def __init__(self, server: SeaweedServer, bucket: str, prefix: str) -> None:
        self.server = server
        self.port = server.port
        self.bucket = bucket
        self.prefix = prefix
        self.client = server.client()
        self._root = f"{prefix}/" if prefix else ""

    def store(self, port: int | None = None) -> S3Store:
        if port is None:
            return S3Store(self.client, self.bucket, self.prefix)
        impatient = {"retries": {"total_max_attempts": 1}, "connect_timeout": 5}
        return S3Store(replace(self.server, port=port).client(**impatient), self.bucket, self.prefix)

    def place(self, port: int | None = None) -> dict[str, Any]:
        server = vars(self.server) | {"port": port or self.port}
        return {"scheme": "s3", "server": server, "bucket": self.bucket, "prefix": self.prefix}

    def missing(self) -> S3Store:
        return S3Store(self.client, "no-such-bucket", self.prefix)

    def media_type(self, key: str) -> str:
        return str(self.client.head_object(Bucket=self.bucket, Key=f"{self._root}{key}")["ContentType"])

    def objects(self) -> dict[str, bytes]:
        listed = self.client.list_objects_v2(Bucket=self.bucket, Prefix=self._root).get("Contents", ())
        keys = [entry["Key"] for entry in listed]
        return {
            key.removeprefix(self._root): self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            for key in keys
        }

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=f"{self._root}{key}")

    def unfinished(self) -> list[str]:
        return [upload["Key"].removeprefix(self._root) for upload in self._uploads()]

    def underway(self) -> int:
        return sum(
            "Parts" in self.client.list_parts(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            for upload in self._uploads()
        )

    def _uploads(self) -> list[dict[str, str]]:
        answer = self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=self._root)
        uploads: list[dict[str, str]] = answer.get("Uploads", [])
        return uploads


class GcsSite(ServedSite):
    """A prefix of its own in a bucket that all tests share."""

    def __init__(self, server: GcsServer, bucket: str, prefix: str) -> None:
        self.server = server
        self.port = server.port
        self.bucket = bucket
        self.prefix = prefix

    def store(self, port: int | None = None) -> GcsStore:
        from airflow_provider_genesys.archive.stores.gcs import GcsStore

        return GcsStore(self.server.client(port), self.bucket, self.prefix, retry=None)

    def place(self, port: int | None = None) -> dict[str, Any]:
        server = {"port": port or self.port, "pid": self.server.pid}
        return {"scheme": "gs", "server": server, "bucket": self.bucket, "prefix": self.prefix}

    def missing(self) -> GcsStore:
        from airflow_provider_genesys.archive.stores.gcs import GcsStore

        return GcsStore(self.server.client(), "no-such-bucket", self.prefix)

    def media_type(self, key: str) -> str:
        return str(self.server.client().bucket(self.bucket).get_blob(f"{self.prefix}/{key}").content_type)

    def objects(self) -> dict[str, bytes]:
        blobs = self.server.client().list_blobs(self.bucket, prefix=f"{self.prefix}/")
        return {blob.name.removeprefix(f"{self.prefix}/"): blob.download_as_bytes() for blob in blobs}

    def delete(self, key: str) -> None:
        self.server.client().bucket(self.bucket).blob(f"{self.prefix}/{key}").delete()

    def underway(self) -> int:
        assert self.server.front
        sessions = list(self.server.front.sessions.values())
        return sum(one.metadata["name"].startswith(f"{self.prefix}/") and bool(one.data) for one in sessions)


class AzureSite(ServedSite):
    """A prefix of its own in a container that all tests share."""

    def __init__(self, server: AzuriteServer, bucket: str, prefix: str) -> None:
        self.server = server
        self.port = server.port
        self.bucket = bucket
        self.prefix = prefix
        self.client = server.client().get_container_client(bucket)

    def store(self, port: int | None = None) -> AzureStore:
        return self._store(self.bucket, replace(self.server, port=port or self.port))

    def place(self, port: int | None = None) -> dict[str, Any]:
        server = vars(self.server) | {"port": port or self.port}
        return {"scheme": "abfs", "server": server, "bucket": self.bucket, "prefix": self.prefix}

    def missing(self) -> AzureStore:
        return self._store("no-such-bucket", self.server)

    def media_type(self, key: str) -> str:
        return str(
            self.client.get_blob_client(f"{self.prefix}/{key}").get_blob_properties().content_settings.content_type
        )

    def objects(self) -> dict[str, bytes]:
        names = list(self.client.list_blob_names(name_starts_with=f"{self.prefix}/"))
        return {name.removeprefix(f"{self.prefix}/"): self.client.download_blob(name).readall() for name in names}

    def delete(self, key: str) -> None:
        self.client.delete_blob(f"{self.prefix}/{key}")

    def _store(self, container: str, server: AzuriteServer) -> AzureStore:
        from airflow_provider_genesys.archive.stores.azure import AzureStore, container_client

        return AzureStore(container_client(server.client(), container, 32, tries=1), self.prefix)

    def underway(self) -> int:
        blobs = self.client.list_blobs(name_starts_with=f"{self.prefix}/", include=["uncommittedblobs"])
        return len({blob.name for blob in blobs} - {f"{self.prefix}/{key}" for key in self.objects()})


def put(
    store: Store, key: str, chunks: Iterable[bytes], *, overwrite: bool = False, source_etag: str | None = None
) -> StoredObject | None:
    """Store chunks under a key, unless something is there."""
    return write_object(store, key, chunks, Attributes(media_type(key), source_etag), overwrite)


SITES: dict[str, Callable[[pytest.FixtureRequest, Path], Site]] = {
    "file": lambda _, directory: FileSite(directory / "archive"),
    "s3": lambda request, directory: S3Site(request.getfixturevalue("seaweed"), "calls", directory.name),
    "gs": lambda request, directory: GcsSite(request.getfixturevalue("gcs"), "calls", directory.name),
    "abfs": lambda request, directory: AzureSite(request.getfixturevalue("azurite"), "calls", directory.name),
}
"""How a test gets an empty one, by the scheme of its destination."""

OPENERS: dict[str, Callable[[dict[str, Any]], Store]] = {
    "file": lambda place: FileStore(Path(place["root"])),
    "s3": lambda place: S3Site(SeaweedServer(**place["server"]), place["bucket"], place["prefix"]).store(),
    "gs": lambda place: GcsSite(GcsServer(**place["server"]), place["bucket"], place["prefix"]).store(),
    "abfs": lambda place: AzureSite(AzuriteServer(**place["server"]), place["bucket"], place["prefix"]).store(),
}
"""How a store is opened at a :meth:`Site.place`."""
