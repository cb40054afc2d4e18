# SPDX-License-Identifier: Apache-2.0
"""What every store has to keep to where a document is replaced: one version of it only, by one writer only."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_genesys.archive.stores import PART, Attributes, Store
from airflow_provider_genesys.archive.writing import write_object
from airflow_provider_genesys.export.model import Version
from tests.archive.sites import Site, put
from tests.archive.stores.test_conformance import body

DOCUMENT = "receipts/day.jsonl"
LARGE = PART + PART // 2


def replaced(store: Store, chunks: Iterable[bytes], version: Version | None) -> Version | None:
    """The version of what was put in the place of another one, or of nothing; None where that was not there."""
    stored = write_object(store, DOCUMENT, chunks, Attributes("application/json"), version or False)
    return None if stored is None else stored.version


@pytest.mark.parametrize("size", [1000, LARGE])
def test_of_an_object_only_the_expected_version_is_replaced(site: Site, size: int) -> None:
    first = replaced(site.store(), [b"first"], None)
    assert first
    second = replaced(site.store(), body(size), first)
    assert second
    assert site.objects() == {DOCUMENT: b"".join(body(size))}
    for stale in (None, first):
        assert replaced(site.store(), [b"stale"], stale) is None
        assert replaced(site.store(), body(LARGE + 1), stale) is None
    assert site.objects() == {DOCUMENT: b"".join(body(size))}
    assert replaced(site.store(), [b"third"], second)
    assert site.objects() == {DOCUMENT: b"third"}
    assert site.unfinished() == []


@pytest.mark.parametrize("size", [1000, LARGE])
def test_where_no_version_is_there_is_none_to_replace(site: Site, size: int) -> None:
    version = replaced(site.store(), [b"first"], None)
    site.delete(DOCUMENT)
    assert replaced(site.store(), body(size), version) is None
    assert site.objects() == {}
    assert site.unfinished() == []


@pytest.mark.parametrize("size", [1000, LARGE])
def test_whoever_looks_is_told_the_version_that_its_writer_was_told(site: Site, size: int) -> None:
    written = put(site.store(), DOCUMENT, body(size))
    found, content = site.store().find(DOCUMENT), site.store().read(DOCUMENT)
    assert written
    assert found
    assert content
    assert written.version
    assert written.version == found.version == content.version
    assert b"".join(content) == b"".join(body(size))


def test_of_sixteen_that_replace_the_same_version_one_wins(site: Site) -> None:
    version = replaced(site.store(), [b"before"], None)
    stores = [site.store() for _ in range(16)]
    ready = threading.Barrier(16)

    def write(number: int) -> bool:
        def slowly() -> Iterator[bytes]:
            yield bytes([number]) * 50_000
            ready.wait(10)
            yield bytes([number]) * 50_000

        return replaced(stores[number], slowly(), version) is not None

    with ThreadPoolExecutor(16) as threads:
        won = list(threads.map(write, range(16)))
    assert sum(won) == 1
    assert site.objects() == {DOCUMENT: bytes([won.index(True)]) * 100_000}
    assert site.unfinished() == []
