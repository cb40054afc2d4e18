# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_genesys.api.costs import GUIDE, costs_of
from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.estimate import (
    Assumptions,
    Limits,
    cut,
    estimate,
)
from airflow_provider_genesys.export.model import SPAN, ExportWindow
from airflow_provider_genesys.export.planning import calendar_days
from airflow_provider_genesys.simulator import Universe
from dev.year import exported
from tests.export.orchestrator import DAY

BATCH, TRANSCODED, BULK = costs_of("batch", "original"), costs_of("batch", "mp3"), costs_of("bulk", "original")
LEARNED = Assumptions(bytes_per_recording=0, history=[(1000, 90.0)] * 5)


def days(count: int, recordings: int) -> list[tuple[ExportWindow, int]]:
    interval = ExportWindow(DAY.start, DAY.start + timedelta(days=count))
    return [(day, recordings) for day in calendar_days(interval, UTC)]


@pytest.mark.parametrize(
    ("recordings", "windows", "volumes"),
    [(0, 0, 1), (1, 1, 1), (5000, 1, 1), (20_000, 4, 5), (24_000, 24, 29), (200_000, 96, 125)],
)
def test_a_day_is_cut_as_planning_cuts_it(recordings: int, windows: int, volumes: int) -> None:
    planned = cut(DAY, recordings, 5000, 24)
    assert (len(planned.windows), planned.volumes) == (windows, volumes)
    assert sum(window.recordings for window in planned.windows) == recordings


def test_busy_hours_make_smaller_windows_where_the_calls_are() -> None:
    planned = cut(DAY, 30_000, 5000, 12)
    assert [window.window.length.total_seconds() / 3600 for window in planned.windows] == [6, *[1] * 12, 6]
    assert {window.recordings for window in planned.windows} == {0, 2500}


def test_a_day_without_recordings_takes_a_request_and_nothing_else() -> None:
    found = estimate(days(3, 0), Limits(), LEARNED, GUIDE)
    assert (found.windows, found.jobs, found.polls, found.requests) == (0, 0, 0, 3)


def test_one_job_takes_its_time_and_two_polls() -> None:
    found = estimate(days(1, 1000), Limits(), LEARNED, GUIDE)
    assert (found.windows, found.jobs, found.polls, found.requests) == (1, 1, 2, 4)
    assert found.seconds == pytest.approx(90.0)


def test_days_are_exported_side_by_side() -> None:
    alone = estimate(days(4, 1000), Limits(runs_at_a_time=1), LEARNED, GUIDE)
    together = estimate(days(4, 1000), Limits(runs_at_a_time=4), LEARNED, GUIDE)
    assert alone.seconds == pytest.approx(360.0)
    assert together.seconds == pytest.approx(90.0)


def test_polls_keep_within_their_budget() -> None:
    found = estimate(days(30, 24_000), Limits(runs_at_a_time=10), LEARNED, GUIDE)
    assert found.jobs == 720
    assert found.seconds >= (found.polls / 20 - 2) * SPAN


def test_requests_keep_within_theirs() -> None:
    found = estimate(days(30, 24_000), Limits(requests_per_minute=10), LEARNED, GUIDE)
    assert found.seconds >= (found.requests / 10 - 2) * SPAN


def test_bytes_take_the_time_that_they_take() -> None:
    assumptions = Assumptions(bytes_per_recording=1e6, bytes_per_second=1e6, history=LEARNED.history)
    found = estimate(days(1, 1000), Limits(), assumptions, GUIDE)
    assert (found.bytes, found.seconds) == (1_000_000_000, 1000.0)


def test_batch_makes_a_job_of_a_hundred_conversations() -> None:
    found = estimate(days(1, 1050), Limits(), Assumptions(history=[(100, 30.0)] * 5), BATCH)
    assert (found.windows, found.jobs) == (1, 11)


def test_transcoding_asks_for_each_conversation() -> None:
    assumptions = Assumptions(history=[(100, 30.0)] * 5)
    whole = estimate(days(1, 1000), Limits(), assumptions, BATCH)
    each = estimate(days(1, 1000), Limits(), assumptions, TRANSCODED)
    assert each.polls == whole.polls
    assert each.requests - whole.requests == 99 * each.polls - 10


def test_bulk_has_two_jobs_at_a_time() -> None:
    limits, assumptions = Limits(runs_at_a_time=8), Assumptions(seconds_per_recording=0.6, bytes_per_recording=0)
    alone = estimate(days(1, 1000), limits, assumptions, BULK)
    found = estimate(days(8, 1000), limits, assumptions, BULK)
    assert 600.0 < alone.seconds < 1000.0
    assert 4 * 600.0 < found.seconds < 4 * 1000.0
    assert found.requests > 8 * alone.requests, "who waits for room looks again and again"


def test_what_jobs_take_is_learned_and_else_assumed() -> None:
    assert Assumptions(seconds_per_recording=0.1).job_seconds(500) == 50.0
    assert LEARNED.job_seconds(1500) == 90.0
    assert LEARNED.job_seconds(100_000) == pytest.approx(9000.0)  # none of that size: by the recording


@pytest.mark.parametrize("hours", [0, 25])
def test_busy_hours_are_hours_of_a_day(hours: float) -> None:
    with pytest.raises(InvalidInput, match="busy hours"):
        Assumptions(busy_hours=hours)


def test_limits_are_at_least_one() -> None:
    with pytest.raises(InvalidInput, match="at least 1"):
        Limits(runs_at_a_time=0)


def test_an_export_takes_what_was_estimated() -> None:
    """The coordinator against the simulator in simulated time: eight days, 192 jobs."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    interval = ExportWindow(start, start + timedelta(days=8))
    limits, history = Limits(max_recordings_per_job=100), [(20, 90.0)] * 5
    assumptions = Assumptions(bytes_per_recording=0, history=history)
    expected = estimate(days(8, 480), limits, assumptions, GUIDE)
    actual = exported(interval, Universe(calls_per_day=480, job_seconds=90.0), limits, history)
    assert actual.rate_limited == 0
    assert actual.recordings == expected.recordings == 8 * 480
    assert (expected.windows, expected.jobs) == (actual.windows, actual.jobs) == (192, 192)
    assert expected.requests == pytest.approx(actual.requests, rel=0.15)
    assert expected.polls == pytest.approx(actual.polls, rel=0.15)
    assert expected.seconds == pytest.approx(actual.seconds, rel=0.15)
