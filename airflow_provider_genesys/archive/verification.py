# SPDX-License-Identifier: Apache-2.0
"""Holding receipts against the store: whether every object is still the one that was archived."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from airflow_provider_genesys.archive.retries import Retries
from airflow_provider_genesys.archive.stores import Store
from airflow_provider_genesys.export.model import ReceiptLine

logger = logging.getLogger(__name__)


def differences(
    store: Store, lines: Collection[ReceiptLine], *, retries: Retries, concurrency: int
) -> Iterator[tuple[ReceiptLine, str]]:
    """Archived lines that the store doesn't bear out, each with what is there instead.

    Listings tell sizes and checksums, 1,000 objects a request. Where they or the receipt tell no checksum, or another
    one (a copied object may have one of its own), the object is read, and its SHA-256 decides.

    :param concurrency: objects that are read at a time; of each a chunk is in memory.
    """
    stored = store.find_all([line.key for line in lines if line.key])
    doubtful = []
    for line in lines:
        found = stored.get(line.key or "")
        if found is None:
            yield line, "is not there"
        elif found.size != line.size:
            yield line, f"has {found.size} bytes instead of {line.size}"
        elif line.sha256 is None:  # delivered by Genesys Cloud: its bytes have never been here
            if found.checksum != line.checksum:
                yield line, "has another checksum than when it was delivered"
        elif found.checksum is None or found.checksum != line.checksum:
            doubtful.append(line)
    if doubtful:
        logger.info("%d of %d objects are read, since no listing can vouch for them", len(doubtful), len(lines))
    read = partial(_read, store, retries)
    with ThreadPoolExecutor(concurrency, thread_name_prefix="verification") as threads:
        for line, fault in zip(doubtful, threads.map(read, doubtful), strict=True):
            if fault:
                yield line, fault


def read_back(store: Store, key: str) -> tuple[int, str] | None:
    """An object's size and SHA-256, by reading it; None where there is none."""
    chunks = store.read(key)
    if chunks is None:
        return None
    size, sha256 = 0, hashlib.sha256()
    for chunk in chunks:
        size += len(chunk)
        sha256.update(chunk)
    return size, sha256.hexdigest()


def _read(store: Store, retries: Retries, line: ReceiptLine) -> str | None:
    found = retries.call(f"{line.key}", partial(read_back, store, line.key or ""))
    if found is None:
        return "is not there"
    return None if found[1] == line.sha256 else f"has the SHA-256 {found[1]} instead of {line.sha256}"
