# SPDX-License-Identifier: Apache-2.0
"""The archive from a misbehaving source to a real store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_genesys.archive import archive as module
from airflow_provider_genesys.archive.archive import ObjectArchive
from airflow_provider_genesys.archive.documents import put_document
from airflow_provider_genesys.archive.layout import receipt_key
from airflow_provider_genesys.archive.stores import PART
from airflow_provider_genesys.archive.stores.s3 import S3Store
from airflow_provider_genesys.archive.transfer import Outcome
from airflow_provider_genesys.export.errors import ExportFailed, LeaseLost, Passing, Refused, UrlsExpired
from airflow_provider_genesys.export.model import (
    ExportWindow,
    Manifest,
    ReceiptLine,
    Recording,
    RecordingStatus,
    StoredObject,
)
from airflow_provider_genesys.export.ports import Archive
from tests.archive.sites import FileSite, S3Site, Site, put
from tests.archive.source import Answer, Source, chunked, ok, redirect, reset, status, truncated

Build = Callable[..., ObjectArchive]

START = datetime(2024, 5, 1, tzinfo=UTC)
DAY = ExportWindow(START, START + timedelta(days=1))
MANIFEST = json.dumps({"recordings": [{"id": "r1", "agentId": "a"}]}).encode()
AUDIO = b"ID3" + bytes(range(256)) * 400


def always() -> None:
    pass


def archived(recording_id: str, body: bytes, source_etag: str | None = None) -> StoredObject:
    """What became of a recording, but for its checksum."""
    return StoredObject(f"recordings/{recording_id}.mp3", len(body), hashlib.sha256(body).hexdigest(), source_etag)


def bare(outcome: Outcome) -> Outcome:
    """The outcome but for what each store says in its own words."""
    return replace(outcome, checksum=None) if isinstance(outcome, StoredObject) else outcome


def fetch(
    archive: Archive,
    recordings: Iterable[Recording],
    *,
    overwrite: bool = False,
    proceed: Callable[[], None] = always,
) -> dict[str, Outcome]:
    came: dict[str, Outcome] = {}
    collect(archive.fetch(list(recordings), DAY, "mp3", overwrite=overwrite, proceed=proceed), came)
    return came


def collect(outcomes: Iterator[tuple[Recording, Outcome]], came: dict[str, Outcome]) -> None:
    """Keep what comes, also where an error ends it."""
    for recording, outcome in outcomes:
        came[recording.recording_id] = outcome


def test_it_is_an_archive(file_site: FileSite, archive_over: Build) -> None:
    archive: Archive = archive_over(file_site.store())
    assert archive.destination == file_site.root.as_uri()


def test_recordings_go_from_their_urls_to_their_keys(site: Site, source: Source, archive_over: Build) -> None:
    bodies = {f"r{number}": AUDIO * (number + 1) for number in range(20)} | {"large": AUDIO * (PART // len(AUDIO) + 9)}
    recordings = [
        Recording(name, source.set(f"/{name}", ok(body, ETag=f'"e-{name}"'))) for name, body in bodies.items()
    ]
    store = site.store()
    outcomes = fetch(archive_over(store), recordings)
    assert {name: bare(outcome) for name, outcome in outcomes.items()} == {
        name: archived(name, body, f"e-{name}") for name, body in bodies.items()
    }
    listed = store.find_all([f"recordings/{name}.mp3" for name in bodies])
    assert {one.key: one.size for one in listed.values()} == {f"recordings/{n}.mp3": len(b) for n, b in bodies.items()}
    assert all(
        listed[outcome.key].checksum in (None, outcome.checksum)
        for outcome in outcomes.values()
        if isinstance(outcome, StoredObject)
    )
    assert site.objects() == {f"recordings/{name}.mp3": body for name, body in bodies.items()}
    assert site.unfinished() == []


def test_a_recording_has_the_ending_that_the_platform_says(site: Site, source: Source, archive_over: Build) -> None:
    opus = Recording("r1", source.set("/r1", ok(AUDIO)), media_type="audio/ogg", extension="ogg")
    outcomes = fetch(archive_over(site.store()), [opus])
    assert isinstance(outcomes["r1"], StoredObject)
    assert site.objects() == {"recordings/r1.ogg": AUDIO}


@pytest.mark.parametrize(
    ("declared", "sent", "is_taken"),
    [
        ("application/json", "application/json", True),
        ("text/html", "text/html; charset=utf-8", True),
        ("application/json", "text/html", False),
        ("audio/ogg", "application/json", False),
        ("audio/ogg", "application/xml", False),
        (None, "application/json", False),
    ],
)
def test_a_document_is_a_recording_where_the_platform_says_so_and_an_error_elsewhere(
    site: Site, source: Source, archive_over: Build, declared: str | None, sent: str, is_taken: bool
) -> None:
    url = source.set("/r1", ok(b'<html>{"message": "Hello"}', Content_Type=sent))
    outcome = fetch(archive_over(site.store()), [Recording("r1", url, media_type=declared, extension="json")])["r1"]
    assert isinstance(outcome, StoredObject) == is_taken
    assert len(site.objects()) == is_taken


def test_what_is_there_is_not_fetched_again(site: Site, source: Source, archive_over: Build) -> None:
    large = AUDIO * (PART // len(AUDIO) + 9)
    for name, body in (("r1", AUDIO), ("large", large)):
        put(site.store(), f"recordings/{name}.mp3", [body])
    urls = {name: source.set(f"/{name}", ok(b"new")) for name in ("r1", "large", "r2")}
    outcomes = fetch(archive_over(site.store()), [Recording(name, url) for name, url in urls.items()])
    assert [source.asked(f"/{name}") for name in urls] == [0, 0, 1]
    assert bare(outcomes["r1"]) == StoredObject("recordings/r1.mp3", len(AUDIO), hashlib.sha256(AUDIO).hexdigest())
    assert bare(outcomes["large"]) == StoredObject(
        "recordings/large.mp3", len(large), hashlib.sha256(large).hexdigest()
    )


def test_what_a_transfer_archived_while_its_first_recordings_were_on_their_way_is_not_fetched_again(
    site: Site, source: Source, archive_over: Build
) -> None:
    names = [f"r{number:02}" for number in range(40)]
    for name in names[31:35]:
        put(site.store(), f"recordings/{name}.mp3", [AUDIO])
    urls = {name: source.set(f"/{name}", ok(AUDIO)) for name in names}
    fetch(archive_over(site.store(), concurrency=1), [Recording(name, url) for name, url in urls.items()])
    assert [name for name in names if not source.asked(f"/{name}")] == names[31:35]


@pytest.mark.parametrize(
    ("there", "resumed", "listings"), [(0, False, 1), (0, True, 3), (2500, False, 4), (2490, True, 3)]
)
def test_what_is_there_is_found_by_listings(
    s3_site: S3Site, source: Source, archive_over: Build, there: int, resumed: bool, listings: int
) -> None:
    """Of 2,500 recordings, so many have been archived by somebody who left no receipt."""
    store = s3_site.store()
    url = source.set("/r", ok(AUDIO))
    recordings = [Recording(f"r{number:04}", url) for number in range(2500)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda one: put(store, f"recordings/{one.recording_id}.mp3", [AUDIO]), recordings[:there]))
    asked: list[str] = []
    client = s3_site.server.client()
    client.meta.events.register("before-send.s3", lambda event_name, **_: asked.append(event_name.rpartition(".")[2]))
    archive = archive_over(S3Store(client, s3_site.bucket, s3_site.prefix), concurrency=16)
    offered = recordings if there else recordings[:40]
    outcomes = list(archive.fetch(offered, DAY, "mp3", overwrite=False, proceed=always, resumed=resumed))
    assert [outcome for _, outcome in outcomes if not isinstance(outcome, StoredObject)] == []
    assert len(source.requests) == len(offered) - there
    assert asked.count("HeadObject") == there
    assert asked.count("ListObjectsV2") <= listings


def test_ten_of_ten_thousand_that_are_missing_cost_few_requests(
    s3_site: S3Site, source: Source, archive_over: Build
) -> None:
    """A receipt says of all others that they are there: these are what retrieval asks for."""
    recordings = [Recording(f"r{number}", source.set(f"/{number}", ok(AUDIO))) for number in range(10)]
    client = s3_site.server.client()
    asked: list[str] = []
    client.meta.events.register("before-send.s3", lambda event_name, **_: asked.append(event_name))
    archive = archive_over(S3Store(client, s3_site.bucket, s3_site.prefix))
    assert len(list(archive.fetch(recordings, DAY, "mp3", overwrite=False, proceed=always, resumed=True))) == 10
    assert len([name for name in asked if "PutObject" not in name]) <= 11
    assert len(source.requests) == 10


def test_a_listing_that_is_denied_is_said_and_done_without(
    s3_site: S3Site, source: Source, archive_over: Build, caplog: pytest.LogCaptureFixture
) -> None:
    def denied(*_: object) -> dict[str, StoredObject]:
        raise ExportFailed("denied a request: s3:ListBucket")

    store = s3_site.store()
    put(store, "recordings/r1.mp3", [b"first"])
    store.find_all = denied  # type: ignore[method-assign,assignment]
    outcomes = fetch(archive_over(store), [Recording(name, source.set("/r", ok(AUDIO))) for name in ("r1", "r2")])
    assert [bare(outcomes[name]) for name in ("r1", "r2")] == [archived("r1", b"first"), archived("r2", AUDIO)]
    assert len([record for record in caplog.records if "s3:ListBucket" in record.getMessage()]) == 1


def test_recordings_come_in_the_order_of_their_keys(file_site: FileSite, source: Source, archive_over: Build) -> None:
    names = [f"r{number}" for number in (3, 1, 2, 10)]
    fetch(archive_over(file_site.store(), concurrency=1), [Recording(n, source.set(f"/{n}", ok(AUDIO))) for n in names])
    assert [request.path for request in source.requests] == ["/r1", "/r10", "/r2", "/r3"]


def test_overwrite_fetches_what_is_there(site: Site, source: Source, archive_over: Build) -> None:
    put(site.store(), "recordings/r1.mp3", [b"old"])
    recording = Recording("r1", source.set("/r1", ok(AUDIO)))
    outcomes = fetch(archive_over(site.store()), [recording], overwrite=True)
    assert bare(outcomes["r1"]) == StoredObject("recordings/r1.mp3", len(AUDIO), hashlib.sha256(AUDIO).hexdigest())
    assert site.objects() == {"recordings/r1.mp3": AUDIO}


@pytest.mark.parametrize(
    "fault",
    [
        status(503),
        status(429, Retry_After="0"),
        truncated(AUDIO),
        reset(AUDIO),
        chunked(AUDIO, whole=False),
        status(200),
        ok(b"<html>Sign in</html>", Content_Type="text/html; charset=utf-8"),
        ok(b"<Error/>", Content_Type="application/xml"),
        ok(b"{}", Content_Type="application/json"),
        ok(b"\n<!DOCTYPE html><p>Back soon", Content_Type="audio/mpeg"),
        ok(b'<?xml version="1.0"?><Error/>', Content_Type="application/octet-stream"),
    ],
)
def test_a_fault_that_passes_is_got_over_and_one_that_does_not_is_told(
    file_site: FileSite, source: Source, archive_over: Build, fault: Answer
) -> None:
    recordings = [
        Recording("passes", source.set("/passes", fault, fault, fault, ok(AUDIO))),
        Recording("stays", source.set("/stays", fault)),
    ]
    outcomes = fetch(archive_over(file_site.store()), recordings)
    assert isinstance(outcomes["passes"], StoredObject)
    assert isinstance(outcomes["stays"], Passing)
    assert str(outcomes["stays"]).endswith("(tried 4 times)")
    assert (source.asked("/passes"), source.asked("/stays")) == (4, 4)
    assert file_site.objects() == {"recordings/passes.mp3": AUDIO}
    assert file_site.unfinished() == []


@pytest.mark.parametrize("fault", [truncated, reset])
def test_a_large_body_that_breaks_leaves_nothing(
    site: Site, source: Source, archive_over: Build, fault: Callable[[bytes], Answer]
) -> None:
    recording = Recording("r1", source.set("/r1", fault(AUDIO * (PART // len(AUDIO) + 9))))
    assert "bytes, then the connection broke" in str(fetch(archive_over(site.store()), [recording])["r1"])
    assert site.objects() == {}
    assert site.unfinished() == []


@pytest.mark.parametrize(
    "media_type", ["audio/mpeg", "audio/x-wav", "application/octet-stream", "binary/octet-stream", "video/mp4", ""]
)
def test_audio_comes_under_many_names(
    file_site: FileSite, source: Source, archive_over: Build, media_type: str
) -> None:
    recording = Recording("r1", source.set("/r1", ok(AUDIO, Content_Type=media_type)))
    assert isinstance(fetch(archive_over(file_site.store()), [recording])["r1"], StoredObject)


def test_a_final_no_is_told_at_once(file_site: FileSite, source: Source, archive_over: Build) -> None:
    recordings = [
        Recording("gone", source.set("/gone", status(404, b"<Error><Code>NoSuchKey</Code></Error>"))),
        Recording("none", None),
        Recording("loop", source.set("/loop", redirect("/loop"))),
    ]
    outcomes = fetch(archive_over(file_site.store()), recordings)
    assert all(isinstance(outcome, Refused) for outcome in outcomes.values())
    assert str(outcomes["gone"]) == "127.0.0.1 answered 404 (NoSuchKey)"
    assert "no URL" in str(outcomes["none"])
    assert "redirects" in str(outcomes["loop"])
    assert source.asked("/gone") == 1


def test_urls_that_expire_midway_keep_what_came_before(site: Site, source: Source, archive_over: Build) -> None:
    recordings = [Recording(f"r{n:02}", source.set(f"/{n}", ok(AUDIO) if n < 10 else status(403))) for n in range(100)]
    archive = archive_over(site.store(), concurrency=4)
    came: dict[str, Outcome] = {}
    with pytest.raises(UrlsExpired, match="answered 403"):
        collect(archive.fetch(recordings, DAY, "mp3", overwrite=False, proceed=always), came)
    assert all(isinstance(outcome, StoredObject) for outcome in came.values())
    assert set(site.objects()) == {f"recordings/{recording_id}.mp3" for recording_id in came}
    assert 7 <= len(came) <= 10
    assert len(source.requests) <= 10 + 4
    fresh = [Recording(f"r{n:02}", source.set(f"/{n}", ok(AUDIO))) for n in range(100)]
    assert all(isinstance(outcome, StoredObject) for outcome in fetch(archive, fresh).values())
    assert all(source.asked(f"/{n}") == 1 for n in range(10))


@pytest.mark.parametrize("error", [UrlsExpired, LeaseLost])
def test_a_gate_that_closes_stops_new_downloads(
    file_site: FileSite, source: Source, archive_over: Build, error: type[Exception]
) -> None:
    asked = []

    def proceed() -> None:
        asked.append(1)
        if len(asked) > 5:
            raise error("over")

    recordings = [Recording(f"r{n}", source.set(f"/{n}", ok(AUDIO))) for n in range(50)]
    came: dict[str, Outcome] = {}
    with pytest.raises(error):
        collect(archive_over(file_site.store()).fetch(recordings, DAY, "mp3", overwrite=False, proceed=proceed), came)
    assert (len(came), len(source.requests), len(asked)) == (5, 5, 6)
    assert len(file_site.objects()) == 5


def test_the_gate_is_not_asked_for_what_is_there(file_site: FileSite, archive_over: Build, unused_port: int) -> None:
    def closed() -> None:
        raise UrlsExpired("over")

    put(file_site.store(), "recordings/r1.mp3", [AUDIO])
    recording = Recording("r1", f"http://127.0.0.1:{unused_port}/")
    assert isinstance(fetch(archive_over(file_site.store()), [recording], proceed=closed)["r1"], StoredObject)


def test_whoever_comes_second_takes_the_firsts_object(s3_site: S3Site, source: Source, archive_over: Build) -> None:
    def meanwhile() -> None:
        put(s3_site.store(), "recordings/r1.mp3", [b"first"])

    recording = Recording("r1", source.set("/r1", ok(AUDIO)))
    outcomes = fetch(archive_over(s3_site.store()), [recording], proceed=meanwhile)
    assert bare(outcomes["r1"]) == StoredObject("recordings/r1.mp3", 5, hashlib.sha256(b"first").hexdigest())
    assert s3_site.objects() == {"recordings/r1.mp3": b"first"}


def test_a_fetch_that_is_given_up_leaves_nothing_half_done(site: Site, source: Source, archive_over: Build) -> None:
    large = AUDIO * (PART // len(AUDIO) + 9)
    recordings = [Recording(f"r{n}", source.set(f"/{n}", ok(large))) for n in range(20)]
    outcomes = archive_over(site.store(), concurrency=3).fetch(recordings, DAY, "mp3", overwrite=False, proceed=always)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert all(body == large for body in site.objects().values())
    assert site.unfinished() == []


def test_hostile_ids_stay_in_the_archive(site: Site, source: Source, archive_over: Build) -> None:
    ids = ["../../evil", "..", "/etc/passwd", "a/b", "a%2Fb", "x" * 500]
    url = source.set("/r", ok(AUDIO))
    outcomes = fetch(archive_over(site.store()), [Recording(recording_id, url) for recording_id in ids])
    keys = [outcome.key for outcome in outcomes.values() if isinstance(outcome, StoredObject)]
    assert len(set(keys)) == len(ids)
    assert set(site.objects()) == set(keys)
    assert all(key.startswith("recordings/") and key.count("/") == 1 for key in keys)


def test_a_manifest_is_archived_as_it_came(site: Site, source: Source, archive_over: Build) -> None:
    archive = archive_over(site.store())
    document = b"\n" + MANIFEST + b"\n\n"
    manifest = archive.fetch_manifest("j/1", source.set("/m", status(503), truncated(document), ok(document)))
    assert list(manifest.recordings or ()) == [("r1", {"id": "r1", "agentId": "a"})]
    assert site.objects() == {"manifests/job_j%2F1.json": document}
    again = archive.manifest("j/1")
    assert again is not None
    assert list(again.recordings or ()) == [("r1", {"id": "r1", "agentId": "a"})]
    assert archive.manifest("j2") is None


@pytest.mark.parametrize("document", [b"", b'{"recordings": [', b"\xff"])
def test_a_garbled_manifest_is_tried_again_and_then_archived_as_it_is(
    site: Site, source: Source, archive_over: Build, document: bytes
) -> None:
    archive = archive_over(site.store())
    assert archive.fetch_manifest("j1", source.set("/m", ok(document))).recordings is None
    assert source.asked("/m") == 4
    assert site.objects() == {"manifests/job_j1.json": document}
    assert archive.manifest("j1") == Manifest("j1", None)
    assert archive.fetch_manifest("j1", source.set("/m2", ok(document), ok(MANIFEST))).recordings
    assert site.objects() == {"manifests/job_j1.json": MANIFEST}


def test_a_manifest_of_an_unknown_form_is_archived_at_once(
    file_site: FileSite, source: Source, archive_over: Build
) -> None:
    url = source.set("/m", ok(b'{"pages": []}'))
    assert archive_over(file_site.store()).fetch_manifest("j1", url) == Manifest("j1", None)
    assert source.asked("/m") == 1
    assert file_site.objects() == {"manifests/job_j1.json": b'{"pages": []}'}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (status(403), UrlsExpired),
        (status(404), Refused),
        (status(500), Passing),
        (truncated(MANIFEST), Passing),
        (ok(b"<html>", Content_Type="text/html"), Passing),
        (ok(b"<Error/>", Content_Type="application/xml"), Passing),
    ],
)
def test_what_is_no_manifest_is_not_archived(
    file_site: FileSite, source: Source, archive_over: Build, answer: Answer, error: type[Exception]
) -> None:
    with pytest.raises(error):
        archive_over(file_site.store()).fetch_manifest("j1", source.set("/m", answer))
    assert file_site.objects() == {}


def test_a_manifest_beyond_all_bounds_is_refused(
    file_site: FileSite, source: Source, archive_over: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_MANIFEST", 1000)
    with pytest.raises(Refused, match="more than 1000 bytes"):
        archive_over(file_site.store()).fetch_manifest("j1", source.set("/m", ok(b" " * 1001)))


def test_a_receipt_is_written_over_an_older_one(site: Site, archive_over: Build) -> None:
    archive = archive_over(site.store())
    line = ReceiptLine("r1", RecordingStatus.ARCHIVED, "j1", "k1", key="recordings/r1.mp3", size=1, sha256="ab")
    assert archive.receipt_and_version(DAY) == (None, None)
    version = None
    for receipt in ((line,), (line, ReceiptLine("r2", RecordingStatus.FAILED, "j2", "k2", reason="404")), ()):
        version = archive.put_receipt(DAY, iter(receipt), version)
        assert version
        assert archive.receipt_and_version(DAY) == (receipt, version)
        assert archive.receipt(DAY) == receipt
    assert list(site.objects()) == ["receipts/20240501T000000Z_20240502T000000Z.jsonl"]
    assert site.unfinished() == []


def test_a_receipt_that_breaks_half_way_leaves_the_older_one(site: Site, archive_over: Build) -> None:
    archive = archive_over(site.store())
    line = ReceiptLine("r1", RecordingStatus.ARCHIVED, "j1", "k1")
    version = archive.put_receipt(DAY, [line], None)

    def broken() -> Iterable[ReceiptLine]:
        yield line
        raise LeaseLost("taken over")

    with pytest.raises(LeaseLost):
        archive.put_receipt(DAY, broken(), version)
    assert archive.receipt_and_version(DAY) == ((line,), version)


def test_a_receipt_that_is_not_the_expected_one_stays(site: Site, archive_over: Build) -> None:
    archive, line = archive_over(site.store()), ReceiptLine("r1", RecordingStatus.ARCHIVED, "j1", "k1")
    first = archive.put_receipt(DAY, [line], None)
    second = archive.put_receipt(DAY, [], first)
    for expected in (None, first):
        assert archive.put_receipt(DAY, [line], expected) is None
    assert archive.receipt_and_version(DAY) == ((), second)


def test_what_is_no_receipt_is_replaced_as_one(site: Site, archive_over: Build) -> None:
    archive, store = archive_over(site.store()), site.store()
    put(store, receipt_key(DAY), [b"no receipt"])
    receipt, version = archive.receipt_and_version(DAY)
    assert receipt is None
    assert version
    assert archive.put_receipt(DAY, [], version)
    assert archive.receipt(DAY) == ()


def test_a_report_has_its_interval_for_a_name(site: Site, archive_over: Build) -> None:
    report = {"expected": 3, "missing": ["ü"]}
    key = archive_over(site.store()).put_report(DAY, report)
    assert key == "reports/20240501T000000Z_20240502T000000Z.json"
    assert json.loads(site.objects()[key]) == report


def test_a_report_is_read_back(site: Site, archive_over: Build) -> None:
    archive = archive_over(site.store())
    assert archive.report(DAY) is None
    archive.put_report(DAY, {"rechecks": [{"new": 3}]})
    assert archive.report(DAY) == {"rechecks": [{"new": 3}]}


@pytest.mark.parametrize("body", [b"no JSON", b"[1, 2]", b""])
def test_what_is_no_report_tells_nothing(site: Site, archive_over: Build, body: bytes) -> None:
    store = site.store()
    put_document(store, "reports/20240501T000000Z_20240502T000000Z.json", [body])
    assert archive_over(store).report(DAY) is None
