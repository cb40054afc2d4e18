# SPDX-License-Identifier: Apache-2.0
"""A long range exported in simulated time: the coordinator against the simulator over a socket, one clock for both.

Only bytes are left out: the archive takes every recording for stored. Planning, submission, polls, budgets and
retrieval are the real ones, and so is the ledger, in SQLite. Each window has a thread, and time goes on when all of
them sleep.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC
from functools import partial
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any, TypeVar, cast

from airflow_provider_genesys.api.batch import BatchApi
from airflow_provider_genesys.api.bulk import BulkApi
from airflow_provider_genesys.api.client import ClientSettings, GenesysClient
from airflow_provider_genesys.api.guide import GuideApi
from airflow_provider_genesys.api.hosts import resolve_hosts
from airflow_provider_genesys.export.coordinator import Coordinator
from airflow_provider_genesys.export.errors import ExportError, ExportFailed, NotYet
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
from airflow_provider_genesys.export.pace import Pace
from airflow_provider_genesys.export.planning import calendar_days
from airflow_provider_genesys.export.ports import ExportApi, Ledger
from airflow_provider_genesys.ledger.engines import ledger_engine
from airflow_provider_genesys.ledger.sql import SqlLedger
from airflow_provider_genesys.simulator import Simulator, Universe
from airflow_provider_genesys.simulator.conversations import Conversations

HOST, CLIENT = "simulated", "demo"
NOT_OF_THE_API = ("token", "manifest", "recording")
POLLS = ("poll", "batch_poll", "bulk_poll")


T = TypeVar("T")


class VirtualTime:
    """Epoch seconds that stand still until every thread that takes part sleeps: at first whoever made it."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._awake = 1
        self._sleepers: list[tuple[float, int, threading.Event]] = []
        self._numbers = count()
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self._now

    def together(self, works: Sequence[Callable[[], None]]) -> None:
        """Do all of this side by side, and go on at the moment at which the last of it is done.

        The last one's turn becomes that of who waits: no time passes in between, however busy the machine is.
        """
        left, done = len(works), threading.Event()

        def part(work: Callable[[], None]) -> None:
            nonlocal left
            try:
                self.sleep(0.0)  # so that they begin one after the other
                work()
            finally:
                with self._lock:
                    left -= 1
                    if left:
                        self._awake -= 1
                        self._go_on()
                    else:
                        done.set()

        with self._lock:
            self._awake += len(works) - 1
        with ThreadPoolExecutor(len(works)) as threads:
            parts = [threads.submit(part, work) for work in works]
            done.wait()
            for one in parts:
                one.result()

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


APIS: dict[str, Callable[[GenesysClient, VirtualTime], ExportApi]] = {
    "guide": lambda client, time: GuideApi(client),
    "batch": lambda client, time: BatchApi(client, clock=time, sleep=time.sleep),
    "bulk": lambda client, time: BulkApi(client, Universe().integration, clock=time, sleep=time.sleep),
}


class NoBytes:
    """An archive that takes every recording for stored, and keeps counts alone."""

    destination = "file:///nowhere"
    can_index = False

    def __init__(self, universe: Universe) -> None:
        self.archived = 0
        self._conversations = Conversations(universe)

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
        for conversation in filter(None, map(self._conversations.find, conversations)):
            for one in conversation.recordings:
                if one.media != "screen":
                    stored = StoredObject(one.recording_id, 0)
                    yield Recording(one.recording_id, None, conversation_id=conversation.conversation_id, stored=stored)

    def verify(self, lines: Collection[ReceiptLine]) -> Iterator[tuple[ReceiptLine, str]]:
        return iter(())


class Metered:
    """A ledger, with what its operations were and the CPU seconds that they took."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.calls: Counter[str] = Counter()
        self.cpu = 0.0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = getattr(self._ledger, name)

        def metered(*args: Any, **kwargs: Any) -> Any:
            began = time.thread_time()
            try:
                return operation(*args, **kwargs)
            finally:  # one thread at a time is awake
                self.calls[name] += 1
                self.cpu += time.thread_time() - began

        return metered


@dataclass(frozen=True)
class LedgerLoad:
    """What an export asks of its ledger.

    :param calls: operations, each a transaction.
    :param cpu: seconds that they took in this process, SQLite's own included.
    :param bytes: of the database at the end.
    """

    calls: int
    cpu: float
    bytes: int


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
    ledger: LedgerLoad


@dataclass
class Export:
    """The runs of a range, so many side by side, each with all of its windows at once as Airflow has them.

    :param speak: makes the API that is spoken.
    """

    interval: ExportWindow
    media_format: str
    limits: Limits
    time: VirtualTime
    ledger: Ledger
    url: str
    archive: NoBytes
    speak: Callable[[GenesysClient, VirtualTime], ExportApi]
    windows: int = 0
    jobs: int = 0
    organisation: Organisation = field(default_factory=lambda: Organisation(HOST, CLIENT))

    def run(self) -> None:
        """Export the range.

        :raises ExportError: what ended a window.
        """
        days = iter(list(calendar_days(self.interval, UTC)))  # one thread at a time is awake

        def lane() -> None:
            for day in days:
                self._run_day(day)

        self.time.together([lane] * self.limits.runs_at_a_time)

    def _run_day(self, day: ExportWindow) -> None:
        planner = self._coordinator(f"{day}")
        selection = planner.request(day, self.media_format)
        windows = planner.plan(selection, UTC, self.limits.max_recordings_per_job)
        self.windows += len(windows)
        if windows:
            self.time.together([partial(self._run_window, day, number, each) for number, each in enumerate(windows)])

    def _run_window(self, day: ExportWindow, number: int, window: ExportWindow) -> None:
        owner = f"{day}[{number}]"
        job_ids = self._patiently(owner, lambda task: task.submit(task.request(window, self.media_format)))
        if isinstance(job_ids, Held):
            raise ExportFailed(f"window {window} is held by {job_ids.by}, who should not be there")
        self.jobs += len(job_ids)
        self._coordinator(owner).follow(job_ids)
        trigger = self._coordinator(owner)
        while (progress := trigger.follow(job_ids, ahead=AHEAD)).wait is not Wait.COMPLETED:
            if progress.wait is Wait.ATTENTION:
                raise ExportFailed(f"a job of window {window} ended badly, which none should")
            self.time.sleep(progress.seconds)
        self._patiently(owner, lambda task: task.retrieve(job_ids))

    def _patiently(self, owner: str, step: Callable[[Coordinator], T]) -> T:
        """A step, each try by a coordinator of its own as tasks have them; deferred where something comes first."""
        while True:
            try:
                return step(self._coordinator(owner))
            except NotYet as error:
                self.time.sleep(max(error.retry_after or 0.0, self.limits.max_poll_interval))

    def _coordinator(self, owner: str) -> Coordinator:
        limits = self.limits

        def reserve() -> None:
            reserved = self.ledger.reserve(str(self.organisation), "requests", limits.requests_per_minute, within=1e9)
            self.time.sleep(reserved.wait)

        settings = ClientSettings(resolve_hosts(self.url, None), CLIENT, CLIENT)
        api = self.speak(GenesysClient(settings, before_request=reserve, sleep=self.time.sleep), self.time)
        pace = Pace(
            poll_interval=limits.poll_interval,
            max_poll_interval=limits.max_poll_interval,
            polls_per_minute=limits.polls_per_minute,
        )
        return Coordinator(self.organisation, api, self.ledger, owner, pace, self.archive, self.time, self.time.sleep)


def exported(
    interval: ExportWindow,
    universe: Universe,
    limits: Limits,
    history: Sequence[tuple[int, float]] = (),
    export_api: str = "guide",
    media_format: str = "mp3",
    now: float | None = None,
) -> Course:
    """Export a range in simulated time.

    :param history: durations that the ledger remembers before.
    :param now: when it begins, epoch seconds; a day after the range's end without.
    """
    clock = VirtualTime(interval.end.timestamp() + 86_400 if now is None else now)
    with tempfile.TemporaryDirectory(prefix="genesys-year-") as directory, ExitStack() as stack:
        simulator = stack.enter_context(Simulator(universe, clock=clock))
        file = Path(directory) / "ledger.db"
        engine = ledger_engine(f"sqlite:///{file}")
        ledger = SqlLedger(engine, clock=clock)
        kept = stack.enter_context(engine.connect())
        with (
            kept.begin()
        ):  # it stays open, as others have theirs: whoever closes the last one tidies up, which takes time
            kept.exec_driver_sql("SELECT 1 FROM sqlite_master")
        for recordings, seconds in history:
            ledger.record_duration(str(Organisation(HOST, CLIENT)), recordings, seconds)
        metered = Metered(ledger)
        export = Export(
            interval,
            media_format,
            limits,
            clock,
            cast(Ledger, metered),
            simulator.url,
            NoBytes(universe),
            APIS[export_api],
        )
        began = clock()
        export.run()
        stats, size = simulator.stats, file.stat().st_size
    asked = stats.requests
    return Course(
        windows=export.windows,
        jobs=export.jobs,
        requests=asked.total() - sum(asked[route] for route in NOT_OF_THE_API),
        polls=sum(asked[route] for route in POLLS),
        recordings=export.archive.archived,
        seconds=clock() - began,
        rate_limited=stats.rate_limited,
        ledger=LedgerLoad(metered.calls.total(), metered.cpu, size),
    )
