# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_genesys.export.census import days_counted, spans_counted
from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.export.planning import calendar_days

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
YEAR = list(calendar_days(ExportWindow(MONDAY, MONDAY + timedelta(days=365)), UTC))


class Platform:
    """Counts by day, and what was asked.

    :ivar asked: every window that was counted.
    """

    def __init__(self, of_day: Callable[[datetime], int]) -> None:
        self._of_day = of_day
        self.asked: list[ExportWindow] = []

    def count(self, window: ExportWindow) -> int:
        self.asked.append(window)
        return sum(self._of_day(day.start) for day in calendar_days(window, UTC))


def weekly(start: datetime) -> int:
    return 8_000 if start.weekday() >= 5 else 30_000


def test_a_busy_year_is_counted_by_day_with_a_request_for_each() -> None:
    platform = Platform(weekly)
    counted = spans_counted(YEAR, platform.count, 5000)
    assert [(one.day, one.recordings) for one in counted] == [(day, weekly(day.start)) for day in YEAR]
    assert len(platform.asked) == len(YEAR)


def test_an_empty_year_is_one_request() -> None:
    platform = Platform(lambda start: 0)
    counted = spans_counted(YEAR, platform.count, 5000)
    assert len(platform.asked) == 1
    assert {one.recordings for one in counted} == {0}
    assert all(one.is_counted for one in counted)


def test_days_that_cannot_be_cut_are_not_counted_one_by_one() -> None:
    platform = Platform(lambda start: 100)
    counted = spans_counted(YEAR, platform.count, 5000)
    assert len(platform.asked) == 14  # the year, and its parts of 28 days but for the last
    assert {one.recordings for one in counted} == {100}
    assert [one.is_counted for one in counted] == [False] * 364 + [True]  # the last day is what the others leave


def test_only_the_busy_part_of_a_range_is_looked_at_closely() -> None:
    platform = Platform(lambda start: 30_000 if start == YEAR[200].start else 0)
    counted = spans_counted(YEAR, platform.count, 5000)
    assert [one.recordings for one in counted if one.recordings] == [30_000]
    assert len(platform.asked) < 30


def test_shares_of_a_span_add_up() -> None:
    platform = Platform(lambda start: 3 if start == YEAR[0].start else 0)
    counted = spans_counted(YEAR[:7], platform.count, 5000)
    assert sum(one.recordings for one in counted) == 3


def test_days_that_are_too_old_are_like_those_of_their_weekday() -> None:
    platform = Platform(weekly)
    since, now = YEAR[330].start.timestamp(), YEAR[-1].end.timestamp()
    counted = days_counted(YEAR, platform.count, since, now, UTC)
    assert [one.recordings for one in counted] == [weekly(day.start) for day in YEAR]
    assert [one.is_counted for one in counted] == [False] * 330 + [True] * 35
    assert [window.length for window in platform.asked] == [timedelta(days=1)] * 35


def test_a_range_that_is_too_old_as_a_whole_is_like_the_last_weeks() -> None:
    platform = Platform(weekly)
    now = YEAR[-1].end.timestamp() + 3600
    counted = days_counted(YEAR[:100], platform.count, now - 35 * 86_400, now, UTC)
    assert [one.recordings for one in counted] == [weekly(day.start) for day in YEAR[:100]]
    assert len(platform.asked) == 28


def test_nothing_is_made_up_where_no_day_can_be_counted() -> None:
    now = YEAR[-1].end.timestamp()
    with pytest.raises(InvalidInput, match="no day"):
        days_counted(YEAR, Platform(weekly).count, now, now, UTC)
