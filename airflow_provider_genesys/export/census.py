# SPDX-License-Identifier: Apache-2.0
"""How many recordings each day of a long range holds, in few requests: larger spans first, days where it matters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from statistics import fmean

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.export.planning import calendar_days

Count = Callable[[ExportWindow], int]
"""Asks the platform how many recordings a window holds: one request."""

SPANS = (28, 7, 1)
"""Days that are counted together before their parts are."""

SAMPLE = timedelta(days=28)
"""How far back days are counted that stand for older ones: four of each weekday."""


@dataclass(frozen=True)
class DayCount:
    """A calendar day, or the part of one that belongs to a range.

    :param recordings: how many it is thought to hold.
    :param is_counted: whether it was counted by itself, and not taken from a span or from other days.
    """

    day: ExportWindow
    recordings: int
    is_counted: bool


def spans_counted(days: Sequence[ExportWindow], count: Count, limit: int) -> list[DayCount]:
    """The days' recordings where any span can be counted by one request.

    A span that holds no more than ``limit`` has no day that would be cut: its days are not counted one by one. The last
    part of a span is what the others leave of it, so that there are never more requests than days.

    :param days: consecutive ones.
    :param limit: recordings of a day that make one window.
    """
    return list(_within(days, count(_span(days)), count, limit, SPANS)) if days else []


def _within(
    days: Sequence[ExportWindow], recordings: int, count: Count, limit: int, spans: Sequence[int]
) -> Iterator[DayCount]:
    if len(days) == 1:
        yield DayCount(days[0], recordings, is_counted=True)
        return
    if recordings <= limit:
        for number, day in enumerate(days):
            share = (number + 1) * recordings // len(days) - number * recordings // len(days)
            yield DayCount(day, share, is_counted=recordings == 0)
        return
    parts = [days[start : start + spans[0]] for start in range(0, len(days), spans[0])]
    left = recordings
    for part in parts[:-1]:
        counted = count(_span(part))
        left -= counted
        yield from _within(part, counted, count, limit, spans[1:])
    yield from _within(parts[-1], max(left, 0), count, limit, spans[1:])


def days_counted(
    days: Sequence[ExportWindow], count: Count, since: float, now: float, timezone: tzinfo
) -> list[DayCount]:
    """The days' recordings where only single days that are not too old can be counted by one request.

    An older day is taken to be like the days of its weekday that could be counted; where none of the range could, like
    those of the last weeks.

    :param days: consecutive ones.
    :param since: of the oldest day that can be counted, epoch seconds.
    :param now: this machine's clock, epoch seconds.
    :param timezone: whose weekdays count.
    :raises InvalidInput: where no whole day lies between ``since`` and ``now``.
    """
    known = {day: count(day) for day in days if day.start.timestamp() >= since}
    sample = known
    if len(known) < len(days) and not _is_a_week(known, timezone):
        sample = {day: count(day) for day in _newest_days(since, now, timezone) if day not in known} | known
    if len(known) < len(days) and not sample:
        raise InvalidInput("no day of the last weeks can be counted: say how many recordings a day has instead")
    likely = _by_weekday(sample, timezone)
    return [
        DayCount(day, known[day], is_counted=True)
        if day in known
        else DayCount(day, round(likely(day) * day.length.total_seconds()), is_counted=False)
        for day in days
    ]


def _newest_days(since: float, now: float, timezone: tzinfo) -> list[ExportWindow]:
    today = datetime.fromtimestamp(now, timezone).replace(hour=0, minute=0, second=0, microsecond=0)
    found = calendar_days(ExportWindow(today - SAMPLE, today), timezone)
    return [day for day in found if day.start.timestamp() >= since]


def _is_a_week(days: dict[ExportWindow, int], timezone: tzinfo) -> bool:
    return len({_weekday(day, timezone) for day in days}) == 7


def _by_weekday(sample: dict[ExportWindow, int], timezone: tzinfo) -> Callable[[ExportWindow], float]:
    """Recordings a second on days like a given one."""
    rates: defaultdict[int, list[float]] = defaultdict(list)
    for day, recordings in sample.items():
        rates[_weekday(day, timezone)].append(recordings / day.length.total_seconds())
    everyday = [rate for of_weekday in rates.values() for rate in of_weekday]
    return lambda day: fmean(rates.get(_weekday(day, timezone)) or everyday)


def _weekday(day: ExportWindow, timezone: tzinfo) -> int:
    return day.start.astimezone(timezone).weekday()


def _span(days: Sequence[ExportWindow]) -> ExportWindow:
    return ExportWindow(days[0].start.astimezone(UTC), days[-1].end)
