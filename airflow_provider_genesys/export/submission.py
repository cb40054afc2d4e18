# SPDX-License-Identifier: Apache-2.0
"""One job per window: submission, resubmission within the budget, and the split of a window that was too large.

Guide, edge cases 1 to 3. Every ``POST`` is announced in the ledger before it is made, and its job's id stored after.
Where the API's jobs take so many conversations and no more, a window has parts, each with a job by these same rules.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

from airflow_provider_genesys.export.entry import MAX_RESUBMISSIONS, Attempt, AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.errors import (
    ExportFailed,
    LeaseLost,
    NoAccess,
    NotYet,
    OutcomeUnknown,
    Passing,
    Refused,
)
from airflow_provider_genesys.export.leases import Held, Leases
from airflow_provider_genesys.export.lookup import Lookup
from airflow_provider_genesys.export.metering import Figure, Meter
from airflow_provider_genesys.export.model import ExportRequest
from airflow_provider_genesys.export.planning import quarters
from airflow_provider_genesys.export.ports import Ledger, Submitter

logger = logging.getLogger(__name__)

URL_MARGIN = 300.0
"""Seconds that a presigned URL must still live for a download to start (guide, edge case 2)."""

_TRIES_OF_A_POST = 5
_LONGEST_PAUSE = 60.0

_WORKING = (AttemptStatus.SUBMITTED, AttemptStatus.COMPLETED)
_UNSURE = (AttemptStatus.SUBMITTING, AttemptStatus.UNKNOWN)

_REASONS = {
    AttemptStatus.SUBMITTING: "the process that submitted it died before the job's id was stored",
    AttemptStatus.UNKNOWN: "the answer to its submission was lost",
    AttemptStatus.CANCELED: "job {job_id} was canceled",
    AttemptStatus.FAILED: "job {job_id} failed: {error}",
    AttemptStatus.EXPIRED: "the presigned URLs of job {job_id} expired",
    AttemptStatus.WANTING: "job {job_id} left something out: {error}",
}


@dataclass(frozen=True)
class Submission:
    """Sees to it that a request has one job, whoever asks and however often."""

    api: Submitter
    ledger: Ledger
    leases: Leases
    sleep: Callable[[float], None] = time.sleep
    meter: Meter = field(default_factory=Meter)

    @cached_property
    def lookup(self) -> Lookup:
        """Who stands for what was asked for."""
        return Lookup(self.ledger, self.leases)

    def ensure_job(self, request: ExportRequest, force_run: str = "") -> list[Entry] | Held:
        """The request's entry with a job that is under way or completed; several entries after a split.

        :param force_run: names the run that wants the budget begun afresh; it is begun once for that run.
        :return: :class:`Held` where another process is in the middle of a submission.
        :raises ExportFailed: where the budget is used up, or the platform refuses the job.
        """
        entry = self.leases.hold(request)
        if force_run and entry.forced_by != force_run:
            if entry.lease is None:
                return self.leases.held_elsewhere(entry)
            entry = self._begun_afresh(entry, force_run)
        children = self.lookup.heirs_of(entry)
        if children is not None:
            return self._ensure_jobs_of(children, force_run or entry.forced_by)
        self._refuse_failed(entry)
        if entry.current is not None and entry.current.status in _WORKING:
            return [entry]
        if entry.lease is None:
            return self.leases.held_elsewhere(entry)
        if _failed_without_a_word(entry) and not request.conversations and quarters(request.window):
            entry = self._split(entry)
            return self._ensure_jobs_of(self.lookup.heirs_of(entry) or [], force_run or entry.forced_by)
        parts = self._parts(entry)
        if parts is not None:
            return self._ensure_jobs_of(parts, force_run or entry.forced_by)
        return [self._submitted(entry)]

    def resubmit(
        self,
        request: ExportRequest,
        reason: str,
        conversations: tuple[str, ...] = (),
        fault: AttemptStatus = AttemptStatus.EXPIRED,
    ) -> list[Entry] | Held:
        """Replace a completed job by a new one within the budget.

        :param conversations: of a part, those that are still wanted; all of them without.
        :param fault: ``EXPIRED``, or ``WANTING``.
        """
        entry = self.leases.hold(request)
        if entry.lease is None:
            return self.leases.held_elsewhere(entry)
        current = entry.current
        if current is not None and current.status is AttemptStatus.COMPLETED:
            entry = self.leases.save(_with(entry, replace(current, status=fault, error=reason)))
            if conversations:
                return [self._submitted(entry, conversations)]
        return self.ensure_job(request)

    def job_ids(self, request: ExportRequest, ask: Callable[[], list[Entry] | Held]) -> list[str] | Held:
        """The ids of the jobs that one of this object's answers is about.

        :param ask: gets that answer, for a request.
        :return: :class:`Held` also where another process took the request over while it was asked.
        """
        try:
            outcome = ask()
        except LeaseLost as error:
            logger.warning("%s", error)
            return self.leases.held_elsewhere(self.ledger.entry(request.key) or Entry(request))
        if isinstance(outcome, Held):
            return outcome
        return [entry.current.job_id for entry in outcome if entry.current and entry.current.job_id]

    def restore(self, request: ExportRequest, job_id: str, destination: str) -> None:
        """Tell the ledger of a window that it forgot and that its receipt proves to be archived.

        The job is remembered as one whose URLs ran out: it may have been that of a part of the window.
        """
        entry = self.leases.hold(request)
        if entry.lease is None:
            return
        attempt = Attempt(0, entry.generation, AttemptStatus.EXPIRED, job_id, reason="restored from its receipt")
        self.leases.save(replace(_with(entry, attempt), state=RequestState.ARCHIVED, destinations=(destination,)))
        self.leases.release(entry)

    def _parts(self, entry: Entry) -> list[ExportRequest] | None:
        """Find out the parts of a held window whose API works in parts, and keep them.

        They are in the ledger before the window says so: whoever finds its parts finds each of them.
        """
        if entry.request.conversations:
            return None
        with self.leases.kept(entry):
            lots = self.api.parts(entry.request)
            if lots is None:
                return None
            parts = [replace(entry.request, conversations=tuple(lot)) for lot in lots]
            for part in parts:
                self.leases.hold(part)
        logger.info("Window %s is exported in %d parts", entry.request, len(parts))
        if parts:
            self.leases.save(replace(entry, state=RequestState.SPLIT, parts=tuple(part.key for part in parts)))
        return parts

    def _begun_afresh(self, entry: Entry, force_run: str) -> Entry:
        logger.info("Window %s begins its budget afresh, as 'force' says", entry.request.window)
        return self.leases.save(
            replace(
                entry,
                generation=entry.generation + 1,
                state=RequestState.OPEN,
                children=(),
                parts=(),
                error="",
                forced_by=force_run,
            )
        )

    def _refuse_failed(self, entry: Entry) -> None:
        if entry.state is RequestState.FAILED:
            self.leases.release(entry)
            raise ExportFailed(_end_of(entry))

    def _ensure_jobs_of(self, requests: Iterable[ExportRequest], force_run: str) -> list[Entry] | Held:
        """See to the windows or parts that a window has given way to.

        :param force_run: what began the window afresh: it means them, too.
        """
        outcomes = [self.ensure_job(request, force_run) for request in requests]
        held = [outcome for outcome in outcomes if isinstance(outcome, Held)]
        if held:
            return min(held, key=lambda outcome: outcome.wait)
        return [leaf for outcome in outcomes if not isinstance(outcome, Held) for leaf in outcome]

    def _split(self, entry: Entry) -> Entry:
        windows = tuple(quarters(entry.request.window))
        logger.warning(
            "Job %s for window %s was too large, it said so or failed without a word: split into %d windows",
            entry.current and entry.current.job_id,
            entry.request.window,
            len(windows),
        )
        return self.leases.save(replace(entry, state=RequestState.SPLIT, children=windows))

    def _submitted(self, entry: Entry, conversations: tuple[str, ...] = ()) -> Entry:
        """Submit until a job's id is stored; each ``POST`` that may have made a job is an attempt of its own.

        :param conversations: which of the request's are still wanted; else what the attempt before asked for.
        """
        if entry.state is RequestState.ARCHIVED:
            # Wanted again, for another destination or an emptied archive: no fault of its jobs, hence a fresh budget.
            again = replace(entry, state=RequestState.OPEN, generation=entry.generation + 1, forced_by="")
            entry = self.leases.save(again)
        last_error = ""
        for pause in range(_TRIES_OF_A_POST):
            adopted = self._adopted(entry)
            if adopted is not None:
                return adopted
            self._refuse_beyond_budget(entry)
            self._await_slot(entry)
            attempt = self._announced(entry, conversations)
            begun = self.leases.save(_with(entry, attempt), exclusive=True)
            try:
                with self.leases.kept(begun):  # a login or a full budget may take longer than a short lease
                    job_id = self.api.submit(begun.asked)
            except OutcomeUnknown as error:
                logger.warning("Window %s: %s", entry.request, error)
                last_error, asked = str(error), error.retry_after
                unknown = replace(attempt, status=AttemptStatus.UNKNOWN, error=last_error)
                entry = self.leases.save(_with(begun, unknown))
                if (asked or 0.0) > _LONGEST_PAUSE:
                    raise
            except NotYet:
                self._postponed(begun, attempt)
                raise
            except Passing as error:
                logger.warning("Window %s was not submitted: %s", entry.request, error)
                last_error, asked = str(error), error.retry_after
                entry = self._postponed(begun, attempt)
                if (asked or 0.0) > _LONGEST_PAUSE:
                    raise
            except NoAccess:
                self.leases.release(self._postponed(begun, attempt))
                raise
            except Refused as error:
                refused = replace(attempt, status=AttemptStatus.FAILED, error=str(error), ended_at=self.ledger.now())
                self.leases.release(self.leases.save(_with(begun, refused)))
                raise
            else:
                stored = self.leases.save(_with(begun, replace(attempt, status=AttemptStatus.SUBMITTED, job_id=job_id)))
                self.meter.count(Figure.JOBS_SUBMITTED)
                _log_submission(stored)
                return stored
            self.sleep(asked if asked is not None else min(2.0**pause, _LONGEST_PAUSE))
        raise Passing(f"window {entry.request} could not be submitted in {_TRIES_OF_A_POST} tries: {last_error}")

    def _adopted(self, entry: Entry) -> Entry | None:
        """The entry with the job that its last ``POST`` made, where that is found though its id never arrived."""
        lost = entry.current
        if lost is None or lost.status not in _UNSURE:
            return None
        with self.leases.kept(entry):
            job_id = self.api.orphan(entry.asked, [attempt.job_id for attempt in entry.attempts if attempt.job_id])
        if job_id is None:
            return None
        logger.info("Window %s: job %s is the one whose id never arrived", entry.request, job_id)
        self.meter.count(Figure.JOBS_SUBMITTED)
        return self.leases.save(_with(entry, replace(lost, status=AttemptStatus.SUBMITTED, job_id=job_id, error="")))

    def _await_slot(self, entry: Entry) -> None:
        """Ask for no job while as many as may be are under way.

        Here those count that another orchestrator follows. What the ledger doesn't know of, such as the jobs of an
        administrator, the platform does, and refuses one job too many.

        :raises NotYet: while there are.
        """
        most = self.api.jobs_at_a_time
        if most is None:
            return
        others = [
            other
            for other in self.ledger.entries(
                str(entry.request.organisation), (RequestState.OPEN, RequestState.REOPENED)
            )
            if other.held_by not in ("", self.leases.owner) and other.held_until > self.ledger.now()
            if other.current is not None and other.current.status is AttemptStatus.SUBMITTED
        ]
        if len(others) >= most:
            raise NotYet(
                f"window {entry.request} waits for one of the organisation's {most} jobs to end, such as that of "
                f"{others[0].request}"
            )

    def _announced(self, entry: Entry, conversations: tuple[str, ...]) -> Attempt:
        current = entry.current
        if current is not None and current.status is AttemptStatus.POSTPONED:
            return replace(current, status=AttemptStatus.SUBMITTING, submitted_at=self.ledger.now())
        return Attempt(
            number=0 if current is None else current.number + 1,
            generation=entry.generation,
            status=AttemptStatus.SUBMITTING,
            reason="" if current is None else _reason(current),
            replaces=None if current is None else current.job_id,
            submitted_at=self.ledger.now(),
            conversations=conversations or (current.conversations if current else ()),
        )

    def _postponed(self, entry: Entry, attempt: Attempt) -> Entry:
        """The ledger forgets no attempt, hence one that made no job stays, to be made the next time."""
        return self.leases.save(_with(entry, replace(attempt, status=AttemptStatus.POSTPONED)))

    def _refuse_beyond_budget(self, entry: Entry) -> None:
        current = entry.current
        if current is None or current.number < MAX_RESUBMISSIONS or current.status is AttemptStatus.POSTPONED:
            return
        failed = self.leases.save(replace(entry, state=RequestState.FAILED, error=_reason(current)))
        self.leases.release(failed)
        raise ExportFailed(_end_of(failed))


def _with(entry: Entry, attempt: Attempt) -> Entry:
    """The entry with an attempt added, or replaced by number."""
    place = (attempt.generation, attempt.number)
    others = tuple(known for known in entry.attempts if (known.generation, known.number) != place)
    return replace(entry, attempts=(*others, attempt))


def _failed_without_a_word(entry: Entry) -> bool:
    current = entry.current
    return current is not None and current.status is AttemptStatus.FAILED and not current.error


def _reason(attempt: Attempt) -> str:
    reason = _REASONS.get(attempt.status, "job {job_id} was given up")
    if attempt.job_id is None and attempt.status is AttemptStatus.FAILED:
        reason = "it was refused: {error}"
    return reason.format(job_id=attempt.job_id, error=attempt.error or "without a word")


def _end_of(entry: Entry) -> str:
    return (
        f"window {entry.request} has used up its {MAX_RESUBMISSIONS} resubmissions; last, {entry.error}. "
        "Mend the cause, then trigger the interval with the param force=true: that begins its budget afresh"
    )


def _log_submission(entry: Entry) -> None:
    attempt = entry.current
    if attempt is None:
        return
    kind = f"resubmission {attempt.number} of {MAX_RESUBMISSIONS}, since {attempt.reason}" if attempt.number else "new"
    logger.info("Window %s: job %s submitted (%s)", entry.request, attempt.job_id, kind)
