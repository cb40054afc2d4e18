# SPDX-License-Identifier: Apache-2.0
"""Where an archive's objects are kept. A new store is one new module here and one line in the wiring."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from airflow_provider_genesys.export.model import StoredObject, Version

PART = 8 * 1024 * 1024
"""Bytes of a part: what is smaller is stored in one request, what is larger in parts of this size, the last one
shorter."""

Bytes = bytes | bytearray | memoryview

Overwrite = bool | Version
"""Whether an object may be replaced: not at all, whatever it is, or this version of it and nothing else."""


@dataclass(frozen=True)
class Attributes:
    """What is kept with an object.

    :param media_type: its Content-Type.
    :param source_etag: the source's ETag, kept as metadata ``source-etag`` where the store has metadata.
    """

    media_type: str = "application/octet-stream"
    source_etag: str | None = None


@dataclass(frozen=True)
class Content(Iterable[bytes]):
    """What an object holds, to be read once, in chunks of bounded size."""

    version: Version
    chunks: Iterator[bytes]

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks


class Store(Protocol):
    """An object storage, or a directory that serves as one. Safe to use from several threads.

    Each call may raise ``Passing`` for a fault that a repetition may mend, and ``ExportFailed`` for one that it can't:
    a bucket that doesn't exist, a permission that is missing.

    :ivar parts_in_order: the parts of an upload must be put one after the other.
    """

    parts_in_order: bool

    @property
    def destination(self) -> str:
        """The URI of its root, without credentials."""

    def find(self, key: str) -> StoredObject | None:
        """What lies under a key; its ``sha256`` is set only where the store itself vouches for it."""

    def find_all(self, keys: Collection[str]) -> dict[str, StoredObject]:
        """What lies under these keys, by listings of 1,000 objects.

        A listing begins at the next wanted key, so that it costs no more requests than there are keys, nor more than
        the archive has thousands of objects. A listing doesn't tell the ``sha256``; it tells the ``checksum`` where the
        store has one.
        """

    def read(self, key: str) -> Content | None:
        """An object's bytes, or None where there is none."""

    def put(
        self, key: str, body: Bytes, attributes: Attributes, *, sha256: str, overwrite: Overwrite = False
    ) -> StoredObject | None:
        """Store an object by one request. The store checks the bytes.

        :param sha256: the body's, hexadecimal.
        :return: with its version; None where ``overwrite`` doesn't allow it: what is there stays.
        """

    def begin(
        self, key: str, attributes: Attributes, *, size: int | None = None, overwrite: Overwrite = False
    ) -> Upload:
        """Begin an object in parts, which appears under its key when it is complete.

        :param size: of the whole, in bytes, where it is known: a hint.
        """

    def remove_unfinished(self, keys: Collection[str]) -> None:
        """Remove what killed writers of these keys left half done, and nobody else's."""


@runtime_checkable
class Browsable(Protocol):
    """A store in which others put objects, too: Genesys Cloud does, and into S3 only."""

    def folders(self) -> Iterator[str]:
        """The first parts of all keys that have several."""

    def browse(self, prefix: str) -> Iterator[StoredObject]:
        """What lies under keys that begin so, and since when, 1,000 objects a request, in no particular order."""


class Upload(Protocol):
    """An object that arrives in parts. Whoever began it either completes or aborts it.

    :ivar part_size: bytes of every part but the last: :data:`PART`, or more where an object of the announced size would
        need too many parts.
    """

    part_size: int

    def put_part(self, number: int, body: Bytes) -> None:
        """Store a part; from several threads, unless the store wants its parts in order.

        :param number: from 1. A part may be put again after a ``Passing``.
        """

    def complete(self, sha256: str) -> StoredObject | None:
        """Make the object appear, whole.

        :param sha256: of the whole, hexadecimal.
        :return: with its version; None where ``overwrite`` doesn't allow it: what is there stays, nothing of the
            upload does.
        """

    def abort(self) -> None:
        """Leave nothing behind. Never raises: what can't be removed now is removed by the next run."""
