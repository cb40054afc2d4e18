# SPDX-License-Identifier: Apache-2.0
"""The wait for jobs, one step at a time: who holds a window polls it when it is due, the others read the ledger."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.errors import LeaseLost, Passing
from airflow_provider_genesys.export.leases import Leases
from airflow_provider_genesys.export.metering import Figure, Meter
from airflow_provider_genesys.export.model import ExportJob, ExportRequest, JobStatus
from airflow_provider_genesys.export.pace import Pace
from airflow_provider_genesys.export.planning import quarters
from airflow_provider_genesys.export.polling import durations_of_size, estimated_duration, likelihood, next_poll_at
from airflow_provider_genesys.export.ports import ExportApi, Ledger
from airflow_provider_genesys.export.turns import Turns

logger = logging.getLogger(__name__)

AHEAD = 60.0
"""Seconds for which polls are reserved ahead: everybody who waits then has a turn, instead of trying for the next one
together; longer, and a job that is likelier to be done would come too late."""

_PUNCTUAL = 2.0
"""Seconds by which a poll may miss its slot: the ledger's minute is so much longer than the platform's."""

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
    :param reserved: whether a poll is reserved for then, which is lost to who comes much later.
    :param refused: whether the platform takes no polls until then, which is later than a poll would ever be.
    """

    wait: Wait
    seconds: float = 0.0
    reserved: bool = False
    refused: bool = False


@dataclass(frozen=True)
class Following:
    """Polls within the organisation's budget, which is reserved in the ledger.

    The likelier a job is to be done, the further ahead its poll may be reserved. So where there are more jobs than
    polls those go first that are likeliest to be done, and whoever waits the longest gets there, too.

    :param turns: shared by those who wait in this process for jobs of the same organisation.
    """

    api: ExportApi
    ledger: Ledger
    leases: Leases
    pace: Pace
    meter: Meter = field(default_factory=Meter)
    turns: Turns = field(default_factory=Turns)
    _slots: dict[str, float] = field(default_factory=dict)
    _usual: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def step(self, entries: Iterable[Entry], ahead: float = 0.0) -> Progress:
        """Poll what is due, and say where the jobs stand together.

        :param ahead: seconds for which a poll may be reserved, for a later step of this very object.
        """
        steps = [self._step(entry, ahead) for entry in entries]
        if any(step.wait is Wait.ATTENTION for step in steps):
            return Progress(Wait.ATTENTION)
        running = [step for step in steps if step.wait is Wait.RUNNING]
        if not running:
            return Progress(Wait.COMPLETED)
        return Progress(
            Wait.RUNNING,
            min(step.seconds for step in running),
            any(step.reserved for step in running),
            all(step.refused for step in running),
        )

    def poll(self, entry: Entry) -> tuple[Entry, ExportJob]:
        """Ask for a held entry's job once and keep the answer in the ledger. The budget is the caller's."""
        attempt = entry.current
        if attempt is None or attempt.job_id is None:
            raise LeaseLost(f"window {entry.request} has no job to poll any more")
        with self.leases.kept(entry):  # where an API asks for each conversation, a poll takes its time
            job = self.api.job(entry.asked, attempt.job_id)
        self.meter.count(Figure.POLLS)
        return self._kept(entry, attempt, job), job

    def _step(self, entry: Entry, ahead: float) -> Progress:
        attempt = entry.current
        if entry.state is RequestState.ARCHIVED or (attempt and attempt.status is AttemptStatus.COMPLETED):
            return Progress(Wait.COMPLETED)
        if entry.state in (RequestState.FAILED, RequestState.SPLIT) or attempt is None:
            return Progress(Wait.ATTENTION)
        if attempt.status is AttemptStatus.SUBMITTED:
            return self._step_of_running(entry, attempt, ahead)
        is_ours = attempt.status is not AttemptStatus.SUBMITTING and entry.held_by == self.leases.owner
        if entry.lease is None and not is_ours and entry.held_until > self.ledger.now():
            return self._later(entry)
        return Progress(Wait.ATTENTION)

    def _step_of_running(self, entry: Entry, attempt: Attempt, ahead: float) -> Progress:
        entry = self.leases.hold(entry.request)
        if entry.lease is None:
            return self._later(entry)
        if entry.current != attempt:
            if entry.state is RequestState.ARCHIVED:
                self.leases.release(entry)  # whoever took it over is through with it
            return Progress(Wait.RUNNING)
        now, usual = entry.lease.renewed_at, self._usual_durations(entry, attempt)
        due = next_poll_at(attempt, self.pace.poll_interval, self.pace.max_poll_interval, usual)
        if due > now:
            return self._in_a_while(due - now)
        turn = self._turn(entry, attempt, now, ahead * likelihood(attempt, now, usual))
        if turn is not None:
            return turn
        try:
            polled, job = self.poll(entry)
            is_late = now - due >= self.pace.max_poll_interval  # which teaches nothing
            if job.status is JobStatus.COMPLETED and not is_late:
                seconds = estimated_duration(attempt, now)
                self.ledger.record_duration(str(entry.request.organisation), _size_of(job), seconds)
            if job.status is JobStatus.READY:
                polled = self._decided(polled, job)
        except LeaseLost:
            return Progress(Wait.RUNNING)
        except Passing as error:
            logger.warning("Poll of job %s failed, next in a while: %s", attempt.job_id, error)
            seconds = max(error.retry_after or 0.0, self.pace.poll_interval)
            return Progress(Wait.RUNNING, seconds, refused=seconds > self.pace.max_poll_interval)
        return self._step(polled, ahead)

    def _decided(self, entry: Entry, job: ExportJob) -> Entry:
        """Start a job that is ready, unless it is too large: that one is given up, as if it had failed without a word.

        What was decided is in the ledger before a job is discarded: who dies between leaves one that does nothing.
        """
        attempt = entry.current
        is_too_large = (job.size or 0) > self.pace.max_recordings_per_job and quarters(entry.request.window)
        if attempt is None or not is_too_large:
            self.api.start(job.job_id)
            logger.info("Job %s is ready with %s recordings, and started", job.job_id, job.size)
            return entry
        logger.warning(
            "Job %s is ready with %d recordings, more than %d, and not started",
            job.job_id,
            job.size,
            self.pace.max_recordings_per_job,
        )
        given_up = replace(attempt, status=AttemptStatus.FAILED, recordings=job.size, ended_at=self.ledger.now())
        entry = self.leases.save(replace(entry, attempts=(*entry.attempts[:-1], given_up)))
        self.api.discard(job.job_id)
        return entry

    def _turn(self, entry: Entry, attempt: Attempt, now: float, within: float) -> Progress | None:
        """None where the job may be polled now; else when to come back."""
        job_id = str(attempt.job_id)
        slot = self._slots.pop(job_id, 0.0)
        if now > slot + _PUNCTUAL:
            if slot:
                logger.info("Job %s came %.1f s too late for its poll", job_id, now - slot)
            reserved = self.turns.reserve(
                self.ledger, str(entry.request.organisation), self.pace.polls_per_minute, now=now, within=within
            )
            self.meter.gauge(Figure.POLLS_LEFT, reserved.left)
            if not reserved.granted:
                return self._in_a_while(self._queued(now, reserved.wait - within, within))
            slot = now + reserved.wait
        if slot <= now:
            return None
        self._slots[job_id] = slot
        return replace(self._in_a_while(slot - now), reserved=True)

    def _queued(self, now: float, earliest: float, within: float) -> float:
        """When to try again for a poll where everything is taken: seconds, not the same for all.

        While what is reserved still lasts, so that not a poll goes unused; in a crowd that comes by often enough
        together, each hardly more often than their lease needs.
        """
        latest = earliest + within
        if self.turns.is_crowded(self.pace.polls_per_minute, now):
            latest = max(earliest, self.leases.seconds / 3)
            earliest = max(earliest, 0.75 * latest)
        return max(random.uniform(earliest, latest), 0.1)  # noqa: S311 (jitter, no secret)

    def _in_a_while(self, seconds: float) -> Progress:
        """Look in often enough to keep the lease."""
        return Progress(Wait.RUNNING, min(seconds, self.leases.seconds / 3))

    def _usual_durations(self, entry: Entry, attempt: Attempt) -> tuple[float, ...]:
        """What jobs of this one's size took; asked once for each job."""
        job_id = str(attempt.job_id)
        if job_id not in self._usual:
            size = self._size(entry.request)
            history = self.ledger.durations(str(entry.request.organisation)) if size is not None else ()
            self._usual[job_id] = durations_of_size(history, size or 0)
        return self._usual[job_id]

    def _size(self, request: ExportRequest) -> int | None:
        """How many recordings a job is about to have, as far as that is known."""
        if request.conversations:
            return len(request.conversations)
        start = request.window.start.timestamp()
        return self.ledger.volumes(request.selection_key, start, start + 0.001).get(request.window)

    def _later(self, entry: Entry) -> Progress:
        """Another process has the entry: look again soon, since it may be done before its lease ends."""
        left = entry.held_until - self.ledger.now()
        return Progress(Wait.RUNNING, min(max(left, 0.1), self.pace.poll_interval))

    def _kept(self, entry: Entry, attempt: Attempt, job: ExportJob) -> Entry:
        now, before = self.ledger.now(), attempt
        attempt = replace(attempt, polls=attempt.polls + 1, polled_at=now)
        if job.status in (JobStatus.RUNNING, JobStatus.READY):
            # one that had completed may have to make its files once more
            attempt = replace(attempt, status=AttemptStatus.SUBMITTED)
        if job.status in _ENDS:
            attempt = replace(
                attempt,
                status=_ENDS[job.status],
                error=job.error or "",
                ended_at=attempt.ended_at or now,
                expires_at=job.expires_at,
                recordings=_size_of(job) if job.status is JobStatus.COMPLETED else None,
            )
        logger.info("Job %s is %s after %d polls", job.job_id, job.word or job.status, attempt.polls)
        attempts = tuple(attempt if known.job_id == attempt.job_id else known for known in entry.attempts)
        entry = self.leases.save(replace(entry, attempts=attempts))
        if job.status in _ENDS and before.ended_at is None:
            self.meter.time(Figure.WAIT, now - (before.submitted_at or now))
            if job.status is not JobStatus.COMPLETED:
                self.meter.count(Figure.JOBS_FAILED)
        return entry


def _size_of(job: ExportJob) -> int:
    return len(job.recordings) if job.size is None else job.size
