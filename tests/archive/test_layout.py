# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_genesys.archive.layout import manifest_key, receipt_key, recording_key, report_key
from airflow_provider_genesys.export.model import ExportWindow

ids = st.one_of(
    st.text(st.characters(), max_size=12),
    st.text("aA.%~/2E-_", max_size=8),
    st.text("ab/", min_size=190, max_size=260),
)


@pytest.mark.parametrize(
    ("recording_id", "name"),
    [
        ("0b1ff4a6-7f1c-4c12-9b7e-3f1c2d4e5a6b", "0b1ff4a6-7f1c-4c12-9b7e-3f1c2d4e5a6b"),
        ("REC_1.part-2", "REC_1.part-2"),
        ("a..b", "a..b"),
        ("", "~"),
        (".", "%2E"),
        ("..", "%2E."),
        (".hidden", "%2Ehidden"),
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
        ("%2E", "%252E"),
        ("a/b\\c", "a%2Fb%5Cc"),
        ("a~b c\n\0", "a%7Eb%20c%0A%00"),
        ("ü", "%C3%BC"),
        ("\ud800", "%ED%A0%80"),
    ],
)
def test_an_id_is_a_plain_name_or_percent_encoded(recording_id: str, name: str) -> None:
    assert recording_key(recording_id, "mp3") == f"recordings/{name}.mp3"
    assert manifest_key(recording_id) == f"manifests/job_{name}.json"


@given(st.lists(ids, min_size=2, max_size=6, unique=True))
def test_distinct_ids_have_distinct_keys(recording_ids: list[str]) -> None:
    assert len({recording_key(recording_id, "mp3") for recording_id in recording_ids}) == len(recording_ids)


@given(ids)
def test_a_key_is_one_segment_that_every_file_system_takes(recording_id: str) -> None:
    folder, _, name = recording_key(recording_id, "wav").partition("/")
    assert folder == "recordings"
    assert "/" not in name
    assert name.isascii()
    assert not name.startswith(".")
    assert len(name) <= 200 + len(".wav")


def test_two_long_ids_that_begin_alike_are_shortened_apart() -> None:
    first, second = recording_key("x" * 300 + "1", "mp3"), recording_key("x" * 300 + "2", "mp3")
    assert first != second
    assert len(first) == len(second) == len("recordings/") + 200 + len(".mp3")


def test_times_are_basic_iso_8601_in_utc() -> None:
    berlin = datetime.fromisoformat("2024-05-01T02:00:00+02:00")
    window = ExportWindow(berlin, berlin + timedelta(days=1))
    assert receipt_key(window) == "receipts/20240501T000000Z_20240502T000000Z.jsonl"
    assert report_key(window) == "reports/20240501T000000Z_20240502T000000Z.json"


def test_a_window_of_less_than_a_second_has_milliseconds() -> None:
    start = datetime(2024, 5, 1, 0, 0, 0, 250_000, tzinfo=UTC)
    window = ExportWindow(start, start + timedelta(milliseconds=750))
    assert receipt_key(window) == "receipts/20240501T000000.250Z_20240501T000001Z.jsonl"
