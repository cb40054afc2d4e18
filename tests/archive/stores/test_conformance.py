# SPDX-License-Identifier: Apache-2.0
"""What every store has to keep to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_genesys.archive.layout import manifest_key
from airflow_provider_genesys.archive.stores import PART, Attributes
from tests.archive.sites import S3Site, ServedSite, Site, put
from tests.servers.holding_proxy import HoldingProxy

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
    assert scheme in ("file", "s3", "gs", "http")
    assert not place.endswith("/")
    assert "@" not in place


def test_parts_may_come_side_by_side_where_the_store_lets_them(site: Site) -> None:
    whole = b"".join(bytes([number]) * PART for number in range(4)) + b"the rest"
    store = site.store()
    upload = store.begin(KEY, Attributes(), size=len(whole))
    parts = [(number + 1, memoryview(whole)[number * PART : (number + 1) * PART]) for number in range(5)]
    if store.parts_in_order:
        for number, part in parts:
            upload.put_part(number, part)
    else:
        with ThreadPoolExecutor(5) as threads:
            list(threads.map(lambda part: upload.put_part(*part), reversed(parts)))
    assert site.objects() == {}
    stored = upload.complete(hashlib.sha256(whole).hexdigest())
    assert stored
    assert (stored.key, stored.size, stored.sha256) == (KEY, len(whole), hashlib.sha256(whole).hexdigest())
    assert site.objects() == {KEY: whole}


def test_a_part_that_is_put_again_counts_once(site: Site) -> None:
    upload = site.store().begin(KEY, Attributes())
    for number, part in ((1, b"a" * PART), (1, b"a" * PART), (2, b"b" * 1000), (2, b"b" * 1000)):
        upload.put_part(number, part)
    whole = b"a" * PART + b"b" * 1000
    stored = upload.complete(hashlib.sha256(whole).hexdigest())
    assert stored
    assert stored.size == len(whole)
    assert site.objects() == {KEY: whole}


@pytest.mark.parametrize("parts", [0, 1, 2])
def test_an_upload_that_is_aborted_leaves_nothing(site: Site, parts: int) -> None:
    upload = site.store().begin(KEY, Attributes())
    for number in range(1, parts + 1):
        upload.put_part(number, b"x" * PART)
    upload.abort()
    upload.abort()
    assert site.objects() == {}
    assert site.unfinished() == []
    assert site.store().find(KEY) is None
    assert put(site.store(), KEY, body(LARGE))
    assert site.objects() == {KEY: b"".join(body(LARGE))}


def test_of_two_uploads_of_one_key_the_first_to_complete_stays_whole(site: Site) -> None:
    uploads = {letter: site.store().begin(KEY, Attributes()) for letter in (b"a", b"b")}
    for number in (1, 2):
        for letter, upload in uploads.items():
            upload.put_part(number, letter * PART)
    outcomes = {
        letter: upload.complete(hashlib.sha256(letter * 2 * PART).hexdigest()) for letter, upload in uploads.items()
    }
    assert outcomes[b"a"]
    assert outcomes[b"b"] is None
    assert site.objects() == {KEY: b"a" * 2 * PART}
    assert site.unfinished() == []


def test_sixteen_uploads_in_parts_of_one_key_leave_one_whole_object(site: Site) -> None:
    ready = threading.Barrier(16)

    def write(letter: int) -> bool:
        upload = site.store().begin(KEY, Attributes())
        whole = bytes([letter]) * 300_000
        upload.put_part(1, whole)
        ready.wait(30)
        return upload.complete(hashlib.sha256(whole).hexdigest()) is not None

    with ThreadPoolExecutor(16) as threads:
        created = list(threads.map(write, range(16)))
    # SeaweedFS completes uploads without holding a lock meanwhile: now and then two of them succeed, and one stays
    assert sum(created) == 1 or (isinstance(site, S3Site) and sum(created) > 1)
    (found,) = site.objects().values()
    assert len(found) == 300_000
    assert len(set(found)) == 1
    assert created[found[0]]


def test_reading_takes_no_more_than_a_part_at_a_time(site: Site) -> None:
    put(site.store(), KEY, body(2 * LARGE))
    chunks = list(site.store().read(KEY) or ())
    assert max(len(chunk) for chunk in chunks) <= PART
    assert b"".join(chunks) == b"".join(body(2 * LARGE))


@pytest.mark.parametrize(
    "key", ["reports/ünï côdé.json", "reports/a b+c&d=e?f#g%20h.json", "manifests/~'()!*,;:@$.json"]
)
def test_keys_are_taken_as_they_are(site: Site, key: str) -> None:
    stored = put(site.store(), key, [b"x"])
    found = site.store().find(key)
    assert stored
    assert found
    assert stored.key == found.key == key
    assert site.objects() == {key: b"x"}
    assert site.store().find_all([key]).keys() == {key}
    assert b"".join(site.store().read(key) or ()) == b"x"


@pytest.mark.parametrize("size", [1000, LARGE])
def test_a_listing_says_of_an_object_what_its_writer_was_told(site: Site, size: int) -> None:
    stored = put(site.store(), KEY, body(size), source_etag="e-1")
    assert stored
    listed = site.store().find_all([KEY, "recordings/r2.mp3"])
    assert listed.keys() == {KEY}
    assert listed[KEY].size == size
    assert listed[KEY].checksum in (None, stored.checksum)
    assert listed[KEY].sha256 in (None, stored.sha256)
    found = site.store().find(KEY)
    assert found
    assert found.checksum in (None, stored.checksum)


def test_another_object_has_another_checksum(served: ServedSite) -> None:
    for size in (1000, LARGE):
        before = put(served.store(), KEY, body(size), overwrite=True)
        after = put(served.store(), KEY, [b"y" * size], overwrite=True)
        assert before
        assert after
        assert before.checksum
        assert before.checksum != after.checksum
        assert served.store().find_all([KEY])[KEY].checksum == after.checksum


@pytest.mark.parametrize("size", [1000, LARGE])
def test_an_object_keeps_its_type_and_the_sources_etag(served: ServedSite, size: int) -> None:
    put(served.store(), KEY, body(size), source_etag='W/"e-1"')
    found = served.store().find(KEY)
    assert found
    assert found.source_etag == 'W/"e-1"'
    assert served.media_type(KEY) == "audio/mpeg"


def test_three_thousand_objects_are_found_by_four_requests(served: ServedSite, proxy: HoldingProxy) -> None:
    keys = [f"recordings/{number:05}.mp3" for number in range(3000)]
    store = served.store()
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda key: put(store, key, [key.encode()]), keys))
    found = served.store(proxy.port).find_all(keys)
    assert {key: one.size for key, one in found.items()} == {key: len(key) for key in keys}
    assert len(_listings(proxy)) <= 4

    proxy.passed.clear()
    apart = [keys[10], "recordings/01500-absent.mp3", keys[2990]]
    assert served.store(proxy.port).find_all(apart).keys() == {keys[10], keys[2990]}
    assert len(_listings(proxy)) <= 3
    assert served.store(proxy.port).find_all([]) == {}
    assert served.store(proxy.port).find_all(["manifests/none.json"]) == {}


def _listings(proxy: HoldingProxy) -> list[str]:
    """What was asked, but for the bucket's own description, which Google's client wants once for its traces."""
    return [words for words in proxy.passed if "/b/calls?" not in words]
