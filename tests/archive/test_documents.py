# SPDX-License-Identifier: Apache-2.0
"""Manifests, receipts and indexes in real stores, and recordings where a template wants them."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO

import pytest
from pyarrow.parquet import read_table

from airflow_provider_genesys.archive import documents
from airflow_provider_genesys.archive.archive import ObjectArchive
from airflow_provider_genesys.archive.download import Downloader
from airflow_provider_genesys.archive.layout import KeyTemplate
from airflow_provider_genesys.export.errors import Refused
from airflow_provider_genesys.export.model import (
    ExportRequest,
    Organisation,
    ReceiptLine,
    Recording,
    RecordingStatus,
    StoredObject,
)
from tests.archive.process import DAY
from tests.archive.sites import Site, put
from tests.archive.source import Source, ok, status

Build = Callable[..., ObjectArchive]

MANIFEST = json.dumps({"recordings": [{"id": "r1", "agentId": "a"}]}).encode()
LISTED = [("r1", {"id": "r1", "agentId": "a"})]


def test_a_template_says_where_recordings_lie(site: Site, source: Source) -> None:
    template = KeyTemplate("calls/{date}/{queue_name}/{recording_id}.{ext}")
    archive = ObjectArchive(site.store(), Downloader(allow_private=True), key_template=template)
    url = source.set("/r", ok(b"ID3" * 100))
    recordings = [
        Recording("r1", url, metadata={"startTime": "2024-05-01T23:59:59Z", "queueName": "../Billing"}),
        Recording("r2", url, metadata={"startTime": "2024-05-02T00:00:01+02:00"}),
        Recording("r3", url),
    ]
    outcomes = archive.fetch(recordings, DAY, "mp3", overwrite=False, proceed=lambda: None)
    assert {one.recording_id: outcome.key for one, outcome in outcomes if isinstance(outcome, StoredObject)} == {
        "r1": "calls/2024-05-01/%2E.%2FBilling/r1.mp3",
        "r2": "calls/2024-05-01/unknown/r2.mp3",
        "r3": "calls/2024-05-01/unknown/r3.mp3",
    }
    assert len(site.objects()) == 3


def test_a_garbled_manifest_does_not_replace_one_that_is_whole(site: Site, source: Source, archive_over: Build) -> None:
    archive = archive_over(site.store())
    archive.fetch_manifest("j1", source.set("/m", ok(MANIFEST)))
    with pytest.raises(Refused):
        archive.fetch_manifest("j1", source.set("/m2", ok(b"[1, oops"), status(404)))
    assert site.objects() == {"manifests/job_j1.json": MANIFEST}
    assert site.unfinished() == []


def test_a_manifest_that_is_larger_than_a_part_is_read_from_the_store_each_time(
    site: Site, source: Source, archive_over: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "PART", len(MANIFEST) - 1)
    archive = archive_over(site.store())
    manifest = archive.fetch_manifest("j1", source.set("/m", ok(MANIFEST)))
    assert list(manifest.recordings or ()) == LISTED
    assert "r1" not in repr(manifest)
    put(site.store(), "manifests/job_j1.json", [b'[{"id": "r2"}]'], overwrite=True)
    again = archive.manifest("j1")
    assert again is not None
    assert list(again.recordings or ()) == [("r2", {"id": "r2"})]


def test_what_is_no_receipt_proves_nothing(site: Site, archive_over: Build, caplog: pytest.LogCaptureFixture) -> None:
    archive = archive_over(site.store())
    archive.put_receipt(DAY, [ReceiptLine("r1", RecordingStatus.ARCHIVED, "j1", "k1")], None)
    (key, document) = site.objects().popitem()
    put(site.store(), key, [document, b"<html>"], overwrite=True)
    assert archive.receipt(DAY) is None
    assert f"{key} in {archive.destination} proves nothing" in caplog.text


def test_an_index_has_its_interval_for_a_name(site: Site, archive_over: Build) -> None:
    request = ExportRequest(Organisation("api.mypurecloud.com", "client"), DAY, "mp3")
    lines = [(request, ReceiptLine(f"r{n}", RecordingStatus.FAILED, "j1", request.key)) for n in range(3)]
    key = archive_over(site.store()).put_index(DAY, iter(lines))
    assert key == "index/20240501T000000Z_20240502T000000Z.parquet"
    assert read_table(BytesIO(site.objects()[key])).column("recording_id").to_pylist() == ["r0", "r1", "r2"]
