# SPDX-License-Identifier: Apache-2.0
"""What every store has to keep to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_genesys.archive.layout import manifest_key
from airflow_provider_genesys.archive.stores import PART
from tests.archive.sites import Site, put

KEY = "recordings/r1.mp3"
LARGE = PART + PART // 2


class Broken(Exception):
    pass


def body(size: int, *, broken: bool = False) -> Iterator[bytes]:
    block = bytes(range(256)) * 1024
    for start in range(0, size, len(block)):
        yield block[: size - start]
    if broken:
        raise Broken


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, LARGE])
def test_a_body_comes_back_as_it_was_put(site: Site, size: int) -> None:
    assert put(site.store(), KEY, body(size))
    assert site.objects() == {KEY: b"".join(body(size))}
    assert b"".join(site.store().read(KEY) or ()) == b"".join(body(size))
    assert site.unfinished() == []


def test_find_tells_size_and_only_a_true_checksum(site: Site) -> None:
    for key, size in ((KEY, 1000), ("recordings/r2.mp3", LARGE)):
        put(site.store(), key, body(size))
        found = site.store().find(key)
        assert found is not None
        assert (found.key, found.size) == (key, size)
        assert found.sha256 in (None, hashlib.sha256(b"".join(body(size))).hexdigest())


def test_what_is_not_there_is_none(site: Site) -> None:
    assert site.store().find(KEY) is None
    assert site.store().read(KEY) is None


@pytest.mark.parametrize("size", [1000, LARGE])
def test_an_object_stays_unless_it_is_to_be_overwritten(site: Site, size: int) -> None:
    store = site.store()
    assert put(store, KEY, [b"first"])
    assert not put(store, KEY, body(size))
    assert site.objects() == {KEY: b"first"}
    assert put(store, KEY, body(size), overwrite=True)
    assert site.objects() == {KEY: b"".join(body(size))}
    assert site.unfinished() == []


@pytest.mark.parametrize("size", [0, 1000, LARGE])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_body_that_breaks_half_way_leaves_nothing(site: Site, size: int, overwrite: bool) -> None:
    if overwrite:
        put(site.store(), KEY, [b"before"])
    with pytest.raises(Broken):
        put(site.store(), KEY, body(size, broken=True), overwrite=overwrite)
    assert site.objects() == ({KEY: b"before"} if overwrite else {})
    assert site.unfinished() == []


def test_sixteen_writers_of_one_key_leave_one_whole_object(site: Site) -> None:
    stores = [site.store() for _ in range(16)]
    ready = threading.Barrier(16)

    def write(number: int) -> bool:
        def slowly() -> Iterator[bytes]:
            yield bytes([number]) * 50_000
            ready.wait(10)
            yield bytes([number]) * 50_000

        return put(stores[number], KEY, slowly()) is not None

    with ThreadPoolExecutor(16) as threads:
        created = list(threads.map(write, range(16)))
    assert sum(created) == 1
    assert site.objects() == {KEY: bytes([created.index(True)]) * 100_000}
    assert site.unfinished() == []


def test_hostile_ids_stay_in_their_folder(site: Site) -> None:
    ids = ["../../etc/passwd", "..", ".", "/abs", "a\\b", "a b%2F?#&=+", "x" * 400, "ünï", "\n\0", "~", "con"]
    for recording_id in ids:
        assert put(site.store(), manifest_key(recording_id), [recording_id.encode()])
    assert site.objects() == {manifest_key(recording_id): recording_id.encode() for recording_id in ids}


def test_cleaning_up_leaves_finished_objects_alone(site: Site) -> None:
    put(site.store(), KEY, [b"done"])
    site.store().remove_unfinished([KEY, "recordings/r2.mp3"])
    site.store().remove_unfinished([])
    assert site.objects() == {KEY: b"done"}


def test_the_destination_names_the_place_and_no_secret(site: Site) -> None:
    scheme, _, place = site.store().destination.partition("://")
    assert scheme in ("file", "s3")
    assert not place.endswith("/")
    assert "@" not in place
