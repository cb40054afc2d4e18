# SPDX-License-Identifier: Apache-2.0
"""A long range exported in simulated time: the coordinator against the simulator over a socket, one clock for both.

Only bytes are left out: the archive takes every recording for stored. Planning, submission, polls, budgets and
retrieval are the real ones; the ledger is the tests' model of one. Each window has a thread, and time goes on when all
of them sleep.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from heapq import heappop, heappush
from itertools import count
from typing import Any

from airflow_provider_genesys.api.client import ClientSettings, GenesysClient
from airflow_provider_genesys.api.guide import GuideApi
from airflow_provider_genesys.api.hosts import resolve_hosts
from airflow_provider_genesys.export.coordinator import Coordinator, Pace
from airflow_provider_genesys.export.errors import ExportError, ExportFailed
from airflow_provider_genesys.export.estimate import Limits
from airflow_provider_genesys.export.following import AHEAD, Wait
from airflow_provider_genesys.export.leases import Held
from airflow_provider_genesys.export.model import (
    ExportRequest,
    ExportWindow,
    Manifest,
    Organisation,
    Receipt,
    ReceiptLine,
    Recording,
    StoredObject,
    Version,
)
from airflow_provider_genesys.export.planning import calendar_days
from airflow_provider_genesys.simulator import Simulator, Universe
from tests.ledger.memory import MemoryLedger

HOST, CLIENT = "simulated", "demo"


class VirtualTime:
    """Epoch seconds that stand still until every thread that takes part sleeps."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._awake = 0
        self._sleepers: list[tuple[float, int, threading.Event]] = []
        self._numbers = count()
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self._now

    @contextmanager
    def taking_part(self) -> Iterator[None]:
        """What is done within happens at once, but for its sleep. Whoever starts a thread calls :meth:`expect`."""
        try:
            yield
        finally:
            with self._lock:
                self._awake -= 1
                self._go_on()

    def expect(self, threads: int = 1) -> None:
        """Threads that are about to take part: time stands still until they have."""
        with self._lock:
            self._awake += threads

    def sleep(self, seconds: float) -> None:
        woken = threading.Event()
        with self._lock:
            heappush(self._sleepers, (self._now + max(seconds, 0.0), next(self._numbers), woken))
            self._awake -= 1
            self._go_on()
        woken.wait()

    def _go_on(self) -> None:
        """Wake who is next where nobody is awake; one at a time, which keeps runs alike."""
        if self._awake == 0 and self._sleepers:
            self._now, _, woken = heappop(self._sleepers)
            self._awake += 1
            woken.set()


class NoBytes:
    """An archive that takes every recording for stored, and keeps counts alone."""

    destination = "file:///nowhere"
    can_index = False

    def __init__(self) -> None:
        self.archived = 0

    def receipt(self, window: ExportWindow) -> Receipt | None:
        return None

    def lines(self, window: ExportWindow) -> Iterator[ReceiptLine] | None:
        return None

    def receipt_and_version(self, window: ExportWindow) -> tuple[Receipt | None, Version | None]:
        return None, None

    def put_receipt(
        self, window: ExportWindow, receipt: Iterable[ReceiptLine], replaces: Version | None
    ) -> Version | None:
        return Version("the only one")

    def fetch_manifest(self, job_id: str, url: str) -> Manifest:
        return Manifest(job_id, None)

    def put_manifest(self, job_id: str, document: Mapping[str, Any]) -> Manifest:
        return Manifest(job_id, None)

    def manifest(self, job_id: str) -> Manifest | None:
        return None

    def fetch(
        self,
        recordings: Sequence[Recording],
        window: ExportWindow,
        media_format: str,
        *,
        overwrite: bool,
        proceed: Callable[[], None],
        resumed: bool = False,
    ) -> Generator[tuple[Recording, StoredObject | ExportError], None, None]:
        for recording in recordings:
            yield recording, StoredObject(recording.recording_id, 0)
        self.archived += len(recordings)  # one thread at a time is awake

    def put_report(self, interval: ExportWindow, report: Mapping[str, Any]) -> str:
        return ""

    def put_index(self, interval: ExportWindow, lines: Iterable[tuple[ExportRequest, ReceiptLine]]) -> str:
        return ""

    def delivered(self, conversations: Mapping[str, float]) -> Iterator[Recording]:
        return iter(())

    def verify(self, lines: Collection[ReceiptLine]) -> Iterator[tuple[ReceiptLine, str]]:
        return iter(())


@dataclass(frozen=True)
class Course:
    """What an export really took.

    :param requests: of all routes of the API, as the simulator counted them.
    :param seconds: of simulated time.
    :param rate_limited: answers with status 429.
    """

    windows: int
    jobs: int
    requests: int
    polls: int
    recordings: int
    seconds: float
    rate_limited: int


@dataclass
class Export:
    """The runs of a range, so many side by side, each with all of its windows at once as Airflow has them."""

    interval: ExportWindow
    limits: Limits
    time: VirtualTime
    ledger: MemoryLedger
    url: str
    archive: NoBytes = field(default_factory=NoBytes)
    windows: int = 0
    organisation: Organisation = field(default_factory=lambda: Organisation(HOST, CLIENT))

    def run(self) -> None:
        """Export the range.

        :raises ExportError: what ended a window.
        """
        days = iter(list(calendar_days(self.interval, UTC)))
        lock = threading.Lock()

        def lane() -> None:
            with self.time.taking_part():
                while True:
                    with lock:
                        day = next(days, None)
                    if day is None:
                        return
                    self._run_day(day)

        lanes = self.limits.runs_at_a_time
        self.time.expect(lanes)
        with ThreadPoolExecutor(lanes) as threads:
            for done in [threads.submit(lane) for _ in range(lanes)]:
                done.result()

    def _run_day(self, day: ExportWindow) -> None:
        planner = self._coordinator(f"{day}")
        selection = planner.request(day, "mp3")
        windows = planner.plan(selection, UTC, self.limits.max_recordings_per_job)
        self.windows += len(windows)
        if not windows:
            return
        self.time.expect(len(windows))
        with ThreadPoolExecutor(len(windows)) as threads:
            running = [threads.submit(self._run_window, day, number, each) for number, each in enumerate(windows)]
            while not all(one.done() for one in running):
                self.time.sleep(1.0)
            for one in running:
                one.result()

    def _run_window(self, day: ExportWindow, number: int, window: ExportWindow) -> None:
        with self.time.taking_part():
            working = self._coordinator(f"{day}[{number}]")
            job_ids = working.submit(working.request(window, "mp3"))
            if isinstance(job_ids, Held):
                raise ExportFailed(f"window {window} is held by {job_ids.by}, who should not be there")
            while (progress := working.follow(job_ids, ahead=AHEAD)).wait is not Wait.COMPLETED:
                if progress.wait is Wait.ATTENTION:
                    raise ExportFailed(f"a job of window {window} ended badly, which none should")
                self.time.sleep(progress.seconds)
            working.retrieve(job_ids)

    def _coordinator(self, owner: str) -> Coordinator:
        limits = self.limits

        def reserve() -> None:
            reserved = self.ledger.reserve(str(self.organisation), "requests", limits.requests_per_minute, within=1e9)
            self.time.sleep(reserved.wait)

        settings = ClientSettings(resolve_hosts(self.url, None), CLIENT, CLIENT)
        api = GuideApi(GenesysClient(settings, before_request=reserve, sleep=self.time.sleep))
        pace = Pace(
            poll_interval=limits.poll_interval,
            max_poll_interval=limits.max_poll_interval,
            polls_per_minute=limits.polls_per_minute,
        )
        return Coordinator(self.organisation, api, self.ledger, owner, pace, self.archive, self.time, self.time.sleep)


def exported(
    interval: ExportWindow, universe: Universe, limits: Limits, history: Sequence[tuple[int, float]] = ()
) -> Course:
    """Export a range in simulated time.

    :param history: durations that the ledger remembers before.
    """
    time = VirtualTime(interval.end.timestamp() + 86_400)
    ledger = MemoryLedger(time)
    for recordings, seconds in history:
        ledger.record_duration(str(Organisation(HOST, CLIENT)), recordings, seconds)
    with Simulator(universe, clock=time) as simulator:
        export = Export(interval, limits, time, ledger, simulator.url)
        began = time()
        export.run()
        stats = simulator.stats
    asked = {route: stats.requests[route] for route in ("volume", "submit", "poll")}
    return Course(
        windows=export.windows,
        jobs=stats.jobs,
        requests=sum(asked.values()),
        polls=asked["poll"],
        recordings=export.archive.archived,
        seconds=time() - began,
        rate_limited=stats.rate_limited,
    )
