# SPDX-License-Identifier: Apache-2.0
"""The wait for jobs, one step at a time: who holds a window polls it when it is due, the others read the ledger."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from airflow_provider_genesys.export.errors import LeaseLost, Passing
from airflow_provider_genesys.export.leases import Leases
from airflow_provider_genesys.export.model import Attempt, AttemptStatus, Entry, ExportJob, JobStatus, RequestState
from airflow_provider_genesys.export.polling import next_poll_at
from airflow_provider_genesys.export.ports import ExportApi, Ledger

logger = logging.getLogger(__name__)

_ENDS = {
    JobStatus.COMPLETED: AttemptStatus.COMPLETED,
    JobStatus.FAILED: AttemptStatus.FAILED,
    JobStatus.CANCELED: AttemptStatus.CANCELED,
}


class Wait(StrEnum):
    """Where a wait stands. ``ATTENTION``: a job ended badly, and somebody must decide what comes next."""

    RUNNING = "running"
    COMPLETED = "completed"
    ATTENTION = "attention"


@dataclass(frozen=True)
class Progress:
    """One step of a wait.

    :param seconds: until the next step makes sense.
    """

    wait: Wait
    seconds: float = 0.0


@dataclass(frozen=True)
class Following:
    """Polls within the organisation's budget, which is reserved in the ledger.

    :param polls_per_minute: the budget.
    :param poll_interval: seconds before a job's first poll, and the least between two.
    :param max_poll_interval: the most seconds between two polls of a job.
    """

    api: ExportApi
    ledger: Ledger
    leases: Leases
    polls_per_minute: int
    poll_interval: float
    max_poll_interval: float

    def step(self, entries: Iterable[Entry]) -> Progress:
        """Poll what is due, and say where the jobs stand together."""
        steps = [self._step(entry) for entry in entries]
        if any(step.wait is Wait.ATTENTION for step in steps):
            return Progress(Wait.ATTENTION)
        running = [step.seconds for step in steps if step.wait is Wait.RUNNING]
        return Progress(Wait.RUNNING, min(running)) if running else Progress(Wait.COMPLETED)

    def poll(self, entry: Entry) -> tuple[Entry, ExportJob]:
        """Ask for a held entry's job once and keep the answer in the ledger. The budget is the caller's."""
        attempt = entry.current
        if attempt is None or attempt.job_id is None:
            raise LeaseLost(f"window {entry.request.window} has no job to poll any more")
        job = self.api.job(attempt.job_id)
        return self._kept(entry, attempt, job), job

    def _step(self, entry: Entry) -> Progress:
        attempt = entry.current
        if entry.state is RequestState.ARCHIVED or (attempt and attempt.status is AttemptStatus.COMPLETED):
            return Progress(Wait.COMPLETED)
        if entry.state in (RequestState.FAILED, RequestState.SPLIT) or attempt is None:
            return Progress(Wait.ATTENTION)
        if attempt.status is AttemptStatus.SUBMITTED:
            return self._step_of_running(entry, attempt)
        is_ours = attempt.status is not AttemptStatus.SUBMITTING and entry.held_by == self.leases.owner
        if entry.lease is None and not is_ours and entry.held_until > self.ledger.now():
            return self._later(entry)
        return Progress(Wait.ATTENTION)

    def _step_of_running(self, entry: Entry, attempt: Attempt) -> Progress:
        entry = self.leases.hold(entry.request)
        if entry.lease is None:
            return self._later(entry)
        if entry.current != attempt:
            return Progress(Wait.RUNNING)
        early = next_poll_at(attempt, self.poll_interval, self.max_poll_interval) - self.ledger.now()
        if early > 0:
            return Progress(Wait.RUNNING, min(early, self.leases.seconds / 3))
        reserved = self.ledger.reserve(str(entry.request.organisation), "polls", self.polls_per_minute)
        if not reserved.granted:
            return Progress(Wait.RUNNING, min(max(reserved.wait, 0.1), self.leases.seconds / 3))
        try:
            polled, _ = self.poll(entry)
        except LeaseLost:
            return Progress(Wait.RUNNING)
        except Passing as error:
            logger.warning("Poll of job %s failed, next in a while: %s", attempt.job_id, error)
            return Progress(Wait.RUNNING, max(error.retry_after or 0.0, self.poll_interval))
        return self._step(polled)

    def _later(self, entry: Entry) -> Progress:
        """Another process has the entry: look again soon, since it may be done before its lease ends."""
        left = entry.held_until - self.ledger.now()
        return Progress(Wait.RUNNING, min(max(left, 0.1), self.poll_interval))

    def _kept(self, entry: Entry, attempt: Attempt, job: ExportJob) -> Entry:
        now = self.ledger.now()
        attempt = replace(attempt, polls=attempt.polls + 1, polled_at=now)
        if job.status in _ENDS:
            attempt = replace(
                attempt,
                status=_ENDS[job.status],
                error=job.error or "",
                ended_at=attempt.ended_at or now,
                expires_at=job.expires_at,
                recordings=len(job.recordings) if job.status is JobStatus.COMPLETED else None,
            )
        logger.info("Job %s is %s after %d polls", job.job_id, job.word or job.status, attempt.polls)
        attempts = tuple(attempt if known.job_id == attempt.job_id else known for known in entry.attempts)
        return self.leases.save(replace(entry, attempts=attempts))
