# SPDX-License-Identifier: Apache-2.0
"""Recordings on their way: by ranges, in one stream, through broken connections and changed objects."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from airflow_provider_genesys.archive.archive import ObjectArchive
from airflow_provider_genesys.archive.relay import PARTS_AT_A_TIME
from airflow_provider_genesys.archive.stores import PART
from airflow_provider_genesys.archive.transfer import Outcome
from airflow_provider_genesys.export.errors import Passing, UrlsExpired
from airflow_provider_genesys.export.model import Recording, StoredObject
from tests.archive.process import DAY
from tests.archive.sites import S3Site, Site
from tests.archive.source import Answer, Source, chunked, ok, ranged, status

Build = Callable[..., ObjectArchive]

SMALL = random.Random(1).randbytes(100_000)
LARGE = random.Random(2).randbytes(3 * PART + 1000)
OTHER = random.Random(3).randbytes(3 * PART + 1000)


def fetch(archive: ObjectArchive, url: str) -> Outcome:
    ((_, outcome),) = archive.fetch([Recording("r1", url)], DAY, "mp3", overwrite=False, proceed=lambda: None)
    return outcome


def assert_archived(site: Site, outcome: Outcome, body: bytes, etag: str | None = "e-1") -> None:
    assert isinstance(outcome, StoredObject), outcome
    assert (outcome.size, outcome.sha256, outcome.source_etag) == (len(body), hashlib.sha256(body).hexdigest(), etag)
    assert site.objects() == {"recordings/r1.mp3": body}
    assert site.unfinished() == []


def spans(source: Source) -> list[str]:
    return [request.headers.get("range", "") for request in source.requests]


@pytest.mark.parametrize("size", [1, 1000, PART - 1, PART])
def test_what_fits_in_a_part_is_one_get_and_one_put(
    s3_site: S3Site, source: Source, archive_over: Build, size: int
) -> None:
    asked: list[str] = []
    s3_site.client.meta.events.register("before-send.s3", lambda request, **_: asked.append(request.method))
    outcome = fetch(archive_over(s3_site.store()), source.set("/r1", ranged(LARGE[:size])))
    assert spans(source) == [f"bytes=0-{PART - 1}"]
    assert asked.count("PUT") == 1
    assert "HEAD" not in asked
    assert_archived(s3_site, outcome, LARGE[:size])


@pytest.mark.parametrize("size", [PART + 1, 2 * PART, len(LARGE)])
def test_what_is_larger_comes_by_ranges_of_one_object(
    site: Site, source: Source, archive_over: Build, size: int
) -> None:
    outcome = fetch(archive_over(site.store()), source.set("/r1", ranged(LARGE[:size])))
    assert sorted(spans(source)) == sorted(
        f"bytes={start}-{min(start + PART, size if start else PART) - 1}" for start in range(0, size, PART)
    )
    assert [request.headers.get("if-match") for request in source.requests[1:]] == ['"e-1"'] * (
        len(source.requests) - 1
    )
    assert_archived(site, outcome, LARGE[:size])


@pytest.mark.parametrize(
    "answer",
    [
        ok(LARGE),
        chunked(*(LARGE[start : start + 1_000_000] for start in range(0, len(LARGE), 1_000_000))),
        chunked(LARGE[:PART]),
        chunked(LARGE[: 2 * PART]),
        chunked(SMALL),
    ],
    ids=["length", "chunks", "a part", "two parts", "small"],
)
def test_a_source_without_ranges_is_read_in_one_stream(
    site: Site, source: Source, archive_over: Build, answer: Answer
) -> None:
    outcome = fetch(archive_over(site.store()), source.set("/r1", answer))
    assert len(source.requests) == 1
    assert isinstance(outcome, StoredObject)
    assert_archived(site, outcome, (LARGE if outcome.size > len(SMALL) else SMALL)[: outcome.size], etag=None)


@pytest.mark.parametrize(
    "odd",
    [
        status(416),
        status(206, LARGE),
        ranged(LARGE, span="bytes {}-{}/*".format),
        ranged(LARGE, span=lambda start, last, total: f"bytes {start + 1}-{last + 1}/{total}"),
        ranged(LARGE, span=lambda start, last, total: f"bytes {start}-{last - 1}/{total}"),
        ranged(LARGE, span=lambda start, last, total: f"bytes {start}-{last}/{last}"),
    ],
    ids=["416", "no span", "no total", "other bytes", "other length", "total too small"],
)
def test_an_odd_answer_to_a_range_is_asked_for_plainly(
    site: Site, source: Source, archive_over: Build, odd: Answer
) -> None:
    outcome = fetch(archive_over(site.store()), source.set("/r1", odd, ok(LARGE)))
    assert spans(source) == [f"bytes=0-{PART - 1}", ""]
    assert_archived(site, outcome, LARGE, etag=None)


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_a_part_that_breaks_off_goes_on_from_its_last_byte(
    site: Site, source: Source, archive_over: Build, body: bytes
) -> None:
    broken = ranged(body, breaks_after=40_000)
    outcome = fetch(archive_over(site.store()), source.set("/r1", broken, broken, ranged(body)))
    assert_archived(site, outcome, body)
    starts = [int(span.partition("=")[2].partition("-")[0]) for span in spans(source)]
    assert sorted(starts) == sorted(set(starts)), "no byte is fetched twice"
    assert 40_000 in starts


def test_a_part_that_never_comes_ends_within_bounds(site: Site, source: Source, archive_over: Build) -> None:
    outcome = fetch(archive_over(site.store()), source.set("/r1", ranged(SMALL, breaks_after=0)))
    assert isinstance(outcome, Passing)
    assert len(source.requests) == 4 * 4
    assert site.objects() == {}
    assert site.unfinished() == []


@pytest.mark.parametrize(
    "later",
    [
        ranged(OTHER, etag='"e-2"'),
        ranged(OTHER, etag='"e-2"', heeds_if_match=False),
        ranged(OTHER[:-1], heeds_if_match=False),
    ],
    ids=["412", "another ETag", "another total"],
)
def test_an_object_that_changes_is_begun_afresh(site: Site, source: Source, archive_over: Build, later: Answer) -> None:
    """Its parts are those of one object, whichever it is."""
    whole = ranged(OTHER, etag='"e-3"')
    outcome = fetch(archive_over(site.store()), source.set("/r1", ranged(LARGE), *[later] * 4, whole))
    assert_archived(site, outcome, OTHER, etag="e-3")


@pytest.mark.parametrize("later", [ok(LARGE, ETag='"e-1"'), status(416)], ids=["200", "416"])
def test_a_source_that_serves_its_first_range_only_is_asked_plainly(
    site: Site, source: Source, archive_over: Build, later: Answer
) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        span = handler.headers.get("Range", "")
        is_first = not span or span.startswith("bytes=0-")
        (ranged(LARGE) if is_first else later)(handler)

    outcome = fetch(archive_over(site.store()), source.set("/r1", answer))
    assert spans(source)[-1] == ""
    assert_archived(site, outcome, LARGE)


def test_a_weak_etag_is_no_condition(site: Site, source: Source, archive_over: Build) -> None:
    outcome = fetch(archive_over(site.store()), source.set("/r1", ranged(LARGE, etag='W/"e-1"', heeds_if_match=False)))
    assert {request.headers.get("if-match") for request in source.requests} == {None}
    assert_archived(site, outcome, LARGE)


@pytest.mark.parametrize("md5_of", [LARGE, OTHER])
def test_a_checksum_of_the_whole_is_held_against_its_ranges(
    s3_site: S3Site, source: Source, archive_over: Build, md5_of: bytes
) -> None:
    etag = f'"{hashlib.md5(md5_of).hexdigest()}"'
    outcome = fetch(archive_over(s3_site.store()), source.set("/r1", ranged(LARGE, etag=etag, x_amz_request_id="1")))
    if md5_of is LARGE:
        assert_archived(s3_site, outcome, LARGE, etag=etag.strip('"'))
    else:
        assert "don't match their MD5" in str(outcome)
        assert s3_site.objects() == {}
        assert s3_site.unfinished() == []


def test_a_url_that_expires_between_ranges_ends_the_transfer(site: Site, source: Source, archive_over: Build) -> None:
    with pytest.raises(UrlsExpired):
        fetch(archive_over(site.store()), source.set("/r1", ranged(LARGE), status(403)))
    assert site.objects() == {}
    assert site.unfinished() == []


def test_a_page_in_place_of_a_large_recording_is_refused(site: Site, source: Source, archive_over: Build) -> None:
    outcome = fetch(archive_over(site.store()), source.set("/r1", ranged(b"<!doctype html>" + LARGE)))
    assert "sent a page in place of a recording" in str(outcome)
    assert site.objects() == {}
    assert site.unfinished() == []


def test_a_store_that_fails_for_a_moment_costs_no_second_download(
    s3_site: S3Site, source: Source, archive_over: Build
) -> None:
    store = s3_site.store()
    put, faults = store.put, [Passing("SlowDown"), Passing("SlowDown")]

    def failing(*arguments: object, **options: object) -> StoredObject | None:
        if faults:
            raise faults.pop()
        return put(*arguments, **options)  # type: ignore[arg-type]

    store.put = failing  # type: ignore[method-assign,assignment]
    outcome = fetch(archive_over(store), source.set("/r1", ranged(SMALL)))
    assert len(source.requests) == 1
    assert_archived(s3_site, outcome, SMALL)


def test_many_large_ones_at_a_time_all_arrive(site: Site, source: Source, archive_over: Build) -> None:
    """More parts than there are threads and memory for, of more recordings than may be under way."""
    bodies = {f"r{n}": random.Random(n).randbytes(2 * PART + 5000 * n) for n in range(PARTS_AT_A_TIME)}
    recordings = [Recording(name, source.set(f"/{name}", ranged(body))) for name, body in bodies.items()]
    outcomes = archive_over(site.store(), concurrency=32).fetch(
        recordings, DAY, "mp3", overwrite=False, proceed=lambda: None
    )
    assert all(isinstance(outcome, StoredObject) for _, outcome in outcomes)
    assert site.objects() == {f"recordings/{name}.mp3": body for name, body in bodies.items()}
