# SPDX-License-Identifier: Apache-2.0
"""What a range will take before anything of it is submitted: windows, jobs, requests, bytes and hours.

Arithmetic alone. Days are cut as planning cuts them, and polls come when polling and the rate budgets say: it is the
course of the export itself, with calls that are spread evenly and jobs that take what jobs took before.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from heapq import heappop, heappush
from itertools import count
from statistics import median

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus
from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import SPAN, ExportWindow
from airflow_provider_genesys.export.planning import cut_day
from airflow_provider_genesys.export.polling import (
    DURATIONS_KEPT,
    ENOUGH,
    durations_of_size,
    estimated_duration,
    next_poll_at,
)


@dataclass(frozen=True)
class Limits:
    """What bounds an export.

    :param runs_at_a_time: days that are exported side by side: the DAG's ``max_active_runs``.
    :param poll_interval: seconds before a job's first poll, and the least between two.
    :param max_poll_interval: the most seconds between two polls of a job.
    :raises InvalidInput: for a bound below 1.
    """

    requests_per_minute: int = 300
    polls_per_minute: int = 20
    max_recordings_per_job: int = 5000
    runs_at_a_time: int = 2
    poll_interval: float = 15.0
    max_poll_interval: float = 180.0

    def __post_init__(self) -> None:
        bounds = (self.requests_per_minute, self.polls_per_minute, self.max_recordings_per_job, self.runs_at_a_time)
        if min(bounds) < 1:
            raise InvalidInput("requests, polls, recordings per job and runs at a time must be at least 1")


@dataclass(frozen=True)
class Assumptions:
    """What nobody knows before.

    :param seconds_per_recording: of a job, where no job of its size is remembered.
    :param bytes_per_recording: its mean size.
    :param bytes_per_second: what all transfers move together.
    :param busy_hours: the day's calls are spread evenly over so many hours in its middle.
    :param history: ``(recordings, seconds)`` of completed jobs, newest first, as the ledger remembers them.
    """

    seconds_per_recording: float = 0.06
    bytes_per_recording: float = 1_000_000.0
    bytes_per_second: float = 50_000_000.0
    busy_hours: float = 24.0
    history: Sequence[tuple[int, float]] = ()

    def __post_init__(self) -> None:
        if not 0 < self.busy_hours <= 24:
            raise InvalidInput(f"busy hours must be above 0 and at most 24, not {self.busy_hours:g}")
        if min(self.seconds_per_recording, self.bytes_per_recording) < 0 or self.bytes_per_second <= 0:
            raise InvalidInput("seconds and bytes per recording must not be below 0, bytes per second must be above it")

    def job_seconds(self, recordings: int) -> float:
        """What a job of a size is likely to take: what such jobs took, else so much for each recording."""
        similar = durations_of_size(self.history, recordings)
        return median(similar) if similar else self.learned_seconds_per_recording * recordings

    @property
    def is_learned(self) -> bool:
        """Whether enough jobs are remembered."""
        return len([size for size, _ in self.history if size]) >= ENOUGH

    @property
    def learned_seconds_per_recording(self) -> float:
        """That of the remembered jobs where there are enough of them."""
        if not self.is_learned:
            return self.seconds_per_recording
        return median(seconds / size for size, seconds in self.history if size)


@dataclass(frozen=True)
class Window:
    """A window that a day is likely to be cut into."""

    window: ExportWindow
    recordings: int

    def jobs(self, lot: int | None) -> list[int]:
        """The sizes of its jobs."""
        if lot is None:
            return [self.recordings]
        return [min(lot, self.recordings - start) for start in range(0, self.recordings, lot)]


@dataclass(frozen=True)
class Day:
    """A day as it is likely to be planned.

    :param day: the whole of it.
    :param volumes: how often planning asks for a volume.
    """

    day: Window
    windows: tuple[Window, ...]
    volumes: int


@dataclass(frozen=True)
class Costs:
    """What an export by one of the APIs asks of the platform: requests.

    :param lot: recordings, or conversations, of one job; None where a job takes a whole window.
    :param submission: of a job.
    :param start: of a job that is told to begin once a poll finds that it has counted; 0 where it begins by itself.
        What it takes counts from there.
    :param poll: of one poll; None: one for each conversation of the job.
    :param retrieval: of a completed job, beside the poll that gives its URLs.
    :param planning: of a day.
    :param window: of a window of a day, beside those of its jobs.
    :param jobs_at_a_time: that an organisation may have under way; None where there is no bound.
    :param waiting: of a window for whose job there is no room, each time that it looks.
    """

    lot: int | None = None
    submission: int = 1
    start: int = 0
    poll: int | None = 1
    retrieval: int = 0
    planning: Callable[[Day], int] = lambda day: day.volumes
    window: Callable[[Day, Window], int] = lambda day, window: 0
    jobs_at_a_time: int | None = None
    waiting: int = 0

    def of_poll(self, recordings: int) -> int:
        """The requests of one poll of a job of a size."""
        return max(1, recordings) if self.poll is None else self.poll


@dataclass(frozen=True)
class Estimate:
    """What a range takes.

    :param requests: all of the API's, polls included.
    :param seconds: from the first request to the last recording, without Airflow's own time.
    :param transfer_seconds: that moving the bytes takes by itself, whatever else goes on.
    """

    days: int
    recordings: int
    windows: int
    jobs: int
    requests: int
    polls: int
    bytes: int
    seconds: float
    transfer_seconds: float


def cut(day: ExportWindow, recordings: int, limit: int, busy_hours: float) -> Day:
    """Cut a day as planning would whose calls are spread evenly over its busy hours."""
    asked = 0

    def volume(window: ExportWindow) -> int:
        nonlocal asked
        asked += 1
        return _share(day, window, recordings, busy_hours)

    windows = cut_day(day, volume, limit)
    parts = tuple(Window(each, _share(day, each, recordings, busy_hours)) for each in windows)
    return Day(Window(day, recordings), parts, asked)


def _share(day: ExportWindow, window: ExportWindow, recordings: int, busy_hours: float) -> int:
    """The recordings of a part of a day; those of its parts add up to the day's."""
    busy = day.length * (busy_hours / 24)
    begin = day.start + (day.length - busy) / 2

    def before(time: timedelta) -> int:
        return int(recordings * min(max(time / busy, 0.0), 1.0) + 1e-6)

    return before(window.end - begin) - before(window.start - begin)


def estimate(
    days: Iterable[tuple[ExportWindow, int]], limits: Limits, assumptions: Assumptions, costs: Costs
) -> Estimate:
    """What an export of days takes.

    :param days: in their order, each with its recordings.
    """
    counted = list(days)
    planned = [
        cut(day, recordings, limits.max_recordings_per_job, assumptions.busy_hours) for day, recordings in counted
    ]
    recordings = sum(recordings for _, recordings in counted)
    course = _Course(limits, assumptions, costs, iter(planned))
    course.run()
    moved = recordings * assumptions.bytes_per_recording
    transfer = moved / assumptions.bytes_per_second
    return Estimate(
        days=len(counted),
        recordings=recordings,
        windows=sum(len(day.windows) for day in planned),
        jobs=course.jobs,
        requests=course.requests,
        polls=course.polls,
        bytes=round(moved),
        seconds=max(course.ended, transfer),
        transfer_seconds=transfer,
    )


class _Budget:
    """Calls of a rate budget, none earlier than the one before."""

    def __init__(self, per_minute: int) -> None:
        self._slots: deque[float] = deque(maxlen=per_minute)

    def slot(self, at: float, calls: int = 1) -> float:
        """When the last of so many calls may be made that are wanted at a time."""
        for _ in range(calls):
            is_full = len(self._slots) == self._slots.maxlen
            at = max(at, self._slots[0] + SPAN) if is_full else at
            self._slots.append(at)
        return at


@dataclass
class _Job:
    run: int
    recordings: int
    seconds: float
    attempt: Attempt
    usual: tuple[float, ...]
    ends_at: float | None


@dataclass
class _Course:
    """The export, event by event: times are seconds from its begin."""

    limits: Limits
    assumptions: Assumptions
    costs: Costs
    planned: Iterator[Day]
    jobs: int = 0
    requests: int = 0
    polls: int = 0
    ended: float = 0.0
    _events: list[tuple[float, int, _Job, bool]] = field(default_factory=list)
    _waiting: deque[tuple[int, int, float]] = field(default_factory=deque)
    _open: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = count()
        self._asking = _Budget(self.limits.requests_per_minute)
        self._polling = _Budget(self.limits.polls_per_minute)
        self._under_way = 0
        self._history = deque(reversed(self.assumptions.history), maxlen=DURATIONS_KEPT)

    def run(self) -> None:
        for _ in range(self.limits.runs_at_a_time):
            self._begin_run(0.0)
        while self._events:
            at, _, job, has_turn = heappop(self._events)
            if has_turn:
                self._poll(job, at)
            else:
                self._await_turn(job, at)

    def _begin_run(self, at: float) -> None:
        """Plan the next day that has windows, and submit its jobs."""
        for day in self.planned:
            run = next(self._numbers)
            beside = sum(self.costs.window(day, window) for window in day.windows)
            at = self._ask(self.costs.planning(day) + beside, at)
            sizes = [size for window in day.windows for size in window.jobs(self.costs.lot)]
            if sizes:
                self._open[run] = len(sizes)
                self._waiting += [(run, size, at) for size in sizes]
                self._submit(at)
                return

    def _submit(self, at: float) -> None:
        """Make what jobs there is room for. Who has to wait for that looks again now and then, and finds it so."""
        most = self.costs.jobs_at_a_time
        while self._waiting and (most is None or self._under_way < most):
            run, size, since = self._waiting.popleft()
            looks = 0 if most is None else math.ceil((at - since) / self.limits.max_poll_interval)
            found = max(at, since + looks * self.limits.max_poll_interval)
            at = self._ask(self.costs.submission + looks * self.costs.waiting, found)
            self.jobs += 1
            self._under_way += 1
            seconds = self.assumptions.job_seconds(size)
            attempt = Attempt(0, 0, AttemptStatus.SUBMITTED, f"estimate-{self.jobs}", submitted_at=at)
            usual = durations_of_size(self._history, size)
            self._due(_Job(run, size, seconds, attempt, usual, None if self.costs.start else at + seconds))

    def _due(self, job: _Job) -> None:
        due = next_poll_at(job.attempt, self.limits.poll_interval, self.limits.max_poll_interval, job.usual)
        heappush(self._events, (due, next(self._numbers), job, False))

    def _await_turn(self, job: _Job, at: float) -> None:
        heappush(self._events, (self._polling.slot(at), next(self._numbers), job, True))

    def _poll(self, job: _Job, at: float) -> None:
        at = self._ask(self.costs.of_poll(job.recordings), at)
        self.polls += 1
        if job.ends_at is not None and job.ends_at <= at:
            self._retrieve(job, at)
            return
        job.attempt = replace(job.attempt, polls=job.attempt.polls + 1, polled_at=at)
        if job.ends_at is None:
            job.ends_at = self._ask(self.costs.start, at) + job.seconds
        self._due(job)

    def _retrieve(self, job: _Job, at: float) -> None:
        """Ask for its URLs afresh, one poll more."""
        self._under_way -= 1
        self._history.append((job.recordings, estimated_duration(job.attempt, at)))
        at = self._ask(self.costs.retrieval + self.costs.of_poll(job.recordings), self._polling.slot(at))
        self.polls += 1
        self.ended = max(self.ended, at)
        self._open[job.run] -= 1
        if self._open[job.run] == 0:
            del self._open[job.run]
            self._begin_run(at)
        self._submit(at)

    def _ask(self, calls: int, at: float) -> float:
        self.requests += calls
        return self._asking.slot(at, calls)
