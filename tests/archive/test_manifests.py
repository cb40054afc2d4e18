# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_genesys.archive.manifests import Garbled, Scan, read_manifest
from airflow_provider_genesys.export.model import Manifest

ENTRIES = [{"id": "a", "agentId": "x"}, {"id": "b"}]
LISTED = [("a", {"id": "a", "agentId": "x"}), ("b", {"id": "b"})]


def read(document: Any, size: int = 7) -> Manifest:
    """Read a manifest that comes in chunks of so many bytes."""
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_manifest("j1", partial(pieces, raw, size))


def pieces(raw: bytes, size: int) -> list[bytes]:
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def listed(document: Any) -> list[tuple[str, Mapping[str, Any]]]:
    recordings = read(document).recordings
    assert recordings is not None
    assert list(recordings) == list(recordings), "it can be read as often as one likes"
    return list(recordings)


@pytest.mark.parametrize(
    "document",
    [
        ENTRIES,
        *({"total": 2, name: ENTRIES, "other": [1]} for name in ("recordings", "entities", "items", "jobDetails")),
        {"jobDetails": [{"type": "recording"}], "recordings": ENTRIES},
        {"nested": {"recordings": [1]}, "list": [[ENTRIES], {"items": []}], "items": ENTRIES},
        b"\xef\xbb\xbf" + json.dumps(ENTRIES).encode(),
    ],
)
def test_a_list_is_found_wherever_it_is_known_to_be(document: Any) -> None:
    assert read(document).job_id == "j1"
    assert listed(document) == LISTED


@pytest.mark.parametrize("size", [1, 2, 3, 64, 1000])
def test_chunks_may_end_anywhere(size: int) -> None:
    document = b"\xef\xbb\xbf" + json.dumps({"recordings": [*ENTRIES, {"id": "ü"}]}, ensure_ascii=False).encode()
    assert list(read(document, size).recordings or ()) == [*LISTED, ("ü", {"id": "ü"})]


def test_ids_come_under_either_name_and_as_numbers() -> None:
    found = listed(b'[{"recordingId": "a"}, {"id": 7}, {"id": null, "recordingId": "c"}]')
    assert [recording_id for recording_id, _ in found] == ["a", "7", "c"]


def test_an_id_that_comes_again_is_left_to_the_reader() -> None:
    found = listed(b'[{"id": "a", "n": 1}, {"id": "b"}, {"id": "a", "n": 2}]')
    assert [(recording_id, metadata.get("n")) for recording_id, metadata in found] == [("a", 1), ("b", None), ("a", 2)]


def test_an_empty_list_is_a_manifest_without_recordings() -> None:
    assert listed(b'{"recordings": []}') == []


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
trees = st.recursive(
    scalars | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)


@given(trees)
def test_metadata_comes_as_it_is(metadata: Any) -> None:
    ((_, found),) = listed({"recordings": [{"id": "a", "more": metadata}]})
    assert found["more"] == metadata
    assert json.loads(json.dumps(found)) == found


def test_presigned_urls_lose_their_secret_at_any_depth() -> None:
    url = "https://b.s3.example.com/a.mp3?X-Amz-Signature=verysecret&x=1"
    ((_, metadata),) = listed([{"id": "a", "url": url, "media": [{"uri": f"see {url}, {url.upper()}"}]}])
    assert "secret" not in json.dumps(metadata).lower()
    assert metadata["url"] == "https://b.s3.example.com/a.mp3"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"<html/>",
        b"\xff\xfe\xfd",
        b"\xef\xbb",
        b"[" * 100_000,
        b'{"recordings": [{"id": "a", "deep": ' + b"[" * 60 + b"]" * 60 + b"}]}",
        b'{"recordings": [{"id": "a"}]} and more',
        b'{"recordings": [{"id": "\xff"}]}',
        b"null",
        b"7",
        b'"recordings"',
        b"{}",
        b'{"": [{"id": "a"}]}',
        b'{"recordings": {"a": 1}}',
        b'[{"id": "a"}, {"name": "b"}]',
        b'[{"id": ""}]',
        b'[{"id": ["a"]}]',
        b'["a"]',
    ],
)
def test_anything_else_is_unknown_and_said_so(document: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert read(document, 1000) == Manifest("j1", None)
    assert "manifest of job j1" in caplog.text


def test_what_is_said_of_a_broken_manifest_quotes_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    document = b'{"recordings": [{"id": "a", "url": "https://b.example/?X-Amz-Signature=verysecret"}, oops'
    assert read(document, 1000).recordings is None
    with pytest.raises(Garbled) as garbled:
        list(Scan().watch([document]))
    assert "secret" not in caplog.text + str(garbled.value)
    assert garbled.value.__suppress_context__, "a traceback would quote it, too"


def test_a_document_passes_a_scan_unchanged() -> None:
    document = pieces(json.dumps(ENTRIES).encode(), 5)
    assert list(Scan().watch(document)) == document


def test_a_forgiving_scan_lets_a_broken_document_pass_to_its_end() -> None:
    scan = Scan(forgiving=True)
    assert list(scan.watch([b"[1, ", b"oops", b", 2]"])) == [b"[1, ", b"oops", b", 2]"]
    with pytest.raises(ValueError, match="no JSON"):
        _ = scan.path
