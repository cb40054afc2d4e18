# SPDX-License-Identifier: Apache-2.0
"""An archive's documents as streams: written whole or not at all, read again and again."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from airflow_provider_genesys.archive.manifests import Document
from airflow_provider_genesys.archive.stores import PART, Attributes, Overwrite, Store
from airflow_provider_genesys.archive.writing import media_type, write_object
from airflow_provider_genesys.export.errors import Passing
from airflow_provider_genesys.export.model import StoredObject


def put_document(store: Store, key: str, chunks: Iterable[bytes], overwrite: Overwrite = True) -> StoredObject | None:
    """Write a document over an older one, once nothing is left of a killed writer of it.

    :return: None where ``overwrite`` doesn't allow it: what is there stays.
    """
    store.remove_unfinished([key])
    return write_object(store, key, chunks, Attributes(media_type(key)), overwrite)


def document_at(store: Store, key: str) -> Document | None:
    """A document to be read as often as one likes: from memory where it fits into a part, else from the store.

    :return: None where there is none.
    """
    chunks = store.read(key)
    if chunks is None:
        return None
    head: list[bytes] = []
    size = 0
    for chunk in chunks:
        head.append(chunk)
        size += len(chunk)
        if size > PART:
            return partial(_read_again, store, key)
    return partial(iter, head)


def _read_again(store: Store, key: str) -> Iterable[bytes]:
    chunks = store.read(key)
    if chunks is None:
        raise Passing(f"{key} in {store.destination} was there and went away again")
    return chunks
