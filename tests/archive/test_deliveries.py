# SPDX-License-Identifier: Apache-2.0
"""What Genesys Cloud puts into the bucket by itself, as the archive finds it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_genesys.archive.archive import ObjectArchive
from airflow_provider_genesys.archive.stores import Attributes, Store
from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import ReceiptLine, RecordingStatus
from tests.archive.sites import S3Site, Site

ORGANISATION = "0f1e2d3c-0000-4000-8000-00000000c11e"
NINE = datetime(2024, 5, 1, 9, 15, tzinfo=UTC)
CALL = "1b0d6d7e-3c52-4d6b-8f3e-7d2a5f10aa01"
OTHER = "1b0d6d7e-3c52-4d6b-8f3e-7d2a5f10aa02"

ArchiveOver = Callable[..., ObjectArchive]


@pytest.fixture(params=["file", "s3"])
def bucket(request: pytest.FixtureRequest) -> Site:
    """What is delivered into: a bucket of S3, or, by the simulator, a directory."""
    site: Site = request.getfixturevalue(f"{request.param}_site")
    return site


def put(store: Store, key: str, body: bytes = b"opus") -> None:
    store.put(key, body, Attributes(), sha256=hashlib.sha256(body).hexdigest())


def folder(time: datetime, conversation: str, organisation: str = ORGANISATION) -> str:
    return f"{organisation}/year={time:%Y}/month={time:%m}/day={time:%d}/hour={time:%H}/conversation_id={conversation}"


def line(status: str, key: str | None = None, **metadata: str) -> ReceiptLine:
    return ReceiptLine(CALL, RecordingStatus(status), "job-1", "request", key=key, metadata=metadata)


def found(archive: ObjectArchive, **conversations: datetime) -> list[tuple[str, str | None, str]]:
    """Recording, conversation and key of what was delivered."""
    starts = {name: start.timestamp() for name, start in conversations.items()}
    return sorted(
        (one.recording_id, one.conversation_id, one.stored.key if one.stored else "")
        for one in archive.delivered(starts)
    )


def test_files_are_found_by_hour_and_conversation(bucket: Site, archive_over: ArchiveOver) -> None:
    store = bucket.store()
    wanted = f"{folder(NINE, 'wanted')}/{CALL}.ogg"
    put(store, wanted)
    put(store, f"{folder(NINE, 'wanted')}/{CALL}_metadata.json", b"{}")
    put(store, f"{folder(NINE, 'unwanted')}/{OTHER}.ogg")
    put(store, f"{folder(NINE + timedelta(hours=5), 'wanted')}/{OTHER}.ogg")
    (one,) = archive_over(store).delivered({"wanted": NINE.timestamp()})
    assert (one.recording_id, one.conversation_id, one.url) == (CALL, "wanted", None)
    assert (one.extension, one.media_type) == ("ogg", "audio/ogg")
    assert one.stored is not None
    assert (one.stored.key, one.stored.size) == (wanted, 4)
    assert one.stored.checksum == store.find_all([wanted])[wanted].checksum
    assert one.stored.stored_at == pytest.approx(time.time(), abs=60.0)


def test_a_recording_that_began_in_the_next_hour_is_found(bucket: Site, archive_over: ArchiveOver) -> None:
    store, key = bucket.store(), f"{folder(NINE + timedelta(hours=1), 'long')}/{CALL}.ogg"
    put(store, key)
    assert found(archive_over(store), long=NINE) == [(CALL, "long", key)]


@pytest.mark.parametrize(
    ("name", "recording_id"),
    [
        (f"{CALL}.ogg", CALL),
        (f"{CALL}-1.ogg", CALL),
        (f"{CALL}_2024-05-01T09-15.opus", CALL),
        ("named-otherwise.zip", "named-otherwise"),
    ],
)
def test_a_files_name_begins_with_its_recordings_id(
    bucket: Site, archive_over: ArchiveOver, name: str, recording_id: str
) -> None:
    store, key = bucket.store(), f"{folder(NINE, 'one')}/{name}"
    put(store, key)
    assert found(archive_over(store), one=NINE) == [(recording_id, "one", key)]


def test_what_a_receipt_does_not_name_of_its_conversations_is_told(bucket: Site, archive_over: ArchiveOver) -> None:
    store = bucket.store()
    named, unnamed = (f"{folder(NINE, 'a')}/{CALL}-{number}.ogg" for number in range(2))
    failed = f"{folder(NINE, 'b')}/{OTHER}.ogg"
    for key in (named, unnamed, failed, f"{folder(NINE, 'nobody')}/{OTHER}.ogg"):
        put(store, key)
    receipt = [
        line("archived", key=named, conversationId="a", startTime="2024-05-01T09:15:00Z"),
        line("unavailable", conversationId="b", startTime="2024-05-01T09:15:00Z"),
        line("missing"),
    ]
    found = archive_over(store).overlooked(receipt)
    assert sorted(one.stored.key for one in found if one.stored) == [unnamed, failed]
    assert not list(archive_over(store).overlooked([]))


def test_our_own_documents_are_no_deliveries(bucket: Site, archive_over: ArchiveOver) -> None:
    store = bucket.store()
    for key in ("manifests/job_1.json", "receipts/20240501T000000Z_20240502T000000Z.jsonl", "recordings/a.ogg"):
        put(store, key)
    put(store, f"{folder(NINE, 'one', organisation='somebody-elses')}/{CALL}.ogg")
    put(store, f"{folder(NINE, 'one')}/deeper/{CALL}.ogg")
    assert found(archive_over(store), one=NINE) == []


def test_an_empty_bucket_has_no_deliveries(bucket: Site, archive_over: ArchiveOver) -> None:
    assert found(archive_over(bucket.store()), one=NINE) == []


def test_a_day_of_thousands_is_listed_by_the_thousand(s3_site: S3Site, archive_over: ArchiveOver) -> None:
    store = s3_site.store()
    for number in range(1100):
        put(store, f"{folder(NINE, f'c{number}')}/{number:08x}-0000-4000-8000-000000000000.ogg", b"x")
    asked: list[str] = []
    store._client.meta.events.register("before-send.s3", lambda request, **_: asked.append(request.url))
    delivered = list(archive_over(store).delivered({f"c{number}": NINE.timestamp() for number in range(1100)}))
    assert len({one.recording_id for one in delivered}) == 1100
    assert len(asked) == 4, "the organisations, two pages of the hour, and the hour after it"


def test_a_store_that_nothing_is_delivered_into_is_refused(archive_over: ArchiveOver) -> None:
    class Elsewhere:
        destination = "gs://calls"

    elsewhere: Any = Elsewhere()
    with pytest.raises(InvalidInput, match="into S3: gs://calls can't be their destination"):
        list(archive_over(elsewhere).delivered({}))
