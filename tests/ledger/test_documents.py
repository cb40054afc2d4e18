# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.ledger.documents import (
    attempt_document,
    attempt_of,
    entry_of,
    request_document,
    state_document,
    storable,
    time_text,
)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
seconds = st.none() | st.floats(0, 4e9)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda values: st.lists(values) | st.dictionaries(texts, values),
    max_leaves=5,
)
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
windows = st.builds(
    lambda start, length: ExportWindow(start, start + length),
    times,
    st.timedeltas(timedelta(milliseconds=1), timedelta(days=40)),
)
attempts = st.builds(
    Attempt,
    number=st.integers(0, 3),
    generation=st.integers(0, 3),
    status=st.sampled_from(AttemptStatus),
    job_id=st.none() | texts,
    reason=texts,
    replaces=st.none() | texts,
    polls=st.integers(0, 1000),
    recordings=st.none() | st.integers(0, 10**6),
    error=texts,
    submitted_at=seconds,
    polled_at=seconds,
    ended_at=seconds,
    expires_at=seconds,
    conversations=st.lists(texts, max_size=3).map(tuple),
)
entries = st.builds(
    Entry,
    request=st.builds(
        ExportRequest,
        st.builds(Organisation, texts, texts),
        windows,
        st.sampled_from(["mp3", "wav"]),
        st.dictionaries(texts, json_values, max_size=3),
        st.lists(texts, min_size=1, max_size=3).map(tuple),
        st.lists(texts, max_size=3).map(tuple),
    ),
    state=st.sampled_from(RequestState),
    generation=st.integers(0, 3),
    children=st.lists(windows, max_size=3).map(tuple),
    parts=st.lists(texts, max_size=3).map(tuple),
    destinations=st.lists(texts, max_size=3).map(tuple),
    forced_by=texts,
    error=texts,
    checked_at=seconds,
)


@given(entries)
def test_an_entry_is_read_as_it_was_written(entry: Entry) -> None:
    document = {**request_document(entry.request), **state_document(entry)}
    assert entry_of(document, ()) == entry
    assert document["request_key"] == entry.request.key
    assert {type(value) for value in document.values()} <= {str, int, float, type(None)}


@given(entries)
def test_an_entry_of_an_older_ledger_is_a_whole_window_of_audio_that_was_never_checked(entry: Entry) -> None:
    document = {**request_document(entry.request), **state_document(entry)}
    missing = ("media", "conversations", "parts", "checked_at")
    bare = {name: value for name, value in document.items() if name not in missing}
    for old in (bare, {**bare, **dict.fromkeys(missing)}):
        known = entry_of(old, ())
        assert (known.request.media, known.request.conversations, known.parts) == (("audio",), (), ())
        assert known.checked_at is None


@given(attempts)
def test_an_attempt_is_read_as_it_was_written(attempt: Attempt) -> None:
    document = attempt_document(attempt)
    assert attempt_of({**document, "organisation": "another field"}) == attempt
    assert {type(value) for value in document.values()} <= {str, int, float, type(None)}


@given(times, times)
def test_times_sort_as_text(one: datetime, other: datetime) -> None:
    assert (time_text(one) < time_text(other)) == (one < other)
    assert len(time_text(one)) == 27
    assert datetime.fromisoformat(time_text(one)) == one


def test_times_are_written_in_utc() -> None:
    midnight = datetime(2024, 5, 1, tzinfo=timezone(timedelta(hours=2)))
    assert time_text(midnight) == "2024-04-30T22:00:00.000000Z"


@given(st.text())
def test_every_text_can_be_stored(text: str) -> None:
    stored = storable(text)
    assert "\0" not in stored
    assert stored.encode().decode() == stored
    assert storable(stored) == stored
