# SPDX-License-Identifier: Apache-2.0
"""What the APIs are said to cost, held against exports of each in simulated time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from airflow_provider_genesys.api.costs import costs_of, search
from airflow_provider_genesys.export.estimate import Assumptions, Day, Limits, Window, cut, estimate
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.simulator import Universe
from dev.year import exported

START = datetime(2024, 5, 1, tzinfo=UTC)
DAY = ExportWindow(START, START + timedelta(days=1))
JOB_SECONDS = 60.0


def day_of(conversations: int) -> Day:
    return Day(Window(DAY, conversations), (), 1)


@pytest.mark.parametrize(
    ("of_day", "conversations", "is_old", "requests"),
    [
        (0, 0, False, 1),
        (100, 100, False, 1),
        (1000, 30, False, 10),
        (1001, 30, False, 7),
        (9000, 3001, False, 10),
        (100, 30, True, 6),
        (9000, 3001, True, 9),
    ],
)
def test_a_search_costs_pages(of_day: int, conversations: int, is_old: bool, requests: int) -> None:
    assert search(day_of(of_day), conversations, is_old=is_old) == requests


def test_what_an_api_and_a_format_cost() -> None:
    guide, bulk = costs_of("guide", "mp3"), costs_of("bulk", "original")
    batch, transcoded = costs_of("batch", "original"), costs_of("batch", "mp3")
    assert [each.lot for each in (guide, batch, transcoded, bulk)] == [None, 100, 100, None]
    assert [each.of_poll(80) for each in (guide, batch, transcoded, bulk)] == [1, 1, 80, 1]
    assert [each.submission for each in (guide, batch, transcoded, bulk)] == [1, 1, 0, 1]
    assert [each.jobs_at_a_time for each in (guide, batch, transcoded, bulk)] == [None, None, None, 2]


def test_a_day_that_is_old_is_searched_to_be_counted() -> None:
    planned = cut(DAY, 900, 5000, 24)
    new, old = (costs_of("batch", "original", partial(_later, days)).planning(planned) for days in (2, 60))
    assert (new, old) == (2, 7)


@pytest.mark.parametrize("age", [timedelta(days=2), timedelta(days=60)], ids=["new", "old"])
@pytest.mark.parametrize(
    ("export_api", "media_format"), [("guide", "mp3"), ("batch", "original"), ("batch", "mp3"), ("bulk", "original")]
)
def test_an_export_takes_the_requests_that_were_estimated(export_api: str, media_format: str, age: timedelta) -> None:
    universe = Universe(
        calls_per_day=240,
        job_seconds=JOB_SECONDS,
        batch_seconds=JOB_SECONDS,
        details_job_seconds=5.0,
        bulk_processing_seconds=JOB_SECONDS,
    )
    limits = Limits(max_recordings_per_job=100, requests_per_minute=100)
    now = _later(age.days)
    recorded = 240  # conversations with a recorded call, too
    assumptions = Assumptions(bytes_per_recording=0, seconds_per_recording=JOB_SECONDS / (recorded / 4))
    costs = costs_of(export_api, media_format, lambda: now)
    expected = estimate([(DAY, recorded)], limits, assumptions, costs)
    universe = Universe(**{**vars(universe), "requests_per_minute": 100})
    actual = exported(DAY, universe, limits, (), export_api, media_format, now)
    assert actual.rate_limited == 0
    assert (expected.windows, expected.jobs) == (actual.windows, actual.jobs)
    assert expected.requests == pytest.approx(actual.requests, rel=0.15)


def _later(days: int) -> float:
    return (START + timedelta(days=days)).timestamp()
