# SPDX-License-Identifier: Apache-2.0
"""Which days are archived, and where the gaps are: the ledger's windows, looked at by calendar day.

A day counts as archived once archived windows cover all of it, in whatever pieces and however often it was planned: a
window that failed and whose time another one has archived since is no gap.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import TypeVar

from airflow_provider_genesys.export.entry import RequestState, Standing
from airflow_provider_genesys.export.guardrail import OWN
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow

T = TypeVar("T")

Volumes = Mapping[ExportWindow, int]
"""How many recordings the ledger remembers of windows."""


class DayStatus(StrEnum):
    """How a day stands. ``NEVER``: the ledger knows of no window of it."""

    ARCHIVED = "archived"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    NEVER = "never exported"


@dataclass(frozen=True)
class Day:
    """A calendar day of one selection.

    :param window: the whole day.
    :param windows: how many windows it was cut into; those that were split count as what they were split into.
    :param archived: how many of them are archived.
    :param recordings: how many recordings the archived ones are remembered to hold.
    :param checked_at: since when, epoch seconds, all of the archived ones have been counted again; None: some never.
    """

    window: ExportWindow
    status: DayStatus
    windows: int = 0
    archived: int = 0
    recordings: int = 0
    checked_at: float | None = None


@dataclass(frozen=True)
class Gap:
    """Consecutive days that are not archived."""

    days: tuple[Day, ...]

    @property
    def was_tried(self) -> bool:
        """Whether some of its days were exported before, so that Airflow has runs of them."""
        return any(day.status is not DayStatus.NEVER for day in self.days)


@dataclass(frozen=True)
class Coverage:
    """The days of one selection: what is exported of an organisation, in a format, by filters.

    :param asked: any one of the selection's requests.
    :param destinations: where its windows were archived.
    """

    asked: ExportRequest
    destinations: tuple[str, ...]
    days: tuple[Day, ...]


def coverages(
    standings: Iterable[Standing], volumes: Callable[[str], Volumes], days: Sequence[ExportWindow]
) -> list[Coverage]:
    """How the days stand, for each selection that the standings are of, by its name.

    Exports of somebody's own, which the guardrail keeps in the same ledger, are none of these.

    :param standings: of the windows that start within the days, by window.
    :param volumes: what the ledger remembers of a selection, by its key.
    :param days: consecutive calendar days.
    """
    by_selection: defaultdict[tuple[str, ...], list[Standing]] = defaultdict(list)
    for standing in standings:
        if not standing.request.media_format.startswith(OWN):
            by_selection[_name(standing.request)].append(standing)
    return [_coverage(by_selection[name], volumes, days) for name in sorted(by_selection)]


def gaps(days: Iterable[Day]) -> list[Gap]:
    """The gaps among consecutive days."""
    runs = groupby(days, key=lambda day: day.status is DayStatus.ARCHIVED)
    return [Gap(tuple(run)) for is_archived, run in runs if not is_archived]


def _coverage(
    standings: Sequence[Standing], volumes: Callable[[str], Volumes], days: Sequence[ExportWindow]
) -> Coverage:
    asked = standings[0].request
    remembered = volumes(asked.selection_key)
    by_day = _by_day(((standing.request.window, standing) for standing in standings), days)
    empty = _by_day(((window, window) for window, recordings in remembered.items() if not recordings), days)
    return Coverage(
        asked=asked,
        destinations=tuple(sorted({place for standing in standings for place in standing.destinations})),
        days=tuple(_day(day, by_day[n], empty[n], remembered) for n, day in enumerate(days)),
    )


def _day(day: ExportWindow, standings: Sequence[Standing], empty: Sequence[ExportWindow], volumes: Volumes) -> Day:
    """
    :param empty: where nothing was recorded, and planning therefore made no window.
    """
    leaves = [standing for standing in standings if standing.state is not RequestState.SPLIT]
    archived = [leaf for leaf in leaves if leaf.state is RequestState.ARCHIVED]
    lacking = list(_uncovered(day, sorted([*(leaf.request.window for leaf in archived), *empty])))
    failed = [leaf.request.window for leaf in leaves if leaf.state is RequestState.FAILED]
    if not lacking:
        status = DayStatus.ARCHIVED
    elif any(window.start < end and start < window.end for window in failed for start, end in lacking):
        status = DayStatus.FAILED
    else:
        status = DayStatus.INCOMPLETE if standings else DayStatus.NEVER
    checks = [leaf.checked_at for leaf in archived]
    return Day(
        window=day,
        status=status,
        windows=len(leaves),
        archived=len(archived),
        recordings=sum(volumes.get(leaf.request.window, 0) for leaf in archived),
        checked_at=min((check for check in checks if check is not None), default=None) if None not in checks else None,
    )


def _uncovered(day: ExportWindow, windows: Iterable[ExportWindow]) -> Iterator[tuple[datetime, datetime]]:
    """The pieces of the day that none of these windows, by their start, covers."""
    begun = day.start
    for window in windows:
        if window.start > begun:
            yield begun, min(window.start, day.end)
        begun = max(begun, window.end)
        if begun >= day.end:
            return
    yield begun, day.end


def _by_day(windows: Iterable[tuple[ExportWindow, T]], days: Sequence[ExportWindow]) -> list[list[T]]:
    """What belongs to windows, by the number of each day that the window is of, if only in part."""
    found: list[list[T]] = [[] for _ in days]
    starts = [day.start for day in days]
    for window, what in windows:
        number = max(0, bisect_right(starts, window.start) - 1)
        while number < len(days) and days[number].start < window.end:
            if days[number].end > window.start:
                found[number].append(what)
            number += 1
    return found


def _name(request: ExportRequest) -> tuple[str, ...]:
    filters = json.dumps(dict(request.filters), sort_keys=True) if request.filters else ""
    return (str(request.organisation), request.media_format, " ".join(request.media), filters)
