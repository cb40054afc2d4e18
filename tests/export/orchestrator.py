# SPDX-License-Identifier: Apache-2.0
"""The steps of the DAG without Airflow: what the operators, the sensor and the trigger do with a coordinator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from airflow_provider_genesys.export.coordinator import Coordinator, Pending
from airflow_provider_genesys.export.entry import AttemptStatus, Entry
from airflow_provider_genesys.export.errors import NotYet
from airflow_provider_genesys.export.following import Wait
from airflow_provider_genesys.export.leases import Held
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.export.pace import Pace
from airflow_provider_genesys.export.submission import Submission
from tests.export.memory.archive import MemoryArchive
from tests.export.memory.clock import Clock
from tests.export.memory.platform import MemoryApi, calls_every
from tests.ledger.memory import MemoryLedger

T = TypeVar("T")

ORGANISATION = Organisation("api.mypurecloud.com", "client")
MIDNIGHT = datetime(2024, 5, 1, tzinfo=UTC)
DAY = ExportWindow(MIDNIGHT, MIDNIGHT + timedelta(days=1))
PATIENCE = timedelta(days=4).total_seconds()
ALL = {"archived": 24}
"""What is told of a day on which every recording of a new world is archived."""


def hours(start: float, end: float) -> ExportWindow:
    """A window of 2024-05-01, by its hours."""
    return ExportWindow(MIDNIGHT + timedelta(hours=start), MIDNIGHT + timedelta(hours=end))


def asked(window: ExportWindow = DAY, media_format: str = "mp3", **filters: Any) -> ExportRequest:
    """A request of the test's organisation."""
    return ExportRequest(ORGANISATION, window, media_format, filters)


class Killed(BaseException):
    """A SIGKILL."""


@dataclass
class World:
    """A platform, a ledger and an archive under one clock.

    :param pace: of every orchestrator.
    """

    clock: Clock
    api: MemoryApi
    ledger: MemoryLedger
    archive: MemoryArchive
    pace: Pace = field(default_factory=Pace)

    def coordinator(self, owner: str = "ann", archive: MemoryArchive | None = None, **changes: Any) -> Coordinator:
        """An orchestrator in a process of its own."""
        return Coordinator(
            ORGANISATION,
            self.api,
            self.ledger,
            owner,
            replace(self.pace, **changes),
            archive or self.archive,
            self.clock,
            self.clock.sleep,
        )

    def entry(self, request: ExportRequest) -> Entry:
        """What the ledger knows of a request."""
        entry = self.ledger.entry(request.key)
        assert entry is not None
        return entry

    def submit(self, coordinator: Coordinator, request: ExportRequest, force_run: str = "") -> list[str]:
        """The task ``submit_export``: deferred while it is held elsewhere, or has to wait for a slot."""
        while isinstance(outcome := self._patiently(partial(coordinator.submit, request, force_run)), Held):
            self._pass(outcome.wait)
        return outcome

    def submit_once(self, coordinator: Coordinator, request: ExportRequest) -> list[str]:
        """One try of the task ``submit_export``, of a window that nobody else has."""
        outcome = coordinator.submit(request)
        assert not isinstance(outcome, Held)
        return outcome

    def wait(self, coordinator: Coordinator, job_ids: list[str]) -> list[str]:
        """The task ``wait_for_export``: follow, and heal what needs attention."""
        while (progress := coordinator.follow(job_ids)).wait is not Wait.COMPLETED:
            if progress.wait is Wait.ATTENTION:
                healed = self._patiently(partial(coordinator.heal, job_ids))
                if isinstance(healed, Held):
                    self._pass(healed.wait)
                else:
                    job_ids = healed
            else:
                self._pass(progress.seconds)
        return coordinator.current_jobs(job_ids)

    def retrieve(self, coordinator: Coordinator, job_ids: list[str]) -> Counter[str]:
        """The task ``retrieve_recordings``: waits again where jobs were replaced."""
        while not isinstance(outcome := self._patiently(partial(coordinator.retrieve, job_ids)), Counter):
            if isinstance(outcome, Pending):
                job_ids = self.wait(coordinator, outcome.job_ids)
            else:
                self._pass(outcome.wait)
        return outcome

    def export(
        self, request: ExportRequest, force_run: str = "", coordinator: Coordinator | None = None
    ) -> Counter[str]:
        """One window from its submission to its receipt."""
        coordinator = coordinator or self.coordinator()
        job_ids = self.submit(coordinator, request, force_run)
        return self.retrieve(coordinator, self.wait(coordinator, job_ids))

    def _patiently(self, step: Callable[[], T | Held]) -> T | Held:
        """A step, or, where something else has to come first, a wait for that."""
        try:
            return step()
        except NotYet as error:
            return Held(str(error), error.retry_after or 180.0)

    def _pass(self, seconds: float) -> None:
        assert sum(self.clock.slept) < PATIENCE, "the orchestrator waits for ever"
        assert len(self.clock.slept) < 10_000, "the orchestrator goes round in circles"
        self.clock.sleep(seconds)


def new_world(clock: Clock) -> World:
    """A day with a call every hour, a platform whose jobs complete at once, an empty ledger and archive."""
    api = MemoryApi(clock, calls_every(60, DAY))
    return World(clock, api, MemoryLedger(clock), MemoryArchive(api))


def ended(submission: Submission, request: ExportRequest, status: AttemptStatus, error: str = "") -> None:
    """Write down the end of a request's job, as a poll would."""
    entry = submission.leases.hold(request)
    assert entry.current is not None
    attempt = replace(entry.current, status=status, error=error)
    submission.leases.save(replace(entry, attempts=(*entry.attempts[:-1], attempt)))


def parts_of(world: World, request: ExportRequest | None = None) -> list[Entry]:
    """The entries of a window's parts; of the whole day's, where none is named."""
    found = [world.ledger.entry(key) for key in world.entry(request or asked()).parts]
    return [part for part in found if part]


def calls_made(world: World) -> int:
    """How many calls the platform has had."""
    return world.api.asked.total()


def report_of(world: World, windows: list[ExportWindow] | None = None) -> dict[str, Any]:
    """What the report of windows counts; of the whole day, where none are named."""
    return world.coordinator().reconcile(asked(), [DAY] if windows is None else windows).counts()
