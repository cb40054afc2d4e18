# SPDX-License-Identifier: Apache-2.0
"""A DAG run in a process of its own, without Airflow: quick to start, easy to kill at any moment.

It takes the steps of the DAG with the real client, ledger and archive, each step with a coordinator of its own, as
Airflow's tasks do.
"""

from __future__ import annotations

import heapq
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from functools import partial
from itertools import islice
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from airflow_provider_genesys.api.batch import BatchApi
from airflow_provider_genesys.api.bulk import BulkApi
from airflow_provider_genesys.api.client import ClientSettings, GenesysClient
from airflow_provider_genesys.api.guide import GuideApi
from airflow_provider_genesys.api.hosts import resolve_hosts
from airflow_provider_genesys.archive.archive import ObjectArchive
from airflow_provider_genesys.archive.download import Downloader
from airflow_provider_genesys.export.coordinator import Coordinator, Pending
from airflow_provider_genesys.export.errors import LeaseLost, Passing
from airflow_provider_genesys.export.following import AHEAD, Wait
from airflow_provider_genesys.export.leases import Held
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.export.pace import Pace
from airflow_provider_genesys.export.ports import ExportApi
from tests.archive.process import store_at
from tests.ledger.backends import open_ledger

CLIENT = "tester"
SECRET = "a-client-secret-that-nobody-may-see"
INTEGRATION = "simulated-integration"

APIS: dict[str, Callable[[GenesysClient], ExportApi]] = {
    "guide": GuideApi,
    "batch": BatchApi,
    "bulk": lambda client: BulkApi(client, INTEGRATION),
}
"""How each API is opened, by the connection's ``export_api``."""

logger = logging.getLogger(__name__)

_processes = get_context("forkserver")  # quick to start, and without what this process has opened
_processes.set_forkserver_preload(["pytest", "tests.crash.preload"])


@dataclass(frozen=True)
class FastClock:
    """A clock that runs faster than the world, the same in every process.

    :param origin: when it agrees with the world, epoch seconds.
    """

    origin: float = 0.0
    speed: float = 1.0

    def __call__(self) -> float:
        return self.origin + (time.time() - self.origin) * self.speed

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self.speed)


@dataclass(frozen=True)
class Run:
    """One DAG run.

    :param name: its orchestrators are named after it in the ledger.
    :param url: the simulator's.
    :param ledger: the ledger's address.
    :param place: the archive's, see :meth:`tests.archive.sites.Site.place`.
    :param export_api: a key of :data:`APIS`.
    :param media_format: as the API takes it.
    :param log: the file to write the log to.
    :param most_recordings: of one job.
    :param at_a_time: windows.
    :param downloads: at a time, of one window.
    :param ledger_options: as :func:`tests.ledger.backends.open_ledger` takes them.
    :param retrieves: whether it does more than wait for its jobs.
    """

    name: str
    url: str
    ledger: str
    place: dict[str, Any]
    log: Path
    interval: ExportWindow
    pace: Pace
    export_api: str = "guide"
    media_format: str = "mp3"
    most_recordings: int = 5000
    at_a_time: int = 1
    downloads: int = 1
    clock: FastClock = field(default_factory=FastClock)
    ledger_options: dict[str, Any] = field(default_factory=dict)
    retrieves: bool = True

    @property
    def organisation(self) -> Organisation:
        return Organisation(resolve_hosts(self.url).name, CLIENT)

    @property
    def selection(self) -> ExportRequest:
        """The interval, as a request."""
        return ExportRequest(self.organisation, self.interval, self.media_format)


def begin(run: Run) -> BaseProcess:
    """Start a run's process; its exit code is 0 once the interval is archived whole."""
    process = _processes.Process(target=perform, args=(run,), name=run.name)
    process.start()
    return process


def perform(run: Run) -> None:
    """Plan, then take every window to its end, then reconcile."""
    logging.basicConfig(filename=run.log, level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
    coordinator = _coordinators(run)
    windows = coordinator(run.name).plan(run.selection, UTC, run.most_recordings)
    tasks = [
        _until_it_gets_through(partial(_window, partial(coordinator, f"{run.name}[{number}]"), window, run))
        for number, window in enumerate(windows)
    ]
    random.Random(run.name).shuffle(tasks)
    _side_by_side(tasks, run.at_a_time, run.clock)
    report = coordinator(run.name).reconcile(run.selection, windows)
    sys.exit(0 if report.is_complete else 1)


def _coordinators(run: Run) -> Callable[[str], Coordinator]:
    """Makes the coordinator of a task from its owner."""
    client = GenesysClient(ClientSettings(resolve_hosts(run.url), CLIENT, SECRET))
    ledger = open_ledger(run.ledger, **run.ledger_options)
    archive = ObjectArchive(
        store_at(run.place), Downloader(allow_private=True, connections=run.downloads), concurrency=run.downloads
    )

    def coordinator(owner: str) -> Coordinator:
        return Coordinator(
            run.organisation, APIS[run.export_api](client), ledger, owner, run.pace, archive, run.clock, run.clock.sleep
        )

    return coordinator


def _window(coordinator: Callable[[], Coordinator], window: ExportWindow, run: Run) -> Iterator[float]:
    """The three tasks of a window; yields the seconds for which it is deferred."""
    request = coordinator().request(window, run.media_format)
    while isinstance(job_ids := coordinator().submit(request), Held):
        yield _waits(job_ids, window)
    while True:
        job_ids = yield from _wait_for_export(coordinator, job_ids)
        if not run.retrieves:
            return
        outcome = coordinator().retrieve(job_ids)
        if isinstance(outcome, Counter):
            return
        if isinstance(outcome, Pending):
            job_ids = outcome.job_ids
        else:
            yield _waits(outcome, window)


def _wait_for_export(coordinator: Callable[[], Coordinator], job_ids: list[str]) -> Iterator[float]:
    """The sensor's part: its trigger keeps one coordinator for as long as it follows the jobs."""
    trigger = coordinator()
    while (progress := trigger.follow(job_ids, ahead=AHEAD)).wait is not Wait.COMPLETED:
        if progress.wait is Wait.RUNNING:
            logger.info("deferred for %.2f s", progress.seconds)
            yield progress.seconds
            continue
        healed = coordinator().heal(job_ids)
        if isinstance(healed, Held):
            yield healed.wait
        else:
            job_ids, trigger = healed, coordinator()
    return coordinator().current_jobs(job_ids)


def _waits(held: Held, window: ExportWindow) -> float:
    logger.info("deferred: window %s is held by %s", window, held.by)
    return min(held.wait, 0.5)


def _until_it_gets_through(task: Callable[[], Iterator[float]]) -> Iterator[float]:
    """Airflow's retries."""
    while True:
        try:
            yield from task()
        except (Passing, LeaseLost) as error:
            logger.warning("the task is tried again: %s", error)
            yield 0.5
        else:
            return


def _side_by_side(tasks: Sequence[Iterator[float]], at_a_time: int, clock: FastClock) -> None:
    """Let each of the tasks take a step when it is due."""
    waiting = iter(tasks)
    deferred = [(0.0, number, task) for number, task in enumerate(islice(waiting, at_a_time))]
    numbers = iter(range(at_a_time, sys.maxsize))
    while deferred:
        due, number, task = heapq.heappop(deferred)
        clock.sleep(max(0.0, due - clock()))
        seconds = next(task, None)
        if seconds is not None:
            heapq.heappush(deferred, (clock() + seconds, number, task))
        elif (task := next(waiting, None)) is not None:
            heapq.heappush(deferred, (0.0, next(numbers), task))
