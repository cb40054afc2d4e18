# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_genesys.export.coverage import Coverage, Day, DayStatus, coverages, gaps
from airflow_provider_genesys.export.entry import RequestState, Standing
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.export.planning import calendar_days, timezone_of

MAY = datetime(2024, 5, 1, tzinfo=UTC)
ASKED = ExportRequest(Organisation("host", "client"), ExportWindow(MAY, MAY + timedelta(days=1)), "mp3")
ARCHIVED, FAILED, OPEN, SPLIT = RequestState.ARCHIVED, RequestState.FAILED, RequestState.OPEN, RequestState.SPLIT


def hours(start: float, end: float) -> ExportWindow:
    return ExportWindow(MAY + timedelta(hours=start), MAY + timedelta(hours=end))


def standing(start: float, end: float, state: RequestState = ARCHIVED, checked_at: float | None = None) -> Standing:
    return Standing(replace(ASKED, window=hours(start, end)), state, checked_at=checked_at)


def covered(
    *standings: Standing, volumes: Mapping[ExportWindow, int] | None = None, days: Sequence[ExportWindow] = ()
) -> Coverage:
    """The one selection's coverage, of 1 May unless other days are given."""
    by_window = sorted(standings, key=lambda standing: standing.request.window)
    (coverage,) = coverages(by_window, lambda _: volumes or {}, days or [hours(0, 24)])
    return coverage


def first_day(*standings: Standing, volumes: Mapping[ExportWindow, int] | None = None) -> Day:
    return covered(*standings, volumes=volumes).days[0]


@pytest.mark.parametrize(
    ("standings", "status"),
    [
        ([standing(0, 24)], DayStatus.ARCHIVED),
        ([standing(0, 6), standing(6, 12), standing(12, 24)], DayStatus.ARCHIVED),
        ([standing(0, 24, SPLIT), standing(0, 12), standing(12, 24)], DayStatus.ARCHIVED),
        ([standing(0, 24, FAILED), standing(0, 12), standing(12, 24)], DayStatus.ARCHIVED),
        ([standing(0, 18), standing(6, 24)], DayStatus.ARCHIVED),
        ([standing(0, 12), standing(12, 24, FAILED)], DayStatus.FAILED),
        ([standing(0, 6, FAILED), standing(6, 12, OPEN)], DayStatus.FAILED),
        ([standing(0, 12, FAILED), standing(0, 12)], DayStatus.INCOMPLETE),
        ([standing(0, 12)], DayStatus.INCOMPLETE),
        ([standing(12, 24)], DayStatus.INCOMPLETE),
        ([standing(0, 6), standing(7, 24)], DayStatus.INCOMPLETE),
        ([standing(0, 24, OPEN)], DayStatus.INCOMPLETE),
        ([standing(0, 24, SPLIT)], DayStatus.INCOMPLETE),
        ([standing(24, 48)], DayStatus.NEVER),
        ([standing(-24, 0)], DayStatus.NEVER),
    ],
)
def test_a_day_is_archived_where_archived_windows_cover_it(standings: list[Standing], status: DayStatus) -> None:
    assert first_day(*standings).status is status


def test_a_day_counts_its_windows_and_what_they_hold() -> None:
    day = first_day(
        standing(0, 12, SPLIT),
        standing(0, 6),
        standing(6, 12),
        standing(12, 24, FAILED),
        volumes={hours(0, 6): 5, hours(6, 12): 7, hours(12, 24): 100},
    )
    assert (day.windows, day.archived, day.recordings) == (3, 2, 12)


def test_a_day_on_which_nothing_was_recorded_is_no_gap() -> None:
    days = [hours(0, 24), hours(24, 48), hours(48, 72)]
    coverage = covered(standing(0, 24), volumes={hours(24, 48): 0}, days=days)
    assert [day.status for day in coverage.days] == [DayStatus.ARCHIVED, DayStatus.ARCHIVED, DayStatus.NEVER]
    assert coverage.days[1].windows == 0


@pytest.mark.parametrize(("checks", "checked_at"), [([5.0, 3.0], 3.0), ([5.0, None], None), ([None, None], None)])
def test_a_day_was_checked_when_the_last_of_its_windows_was(
    checks: list[float | None], checked_at: float | None
) -> None:
    windows = [standing(12 * n, 12 * n + 12, checked_at=check) for n, check in enumerate(checks)]
    assert first_day(*windows).checked_at == checked_at


def test_a_day_without_archived_windows_was_never_checked() -> None:
    assert first_day(standing(0, 24, FAILED, checked_at=3.0)).checked_at is None


def test_a_window_across_midnight_belongs_to_both_days() -> None:
    coverage = covered(standing(0, 30), standing(30, 48), days=[hours(0, 24), hours(24, 48)])
    assert [day.status for day in coverage.days] == [DayStatus.ARCHIVED] * 2
    assert [day.windows for day in coverage.days] == [1, 2]


def test_days_are_those_of_the_time_zone() -> None:
    berlin = timezone_of("Europe/Berlin")
    october = ExportWindow(datetime(2024, 10, 26, tzinfo=berlin), datetime(2024, 10, 28, tzinfo=berlin))
    days = list(calendar_days(october, berlin))
    windows = [Standing(replace(ASKED, window=day), ARCHIVED) for day in days]
    assert [day.length for day in days] == [timedelta(hours=24), timedelta(hours=25)]
    assert [day.status for day in covered(*windows, days=days).days] == [DayStatus.ARCHIVED] * 2


def test_selections_do_not_mix() -> None:
    wav = replace(ASKED, media_format="wav")
    queue = replace(ASKED, filters={"queueId": "a"})
    screen = replace(ASKED, media=("audio", "screen"))
    other = replace(ASKED, organisation=Organisation("host", "another"))
    asked = [wav, queue, other, ASKED, screen]
    volumes = {request.selection_key: {ASKED.window: number} for number, request in enumerate(asked)}
    found = coverages([Standing(request, ARCHIVED) for request in asked], volumes.__getitem__, [ASKED.window])
    assert [coverage.asked for coverage in found] == [other, ASKED, queue, screen, wav]
    assert [coverage.days[0].recordings for coverage in found] == [2, 3, 1, 4, 0]


def test_an_export_of_somebodys_own_is_none_of_recordings() -> None:
    own = replace(ASKED, media_format="own/wfm_shifts")
    assert coverages([Standing(own, ARCHIVED)], lambda _: {}, [ASKED.window]) == []


def test_a_selection_tells_where_it_was_archived() -> None:
    standings = [
        Standing(replace(ASKED, window=hours(n, n + 1)), ARCHIVED, places)
        for n, places in enumerate([("s3://b",), ("s3://b", "file:///a"), ()])
    ]
    assert covered(*standings).destinations == ("file:///a", "s3://b")


def test_consecutive_days_that_are_not_archived_are_one_gap() -> None:
    days = [hours(24 * n, 24 * n + 24) for n in range(7)]
    coverage = covered(
        standing(24, 48), standing(72, 96, OPEN), standing(96, 120, FAILED), standing(144, 168), days=days
    )
    found = gaps(coverage.days)
    assert [[day.window for day in gap.days] for gap in found] == [days[:1], days[2:6]]
    assert [gap.was_tried for gap in found] == [False, True]


def test_there_is_no_gap_where_all_is_archived() -> None:
    assert gaps(covered(standing(0, 24)).days) == []
