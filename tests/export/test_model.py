# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_genesys.export import errors
from airflow_provider_genesys.export.errors import ExportError, InvalidInput, OutcomeUnknown, Passing
from airflow_provider_genesys.export.model import (
    ExportJob,
    ExportRequest,
    ExportWindow,
    JobStatus,
    Manifest,
    Organisation,
    Recording,
)

ORGANISATION = Organisation("api.mypurecloud.com", "client")
MAY_DAY = ExportWindow(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC))
REQUEST = ExportRequest(ORGANISATION, MAY_DAY, "mp3", {"queueId": ["b", "a"], "direction": "inbound"})
SECRET_URL = "https://bucket.s3.amazonaws.com/call?X-Amz-Signature=verysecret"


def test_a_requests_key_is_the_one_that_ledgers_in_use_already_hold() -> None:
    """A change of this literal exports every window of every user again."""
    assert REQUEST.key == "c8b2bb91c4989fc1025208d23fb77a606aca814afa9fc2b41beaaa0f0d28d8d8"
    assert REQUEST.selection_key == "cd6ae2d67ef669543b16b6e804ebba96ceebb3c91fd550654e16e4106ac60313"


def test_the_key_does_not_depend_on_the_order_of_filters_or_the_zone_of_times() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    same = ExportRequest(
        ORGANISATION,
        ExportWindow(datetime(2024, 5, 1, 2, tzinfo=berlin), datetime(2024, 5, 2, 2, tzinfo=berlin)),
        "mp3",
        {"direction": "inbound", "queueId": ["b", "a"]},
    )
    assert same.key == REQUEST.key


@pytest.mark.parametrize(
    "changed",
    [
        {"organisation": Organisation("api.mypurecloud.ie", "client")},
        {"organisation": Organisation("api.mypurecloud.com", "another")},
        {"window": ExportWindow(MAY_DAY.start, MAY_DAY.end - timedelta(milliseconds=1))},
        {"window": ExportWindow(MAY_DAY.start + timedelta(milliseconds=1), MAY_DAY.end)},
        {"media_format": "wav"},
        {"filters": {"queueId": ["a", "b"], "direction": "inbound"}},
        {"filters": {}},
    ],
)
def test_everything_that_is_asked_for_is_in_the_key(changed: dict[str, object]) -> None:
    assert replace(REQUEST, **changed).key != REQUEST.key  # type: ignore[arg-type]


def test_only_the_window_is_not_in_the_selection_key() -> None:
    another_day = ExportWindow(MAY_DAY.end, MAY_DAY.end + timedelta(days=1))
    assert replace(REQUEST, window=another_day).selection_key == REQUEST.selection_key
    assert replace(REQUEST, media_format="wav").selection_key != REQUEST.selection_key


def test_a_window_is_kept_in_utc_and_in_plain_datetimes() -> None:
    start = pendulum.datetime(2024, 5, 1, tz="Europe/Berlin")
    window = ExportWindow(start, start.add(days=1))
    assert window.to_dict() == {"start": "2024-04-30T22:00:00Z", "end": "2024-05-01T22:00:00Z"}
    assert type(window.start) is type(window.end) is datetime


def test_a_window_is_cut_to_the_milliseconds_that_the_wire_has() -> None:
    window = ExportWindow(MAY_DAY.start + timedelta(microseconds=1999), MAY_DAY.start + timedelta(microseconds=2001))
    assert window.to_dict() == {"start": "2024-05-01T00:00:00.001Z", "end": "2024-05-01T00:00:00.002Z"}
    with pytest.raises(InvalidInput, match="empty"):
        ExportWindow(MAY_DAY.start + timedelta(microseconds=1), MAY_DAY.start + timedelta(microseconds=999))


times = st.datetimes(
    datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))])
)


@given(times, st.timedeltas(timedelta(milliseconds=1), timedelta(days=400)))
def test_a_window_survives_its_way_through_xcom(start: datetime, length: timedelta) -> None:
    window = ExportWindow(start, start + length)
    again = ExportWindow.parse(window.to_dict())
    assert again == window
    assert replace(REQUEST, window=again).key == replace(REQUEST, window=window).key


@pytest.mark.parametrize("end", [MAY_DAY.start, MAY_DAY.start - timedelta(seconds=1)])
def test_a_window_must_not_be_empty_or_reversed(end: datetime) -> None:
    with pytest.raises(InvalidInput, match=r"window \[2024-05-01T00:00:00Z, .*\) is empty or reversed"):
        ExportWindow(MAY_DAY.start, end)


@pytest.mark.parametrize(("start", "end"), [(datetime(2024, 5, 1), MAY_DAY.end), (MAY_DAY.start, datetime(2024, 5, 2))])
def test_a_window_must_not_be_naive(start: datetime, end: datetime) -> None:
    with pytest.raises(InvalidInput, match="naive: give both times a zone"):
        ExportWindow(start, end)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"start": "2024-05-01T00:00:00Z"},
        {"start": "2024-05-01T00:00:00Z", "end": "soon"},
        {"start": None, "end": None},
        "2024-05-01",
    ],
)
def test_what_is_no_window_is_named(given: object) -> None:
    with pytest.raises(InvalidInput, match=r"not a window: .* it has an ISO 8601 'start' and 'end'"):
        ExportWindow.parse(given)  # type: ignore[arg-type]


def test_presigned_urls_are_in_no_repr() -> None:
    recording = Recording("call", SECRET_URL)
    job = ExportJob("job", JobStatus.COMPLETED, "completed", SECRET_URL, recordings=(recording,))
    for thing in (recording, job, [job], Manifest("job", [("call", {"url": SECRET_URL})])):
        assert "verysecret" not in repr(thing)
        assert "amazonaws" not in f"{thing}"
    assert "call" in repr(recording)


ERRORS = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ExportError)),
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", ERRORS)
def test_errors_cross_processes(kind: type[ExportError]) -> None:
    again = pickle.loads(pickle.dumps(kind("what happened")))
    assert (type(again), str(again)) == (kind, "what happened")


@pytest.mark.parametrize("kind", [Passing, OutcomeUnknown])
def test_what_the_other_side_asked_to_wait_crosses_processes_too(kind: type[Passing]) -> None:
    assert pickle.loads(pickle.dumps(kind("busy", 30.0))).retry_after == 30.0
