# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.export.planning import (
    SMALLEST_WINDOW,
    Volume,
    blocks,
    calendar_days,
    check_interval,
    cut_day,
    quarters,
    volume_from_history,
)
from tests.export.orchestrator import DAY, MIDNIGHT, hours

HOUR = timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2024, 6, 1, tzinfo=UTC)


def evenly(recordings_per_hour: float) -> Volume:
    """Calls come at the same pace all day."""
    return lambda window: round(recordings_per_hour * (window.length / HOUR))


def assert_tiled(window: ExportWindow, pieces: Sequence[ExportWindow]) -> None:
    """The pieces are the window: no gap, no overlap, nothing beyond."""
    assert (pieces[0].start, pieces[-1].end) == (window.start, window.end)
    assert all(one.end == next_one.start for one, next_one in pairwise(pieces))


# -- cutting a day ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("per_hour", "length", "pieces"),
    [
        (200, 24 * HOUR, 1),
        (5000 / 24, 24 * HOUR, 1),
        (209, 6 * HOUR, 4),
        (833, 6 * HOUR, 4),
        (834, HOUR, 24),
        (5000, HOUR, 24),
        (5001, HOUR / 4, 96),
        (1_000_000, HOUR / 4, 96),
    ],
)
def test_a_day_is_cut_until_each_window_is_within_the_limit(per_hour: float, length: timedelta, pieces: int) -> None:
    windows = cut_day(DAY, evenly(per_hour), 5000)
    assert_tiled(DAY, windows)
    assert {window.length for window in windows} == {length}
    assert len(windows) == pieces


def test_only_what_is_above_the_limit_is_cut_further() -> None:
    """Calls come between 12 and 13 o'clock only."""
    windows = cut_day(DAY, lambda window: 9000 if window.start < hours(12, 13).end <= window.end else 0, 5000)
    assert_tiled(DAY, windows)
    assert windows[:2] == [hours(0, 6), hours(6, 12)]
    assert windows[2:6] == blocks(hours(12, 13), SMALLEST_WINDOW)
    assert windows[6:] == [*blocks(hours(13, 18), HOUR), hours(18, 24)]


def test_a_day_without_calls_needs_no_window() -> None:
    assert cut_day(DAY, lambda window: 0, 5000) == []


def test_an_empty_block_of_a_day_with_calls_stays() -> None:
    windows = cut_day(DAY, lambda window: 6000 if window.length == 24 * HOUR else 0, 5000)
    assert windows == blocks(DAY, 6 * HOUR)


def test_a_day_that_nobody_knows_is_cut_in_blocks_of_six_hours() -> None:
    assert cut_day(DAY, lambda window: None, 5000) == blocks(DAY, 6 * HOUR)


def test_a_block_that_nobody_knows_stays_whole() -> None:
    assert cut_day(DAY, lambda window: 6000 if window == DAY else None, 5000) == blocks(DAY, 6 * HOUR)


def test_a_short_interval_is_cut_by_what_is_shorter_and_each_window_asked_for_once() -> None:
    asked: list[ExportWindow] = []

    def volume(window: ExportWindow) -> int:
        asked.append(window)
        return 9000

    assert cut_day(hours(1, 2), volume, 5000) == blocks(hours(1, 2), SMALLEST_WINDOW)
    assert len(asked) == len(set(asked)) == 5


lengths = st.timedeltas(timedelta(milliseconds=1), timedelta(hours=25))
starts = st.datetimes(datetime(2024, 1, 1), datetime(2025, 1, 1), timezones=st.just(UTC))
instants = st.lists(st.timedeltas(timedelta(), timedelta(hours=25)), max_size=60)


@given(starts, lengths, instants, st.integers(1, 20))
def test_whatever_the_day_its_windows_tile_it_to_the_millisecond(
    start: datetime, length: timedelta, calls: list[timedelta], limit: int
) -> None:
    day = ExportWindow(start, start + length)
    times = [day.start + call for call in calls]

    def volume(window: ExportWindow) -> int:
        return sum(window.start <= time < window.end for time in times)

    windows = cut_day(day, volume, limit)
    if volume(day) == 0:
        assert windows == []
        return
    assert_tiled(day, windows)
    assert sum(volume(window) for window in windows) == volume(day)
    assert all(volume(window) <= limit or window.length <= SMALLEST_WINDOW for window in windows)
    assert all(window.start.microsecond % 1000 == 0 for window in windows)


# -- calendar days ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        (BERLIN, date(2024, 3, 31), 23),
        (BERLIN, date(2024, 10, 27), 25),
        (BERLIN, date(2024, 5, 1), 24),
        (NEW_YORK, date(2024, 3, 10), 23),
        (NEW_YORK, date(2024, 11, 3), 25),
        (ZoneInfo("America/Havana"), date(2024, 11, 3), 25),  # falls back to a second midnight
        (ZoneInfo("Africa/Cairo"), date(2024, 4, 26), 23),  # has no midnight
        (ZoneInfo("Asia/Kathmandu"), date(2024, 5, 1), 24),
    ],
)
def test_a_calendar_day_has_the_hours_that_its_zone_gives_it(zone: ZoneInfo, day: date, length: int) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    noons = [datetime(day.year, day.month, day.day, 12, tzinfo=zone) + n * timedelta(days=1) for n in (-1, 0, 1)]
    interval = ExportWindow(noons[0], noons[2])
    days = list(calendar_days(interval, zone))
    assert_tiled(interval, days)
    assert [one.length for one in days][1] == length * HOUR
    assert len(days) == 3
    assert days[1].start == midnight.astimezone(UTC)


@pytest.mark.parametrize(("day", "lengths"), [(date(2024, 3, 31), [6, 6, 6, 5]), (date(2024, 10, 27), [6, 6, 6, 6, 1])])
def test_blocks_of_a_day_with_a_change_of_clocks_still_tile_it(day: date, lengths: list[int]) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=BERLIN)
    (whole,) = calendar_days(ExportWindow(midnight, midnight + timedelta(days=1)), BERLIN)
    windows = cut_day(whole, lambda window: 6000 if window == whole else 100, 5000)
    assert_tiled(whole, windows)
    assert [window.length // HOUR for window in windows] == lengths


@given(
    st.datetimes(datetime(1995, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.timedeltas(timedelta(milliseconds=1), timedelta(days=40)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Beirut"]),
)
def test_calendar_days_tile_every_interval(start: datetime, length: timedelta, name: str) -> None:
    interval, zone = ExportWindow(start, start + length), ZoneInfo(name)
    days = list(calendar_days(interval, zone))
    assert_tiled(interval, days)
    assert all(day.length <= 25 * HOUR for day in days)
    last_moments = [day.end - timedelta(milliseconds=1) for day in days]
    assert all(
        day.start.astimezone(zone).date() == last.astimezone(zone).date()
        for day, last in zip(days, last_moments, strict=True)
    )


# -- splitting what was too large ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "lengths"),
    [
        (hours(0, 24), [6 * HOUR] * 4),
        (hours(0, 6), [1.5 * HOUR] * 4),
        (hours(0, 1), [HOUR / 4] * 4),
        (hours(0, 0.75), [HOUR / 4] * 3),
        (hours(0, 0.5), [HOUR / 4] * 2),
        (hours(0, 0.49), []),
        (hours(0, 0.25), []),
    ],
)
def test_a_window_is_split_in_four_but_not_below_a_quarter_of_an_hour(
    window: ExportWindow, lengths: list[timedelta]
) -> None:
    parts = quarters(window)
    assert [part.length for part in parts] == lengths
    if parts:
        assert_tiled(window, parts)


@given(starts, st.timedeltas(timedelta(milliseconds=1), timedelta(days=31)))
def test_quarters_tile_every_window_in_whole_milliseconds(start: datetime, length: timedelta) -> None:
    window = ExportWindow(start, start + length)
    parts = quarters(window)
    if window.length < 2 * SMALLEST_WINDOW:
        assert parts == []
        return
    assert_tiled(window, parts)
    assert 2 <= len(parts) <= 4
    assert all(part.length >= SMALLEST_WINDOW and part.start.microsecond % 1000 == 0 for part in parts)


# -- history ---------------------------------------------------------------------------------------------------------


def weeks_before(window: ExportWindow, weeks: int) -> ExportWindow:
    return ExportWindow(window.start - timedelta(weeks=weeks), window.end - timedelta(weeks=weeks))


def test_history_gives_the_largest_volume_of_the_same_weekday() -> None:
    history = {
        weeks_before(DAY, 1): 4000,
        weeks_before(DAY, 2): 5200,
        weeks_before(DAY, 8): 4800,
        weeks_before(DAY, 9): 99_000,
        ExportWindow(MIDNIGHT - 24 * HOUR, MIDNIGHT): 70_000,
    }
    assert volume_from_history(DAY, UTC, history) == 5200


def test_history_adds_up_the_windows_of_a_day() -> None:
    history = {weeks_before(block, 1): 100 * n for n, block in enumerate(blocks(DAY, 6 * HOUR), start=1)}
    assert volume_from_history(DAY, UTC, history) == 1000
    assert volume_from_history(hours(6, 12), UTC, history) == 200


def test_history_counts_nothing_twice_where_a_day_is_known_by_its_blocks_as_well() -> None:
    history = {weeks_before(block, 1): 100 for block in (DAY, *blocks(DAY, 6 * HOUR))}
    history[weeks_before(DAY, 1)] = 400
    assert volume_from_history(DAY, UTC, history) == 400
    assert volume_from_history(hours(6, 12), UTC, history) == 100


def test_history_gives_a_part_of_a_window_its_share() -> None:
    assert volume_from_history(hours(6, 12), UTC, {weeks_before(DAY, 1): 4000}) == 1000


def test_a_week_that_is_known_in_part_counts_for_nothing() -> None:
    assert volume_from_history(DAY, UTC, {weeks_before(hours(0, 23), 1): 4000}) is None
    assert volume_from_history(DAY, UTC, {weeks_before(hours(0, 23), 1): 4000, weeks_before(DAY, 2): 100}) == 100


def test_without_history_nobody_knows() -> None:
    assert volume_from_history(DAY, UTC, {}) is None


def test_history_looks_at_the_same_wall_clock_time_before_a_change_of_clocks() -> None:
    """On Sunday, 31 March 2024 at 03:00 Berlin went from +1 to +2."""
    after = ExportWindow(datetime(2024, 4, 3, 9, tzinfo=BERLIN), datetime(2024, 4, 3, 10, tzinfo=BERLIN))
    before = ExportWindow(datetime(2024, 3, 27, 9, tzinfo=BERLIN), datetime(2024, 3, 27, 10, tzinfo=BERLIN))
    assert before.start - after.start == -timedelta(days=7) + HOUR
    assert volume_from_history(after, BERLIN, {before: 321}) == 321


@pytest.mark.parametrize("sunday", [date(2024, 3, 31), date(2024, 4, 7), date(2024, 10, 27), date(2024, 11, 3)])
@pytest.mark.parametrize("length", [6 * HOUR, HOUR, HOUR / 4])
def test_every_block_of_a_day_around_a_change_of_clocks_has_a_week_before(sunday: date, length: timedelta) -> None:
    midnight = datetime(sunday.year, sunday.month, sunday.day, tzinfo=BERLIN)
    (day,) = calendar_days(ExportWindow(midnight, midnight + timedelta(days=1)), BERLIN)
    history = {ExportWindow(day.start - timedelta(weeks=9), day.end): 10**9}
    volumes = [volume_from_history(block, BERLIN, history) for block in blocks(day, length)]
    assert all(volume is not None and volume > 0 for volume in volumes)


# -- what may be exported --------------------------------------------------------------------------------------------


def test_a_past_interval_is_what_is_exported() -> None:
    assert check_interval(DAY.start, DAY.end, NOW) == DAY
    assert check_interval(DAY.start, DAY.end, DAY.end) == DAY


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        (None, DAY.end, "no data interval: trigger it with a logical date, or set the params 'start' and 'end'"),
        (DAY.start, None, "no data interval"),
        (None, None, "no data interval"),
        (datetime(2024, 5, 1), datetime(2024, 5, 2), "naive"),
        (DAY.end, DAY.start, "reversed"),
        (DAY.start, DAY.start, "empty"),
        (DAY.start, NOW + timedelta(milliseconds=1), "not over yet: its end lies in the future"),
    ],
)
def test_any_other_interval_is_refused_in_words(start: datetime | None, end: datetime | None, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        check_interval(start, end, NOW)
