# SPDX-License-Identifier: Apache-2.0
"""How an interval is cut into windows, so that no job is too large (guide, edge case 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise

import pendulum

from airflow_provider_genesys.export.errors import InvalidInput, Passing
from airflow_provider_genesys.export.model import ExportWindow

BLOCK_LENGTHS = (timedelta(hours=6), timedelta(hours=1), timedelta(minutes=15))
"""What a day above the limit is subdivided into, and what such a block is in turn."""

SMALLEST_WINDOW = BLOCK_LENGTHS[-1]

WEEKS_OF_HISTORY = 8

_SOONEST, _LATEST = 300.0, 3600.0
"""Seconds until it makes sense to look again how far the platform's knowledge reaches."""

Volume = Callable[[ExportWindow], int | None]
"""How many recordings a window is thought to hold; None where nobody knows."""


def timezone_of(name: str) -> tzinfo:
    """The time zone of a name such as ``Europe/Berlin``.

    :raises InvalidInput: there is none.
    """
    try:
        return pendulum.timezone(name)
    except ValueError:
        raise InvalidInput(f"timezone is {name!r}: give a name such as Europe/Berlin") from None


def check_interval(start: datetime | None, end: datetime | None, now: datetime) -> ExportWindow:
    """The interval to export.

    :raises InvalidInput: for an interval that is unbounded, naive, reversed or not over yet.
    """
    if start is None or end is None:
        raise InvalidInput(
            "this run has no data interval: trigger it with a logical date, or set the params 'start' and 'end'"
        )
    interval = ExportWindow(start, end)
    if interval.end > now:
        raise InvalidInput(f"the interval {interval} is not over yet: its end lies in the future")
    return interval


def check_availability(window: ExportWindow, until: float) -> None:
    """Refuse to look yet for what was recorded in a window.

    :param until: until when the platform knows of recordings, epoch seconds.
    :raises Passing: where that is before the window's end, with the time after which to look again.
    """
    lacking = window.end.timestamp() - until
    if lacking > 0:
        raise Passing(
            f"Genesys Cloud knows what was recorded until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M:%S} UTC, "
            f"which is before the end of {window}: waiting for it",
            min(max(lacking, _SOONEST), _LATEST),
        )


def calendar_days(interval: ExportWindow, timezone: tzinfo) -> Iterator[ExportWindow]:
    """The interval's pieces by calendar day of ``timezone``; a daylight-saving day has 23 or 25 hours."""
    start = interval.start
    while start < interval.end:
        midnight = start.astimezone(timezone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        next_midnight = datetime.combine(midnight.date() + timedelta(days=1), midnight.time(), tzinfo=timezone)
        piece = ExportWindow(start, min(next_midnight, interval.end))
        yield piece
        start = piece.end


def cut_day(day: ExportWindow, volume: Volume, limit: int) -> list[ExportWindow]:
    """Cut one day by volume: whole, or in blocks of 6 hours, 1 hour, 15 minutes where it is above ``limit``.

    A day whose volume nobody knows is cut in blocks of 6 hours. An empty one gives no window at all; an empty block
    of a day that isn't empty stays, so that the windows tile the day.
    """
    recordings = volume(day)
    if recordings == 0:
        return []
    if recordings is None:
        return blocks(day, BLOCK_LENGTHS[0])
    return list(_subdivide(day, recordings, volume, limit, BLOCK_LENGTHS))


def _subdivide(
    window: ExportWindow, recordings: int | None, volume: Volume, limit: int, lengths: Sequence[timedelta]
) -> Iterator[ExportWindow]:
    shorter = [length for length in lengths if length < window.length]
    if recordings is None or recordings <= limit or not shorter:
        yield window
        return
    for block in blocks(window, shorter[0]):
        yield from _subdivide(block, volume(block), volume, limit, shorter[1:])


def blocks(window: ExportWindow, length: timedelta) -> list[ExportWindow]:
    """Tile a window with blocks of ``length``; the last one may be shorter."""
    count = -(-window.length // length)
    return [
        ExportWindow(window.start + n * length, min(window.start + (n + 1) * length, window.end)) for n in range(count)
    ]


def quarters(window: ExportWindow) -> list[ExportWindow]:
    """Split a window whose job was too large in four, none below 15 minutes; [] where it can't be split."""
    parts = min(4, window.length // SMALLEST_WINDOW)
    if parts < 2:
        return []
    edges = [window.start + n * (window.length // parts // _MS) * _MS for n in range(parts)] + [window.end]
    return [ExportWindow(start, end) for start, end in pairwise(edges)]


_MS = timedelta(milliseconds=1)


def volume_from_history(window: ExportWindow, timezone: tzinfo, history: Mapping[ExportWindow, int]) -> int | None:
    """The largest volume of the same weekday and time in the last weeks; None where no week is known in full."""
    weeks = (_weeks_before(window, weeks, timezone) for weeks in range(1, WEEKS_OF_HISTORY + 1))
    known = [volume for volume in (_remembered(week, history) for week in weeks) if volume is not None]
    return max(known, default=None)


def _weeks_before(window: ExportWindow, weeks: int, timezone: tzinfo) -> ExportWindow:
    """The same wall-clock times, ``weeks`` earlier; the same length where a change of clocks leaves nothing of it."""
    start, end = (
        (time.astimezone(timezone) - timedelta(weeks=weeks)).astimezone(UTC) for time in (window.start, window.end)
    )
    return ExportWindow(start, end if end > start else start + window.length)


def _remembered(window: ExportWindow, history: Mapping[ExportWindow, int]) -> int | None:
    known, covered = 0.0, timedelta()
    for remembered, recordings in history.items():
        overlap = min(window.end, remembered.end) - max(window.start, remembered.start)
        if overlap > timedelta():
            covered += overlap
            known += recordings * (overlap / remembered.length)
    return round(known * (window.length / covered)) if covered >= window.length else None  # some count twice
