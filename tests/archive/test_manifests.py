# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_genesys.archive.manifests import read_manifest
from airflow_provider_genesys.export.model import Manifest

ENTRIES = [{"id": "a", "agentId": "x"}, {"id": "b"}]


@pytest.mark.parametrize(
    "document",
    [ENTRIES, *({name: ENTRIES, "other": 1} for name in ("recordings", "entities", "items", "jobDetails"))],
)
def test_a_list_is_found_wherever_it_is_known_to_be(document: Any) -> None:
    manifest = read_manifest("j1", json.dumps(document).encode())
    assert manifest.job_id == "j1"
    assert manifest.recordings == {"a": {"id": "a", "agentId": "x"}, "b": {"id": "b"}}


def test_ids_come_under_either_name_and_as_numbers() -> None:
    manifest = read_manifest("j1", b'[{"recordingId": "a"}, {"id": 7}, {"id": null, "recordingId": "c"}]')
    assert list(manifest.recordings or ()) == ["a", "7", "c"]


def test_a_duplicate_id_is_one_recording() -> None:
    manifest = read_manifest("j1", b'[{"id": "a", "n": 1}, {"id": "b"}, {"id": "a", "n": 2}]')
    assert manifest.recordings == {"a": {"id": "a", "n": 1}, "b": {"id": "b"}}


def test_an_empty_list_is_a_manifest_without_recordings() -> None:
    manifest = read_manifest("j1", b'{"recordings": []}')
    assert manifest.recordings == {}


def test_presigned_urls_lose_their_secret_at_any_depth() -> None:
    url = "https://b.s3.example.com/a.mp3?X-Amz-Signature=verysecret&x=1"
    document = [{"id": "a", "url": url, "media": [{"uri": f"see {url}, {url.upper()}"}]}]
    manifest = read_manifest("j1", json.dumps(document).encode())
    assert manifest.recordings is not None
    assert "secret" not in json.dumps(dict(manifest.recordings)).lower()
    assert manifest.recordings["a"]["url"] == "https://b.s3.example.com/a.mp3"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"<html/>",
        b"\xff\xfe\xfd",
        b"[" * 100_000,
        b"null",
        b"7",
        b'"recordings"',
        b"{}",
        b'{"recordings": {"a": 1}}',
        b'[{"id": "a"}, {"name": "b"}]',
        b'[{"id": ""}]',
        b'[{"id": ["a"]}]',
        b'["a"]',
    ],
)
def test_anything_else_is_unknown_and_said_so(document: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert read_manifest("j1", document) == Manifest("j1", None)
    assert "manifest of job j1" in caplog.text
