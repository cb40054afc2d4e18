# SPDX-License-Identifier: Apache-2.0
"""Receipts held against real stores: what was tampered with is found, by few requests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from airflow_provider_genesys.archive.archive import ObjectArchive
from airflow_provider_genesys.archive.stores import Attributes, Store
from airflow_provider_genesys.archive.stores.s3 import S3Store
from airflow_provider_genesys.export.model import ReceiptLine, RecordingStatus
from tests.archive.sites import S3Site, Site, put

Build = Callable[..., ObjectArchive]


def body_of(number: int) -> bytes:
    return b"%06d of a recording" % number


def archived(store: Store, number: int) -> ReceiptLine:
    """Put an object; the line that a receipt has of it."""
    key, body = f"recordings/r{number:06}.mp3", body_of(number)
    stored = store.put(key, body, Attributes("audio/mpeg"), sha256=hashlib.sha256(body).hexdigest())
    assert stored is not None
    return ReceiptLine(
        recording_id=f"r{number}",
        status=RecordingStatus.ARCHIVED,
        job_id="j1",
        request_key="k1",
        key=key,
        size=stored.size,
        sha256=stored.sha256,
        checksum=stored.checksum,
    )


def tamper(site: Site, lines: list[ReceiptLine]) -> None:
    """Delete, shorten and alter one object each, as somebody beside us would."""
    deleted, shortened, altered = (lines[number].key or "" for number in (7, 1200, 2400))
    site.delete(deleted)
    put(site.store(), shortened, [body_of(1200)[:-1]], overwrite=True)
    put(site.store(), altered, [body_of(1)], overwrite=True)


def found_by(archive: ObjectArchive, lines: list[ReceiptLine]) -> dict[str, str]:
    return {line.recording_id: fault for line, fault in archive.verify(lines)}


def test_what_was_tampered_with_is_found_among_2500(site: Site, archive_over: Build) -> None:
    store, asked = site.store(), []
    if isinstance(site, S3Site):
        client = site.server.client()
        client.meta.events.register("before-send.s3", lambda request, **_: asked.append(request.url))
        store = S3Store(client, site.bucket, site.prefix)
    lines = [archived(store, number) for number in range(2500)]
    archive = archive_over(store)

    asked.clear()
    assert found_by(archive, lines) == {}
    assert len(asked) <= 3 + 1, "a listing for every 1,000 objects"

    tamper(site, lines)
    asked.clear()
    faults = found_by(archive, lines)
    assert set(faults) == {"r7", "r1200", "r2400"}
    assert faults["r7"] == "is not there"
    assert faults["r1200"] == f"has {len(body_of(0)) - 1} bytes instead of {len(body_of(0))}"
    assert faults["r2400"].endswith(f"instead of {lines[2400].sha256}")
    assert len(asked) <= 3 + 1 + 1, "beside them only what has another checksum is read"


def test_a_line_without_a_checksum_is_read(site: Site, archive_over: Build) -> None:
    lines = [replace(archived(site.store(), number), checksum=None) for number in range(2)]
    archive = archive_over(site.store())
    assert found_by(archive, lines) == {}
    put(site.store(), lines[1].key or "", [body_of(0)], overwrite=True)
    assert set(found_by(archive, lines)) == {"r1"}


def test_what_was_delivered_is_held_against_its_size_and_the_stores_own_checksum(
    s3_site: S3Site, archive_over: Build
) -> None:
    """Its bytes have never passed through here, so that there is no SHA-256 of them."""
    store = s3_site.store()
    lines = [replace(archived(store, number), sha256=None) for number in range(3)]
    assert found_by(archive_over(store), lines) == {}
    put(store, lines[0].key or "", [body_of(1)], overwrite=True)
    put(store, lines[1].key or "", [b"short"], overwrite=True)
    assert found_by(archive_over(store), lines) == {
        "r0": "has another checksum than when it was delivered",
        "r1": f"has 5 bytes instead of {lines[1].size}",
    }


def test_an_object_that_was_copied_has_another_checksum_and_the_same_bytes(
    s3_site: S3Site, archive_over: Build
) -> None:
    line = replace(archived(s3_site.store(), 1), checksum="etag:one-of-five-parts-5")
    assert found_by(archive_over(s3_site.store()), [line]) == {}


def test_an_archived_line_without_a_key_is_not_there(site: Site, archive_over: Build) -> None:
    line = ReceiptLine("r1", RecordingStatus.ARCHIVED, "j1", "k1")
    assert found_by(archive_over(site.store()), [line]) == {"r1": "is not there"}


def test_no_lines_need_no_request(archive_over: Build, s3_site: S3Site) -> None:
    client = s3_site.server.client()
    client.meta.events.register("before-send.s3", lambda request, **_: pytest.fail(request.url))
    assert found_by(archive_over(S3Store(client, s3_site.bucket, s3_site.prefix)), []) == {}
