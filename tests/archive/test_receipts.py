# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_genesys.archive.receipts import read_receipt, write_receipt
from airflow_provider_genesys.export.errors import NoReceipt
from airflow_provider_genesys.export.model import ReceiptLine, RecordingStatus

text = st.text(st.characters(), max_size=10)
metadata = st.dictionaries(
    text, st.none() | st.booleans() | st.integers() | text | st.lists(text, max_size=2), max_size=3
)
lines = st.builds(
    ReceiptLine,
    recording_id=text,
    status=st.sampled_from(RecordingStatus),
    job_id=text,
    request_key=text,
    key=st.none() | text,
    size=st.none() | st.integers(0),
    sha256=st.none() | text,
    checksum=st.none() | text,
    source_etag=st.none() | text,
    reason=st.none() | text,
    metadata=metadata,
)


@given(st.lists(lines, max_size=4).map(tuple))
def test_a_receipt_comes_back_as_it_was_written(receipt: tuple[ReceiptLine, ...]) -> None:
    assert tuple(read_receipt(write_receipt(receipt))) == receipt


@given(st.lists(lines, max_size=4).map(tuple), st.integers(1, 40))
def test_a_receipt_comes_in_chunks_that_know_no_lines(receipt: tuple[ReceiptLine, ...], size: int) -> None:
    document = b"".join(write_receipt(receipt))
    assert tuple(read_receipt(document[at : at + size] for at in range(0, len(document), size))) == receipt


def test_a_line_has_the_fields_of_the_contract_and_metadata_beside_them() -> None:
    line = ReceiptLine(
        recording_id="r1",
        status=RecordingStatus.ARCHIVED,
        job_id="j1",
        request_key="k1",
        key="recordings/r1.mp3",
        size=3,
        sha256="ab",
        checksum="etag:ab",
        source_etag="e",
        metadata={"status": "not ours", "agentId": "a"},
    )
    (written,) = write_receipt([line])
    assert written.endswith(b"}\n")
    assert json.loads(written) == {
        "recording_id": "r1",
        "status": "archived",
        "key": "recordings/r1.mp3",
        "size": 3,
        "sha256": "ab",
        "checksum": "etag:ab",
        "source_etag": "e",
        "job_id": "j1",
        "request": "k1",
        "metadata": {"status": "not ours", "agentId": "a"},
    }


def test_an_absent_recording_says_why() -> None:
    line = ReceiptLine("r1", RecordingStatus.UNAVAILABLE, "j1", "k1", reason="there is no URL")
    (written,) = write_receipt([line])
    assert json.loads(written)["reason"] == "there is no URL"
    assert json.loads(written)["key"] is None


def test_a_window_without_recordings_has_an_empty_receipt() -> None:
    assert list(write_receipt(())) == list(read_receipt([])) == []


def test_a_newer_field_is_left_aside() -> None:
    newer = b'{"recording_id":"r","status":"failed","job_id":"j","request":"k","colour":"red"}\n'
    assert list(read_receipt([newer])) == [ReceiptLine("r", RecordingStatus.FAILED, "j", "k")]


def test_an_older_receipt_has_no_checksum() -> None:
    older = b'{"recording_id":"r","status":"archived","job_id":"j","request":"k","sha256":"ab"}\n'
    assert list(read_receipt([older])) == [ReceiptLine("r", RecordingStatus.ARCHIVED, "j", "k", sha256="ab")]


@pytest.mark.parametrize(
    "document",
    [
        b"<html>",
        b'{"recording_id":"r"}',
        b"[]\n",
        b"null",
        b'{"recording_id":"r","status":"archived","job_id":"j","requ',
        b"\xff",
    ],
)
def test_what_is_no_receipt_is_said_at_once(document: bytes) -> None:
    good = ReceiptLine("r", RecordingStatus.FAILED, "j", "k")
    lines = read_receipt([*write_receipt([good]), document])
    assert next(lines) == good
    with pytest.raises(NoReceipt, match="it is no receipt"):
        next(lines)
