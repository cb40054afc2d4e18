# SPDX-License-Identifier: Apache-2.0
"""Where an archive's objects are kept. A new store is one new module here and one line in the wiring."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

from airflow_provider_genesys.export.model import StoredObject


class Store(Protocol):
    """An object storage, or a directory that serves as one. Safe to use from several threads.

    Each call may raise ``Passing`` for a fault that a repetition may mend, and ``ExportFailed`` for one that it can't:
    a bucket that doesn't exist, a permission that is missing.
    """

    @property
    def destination(self) -> str:
        """The URI of its root, without credentials."""

    def find(self, key: str) -> StoredObject | None:
        """What lies under a key; its ``sha256`` is set only where the store itself vouches for it."""

    def read(self, key: str) -> Iterator[bytes] | None:
        """An object's bytes in chunks of bounded size, or None where there is none."""

    def put(
        self,
        key: str,
        body: Iterable[bytes],
        *,
        size: int | None = None,
        overwrite: bool = False,
        source_etag: str | None = None,
    ) -> bool:
        """Store a body under its key whole or not at all: what ``body`` raises half way leaves nothing behind.

        :param size: the body's length in bytes where it is known beforehand; a hint.
        :param overwrite: replace what is there.
        :param source_etag: kept with the object where the store can.
        :return: False where another writer's object is there already; it stays.
        """

    def remove_unfinished(self, keys: Collection[str]) -> None:
        """Remove what killed writers of these keys left half done, and nobody else's."""
