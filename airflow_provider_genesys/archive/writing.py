# SPDX-License-Identifier: Apache-2.0
"""Documents on their way into a store: manifests, receipts, reports."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import PurePosixPath

from airflow_provider_genesys.archive.stores import PART, Attributes, Overwrite, Store
from airflow_provider_genesys.export.model import StoredObject

_MEDIA_TYPES = {
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".ogg": "audio/ogg",
    ".opus": "audio/opus",
    ".webm": "video/webm",
    ".mp4": "video/mp4",
    ".zip": "application/zip",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
}


def write_object(
    store: Store, key: str, chunks: Iterable[bytes], attributes: Attributes, overwrite: Overwrite = True
) -> StoredObject | None:
    """Store what ``chunks`` yields, whole or not at all; one part of it is in memory at a time.

    What ``chunks`` raises leaves nothing behind, nor does it touch what is there.

    :return: None where ``overwrite`` doesn't allow it: what is there stays.
    """
    digest = hashlib.sha256()
    parts = _parts(chunks, PART)
    first = next(parts)
    digest.update(first)
    if len(first) < PART:
        return store.put(key, first, attributes, sha256=digest.hexdigest(), overwrite=overwrite)
    upload = store.begin(key, attributes, overwrite=overwrite)
    try:
        for number, part in enumerate(chain([first], parts), start=1):
            if number > 1:
                digest.update(part)
            upload.put_part(number, part)
        return upload.complete(digest.hexdigest())
    except BaseException:
        upload.abort()
        raise


def media_type(key: str) -> str:
    """The Content-Type of an object, by its key's extension."""
    return _MEDIA_TYPES.get(PurePosixPath(key).suffix, "application/octet-stream")


def _parts(chunks: Iterable[bytes], size: int) -> Iterator[bytearray]:
    """``chunks`` in parts of ``size`` bytes, the last one shorter, and one at least: the same buffer in turn."""
    buffer = bytearray()
    number = 0
    for chunk in chunks:
        rest = memoryview(chunk)
        while len(buffer) + len(rest) >= size:
            room = size - len(buffer)
            buffer += rest[:room]
            rest = rest[room:]
            yield buffer
            number += 1
            buffer.clear()
        buffer += rest
    if buffer or not number:
        yield buffer
