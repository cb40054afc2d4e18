# SPDX-License-Identifier: Apache-2.0
"""Finding conversations: by arithmetic where shapes are enough to tell, else by one look at each."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import overload

from airflow_provider_genesys.simulator.conversations import (
    LONGEST_MS,
    PERIOD,
    Conversation,
    Conversations,
    shape_of,
)
from airflow_provider_genesys.simulator.platform.filters import Filter
from airflow_provider_genesys.simulator.universe import MS_PER_DAY

Place = tuple[int, int]
_KEPT = 64


EVERYTHING = Filter(key="", by_shape=True, test=lambda shape, conversation: True)


class Repeating(Sequence[int]):
    """Ascending positions of which the first so many repeat to the end.

    :param first: those within the first period.
    :param total: where the positions end.
    """

    def __init__(self, first: Sequence[int], total: int) -> None:
        self._first = first
        periods, rest = divmod(total, PERIOD)
        self._length = periods * len(first) + bisect_left(first, rest)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, number: int) -> int: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[int]: ...
    def __getitem__(self, number: int | slice) -> int | Sequence[int]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        if not 0 <= number < self._length:
            raise IndexError(number)
        period, place = divmod(number, len(self._first))
        return period * PERIOD + self._first[place]


@dataclass(frozen=True)
class Found:
    """Conversations in order of start: spans of each day's wanted positions.

    :param spans: ``(day, wanted positions of the day, first, last + 1)``.
    """

    spans: tuple[tuple[int, Sequence[int], int, int], ...]

    def __len__(self) -> int:
        return sum(stop - start for _, _, start, stop in self.spans)

    def places(self, start: int, stop: int, descending: bool = False) -> Iterator[Place]:
        """``(day, position)`` from the ``start``-th to before the ``stop``-th, made one by one."""
        stop = min(stop, len(self))
        for number in range(start, stop):
            yield self._place(len(self) - 1 - number if descending else number)

    def _place(self, number: int) -> Place:
        for day, positions, start, stop in self.spans:
            if number < stop - start:
                return day, positions[start + number]
            number -= stop - start
        raise IndexError(number)


class Search:
    """Looks for conversations, and remembers for a while what it took looks at each to find.

    :param conversations: where to look.
    """

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations
        self._known: dict[tuple[str, frozenset[int], int], Sequence[int]] = {}

    def on_days(self, start_ms: int, end_ms: int, wanted: Filter, hidden: frozenset[int]) -> Found:
        """Those that start on a UTC day that ``[start_ms, end_ms)`` touches.

        :param hidden: divisions, as in :data:`..conversations.DIVISIONS`, that the caller does not see.
        """
        days = range(start_ms // MS_PER_DAY, -(-end_ms // MS_PER_DAY))
        found = ((day, self._positions(day, wanted, hidden)) for day in days)
        return Found(tuple((day, positions, 0, len(positions)) for day, positions in found))

    def active(self, start_ms: int, end_ms: int, wanted: Filter, hidden: frozenset[int]) -> Found:
        """Those that have any activity in ``[start_ms, end_ms)``, perhaps started before it."""
        begun = self.started(start_ms - LONGEST_MS, start_ms, wanted, hidden)
        still = (place for place in begun.places(0, len(begun)) if self._conversations.at(*place).end_ms > start_ms)
        tails = ((day, [position for _, position in places]) for day, places in groupby(still, key=itemgetter(0)))
        spans = tuple((day, positions, 0, len(positions)) for day, positions in tails)
        return Found((*spans, *self.started(start_ms, end_ms, wanted, hidden).spans))

    def started(self, start_ms: int, end_ms: int, wanted: Filter, hidden: frozenset[int]) -> Found:
        """Those that start in ``[start_ms, end_ms)``."""
        spans = []
        for day in range(start_ms // MS_PER_DAY, -(-end_ms // MS_PER_DAY)):
            positions = self._positions(day, wanted, hidden)
            first = self._cut(positions, max(start_ms, day * MS_PER_DAY))
            last = self._cut(positions, end_ms) if end_ms < (day + 1) * MS_PER_DAY else len(positions)
            spans.append((day, positions, first, max(first, last)))
        return Found(tuple(spans))

    def conversations(self, places: Iterator[Place]) -> Iterator[Conversation]:
        """The conversations at places, made one by one."""
        return (self._conversations.at(*place) for place in places)

    def _cut(self, positions: Sequence[int], ms: int) -> int:
        return bisect_left(positions, self._conversations.before(ms)[1])

    def _positions(self, day: int, wanted: Filter, hidden: frozenset[int]) -> Sequence[int]:
        """A day's wanted positions."""
        key = (wanted.key, hidden, day)
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = self._look(day, wanted, hidden)
        return self._known[key]

    def _look(self, day: int, wanted: Filter, hidden: frozenset[int]) -> Sequence[int]:
        total = self._conversations.count(day)
        shapes = [shape_of(day, position) for position in range(PERIOD)]
        seen = [position for position, shape in enumerate(shapes) if shape.divisions - hidden]
        if wanted.by_shape:
            return Repeating([position for position in seen if wanted.test(shapes[position], None)], total)
        found = array("L")
        for position in Repeating(seen, total):
            conversation = self._conversations.at(day, position)
            if wanted.test(conversation.shape, conversation):
                found.append(position)
        return found
