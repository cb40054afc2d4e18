# SPDX-License-Identifier: Apache-2.0
"""One job per window: submission, resubmission within the budget, and the split of a window that was too large.

Guide, edge cases 1 to 3. Every ``POST`` is announced in the ledger before it is made, and its job's id stored after.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from airflow_provider_genesys.export.errors import (
    ExportFailed,
    InvalidInput,
    NoAccess,
    OutcomeUnknown,
    Passing,
    Refused,
)
from airflow_provider_genesys.export.leases import Held, Leases
from airflow_provider_genesys.export.model import (
    MAX_RESUBMISSIONS,
    Attempt,
    AttemptStatus,
    Entry,
    ExportRequest,
    RequestState,
)
from airflow_provider_genesys.export.planning import quarters
from airflow_provider_genesys.export.ports import Ledger, Submitter

logger = logging.getLogger(__name__)

URL_MARGIN = 300.0
"""Seconds that a presigned URL must still live for a download to start (guide, edge case 2)."""

_TRIES_OF_A_POST = 5
_LONGEST_PAUSE = 60.0

_WORKING = (AttemptStatus.SUBMITTED, AttemptStatus.COMPLETED)

_REASONS = {
    AttemptStatus.SUBMITTING: "the process that submitted it died before the job's id was stored",
    AttemptStatus.UNKNOWN: "the answer to its submission was lost",
    AttemptStatus.CANCELED: "job {job_id} was canceled",
    AttemptStatus.FAILED: "job {job_id} failed: {error}",
    AttemptStatus.EXPIRED: "the presigned URLs of job {job_id} expired",
}


@dataclass(frozen=True)
class Submission:
    """Sees to it that a request has one job, whoever asks and however often."""

    api: Submitter
    ledger: Ledger
    leases: Leases
    sleep: Callable[[float], None] = time.sleep

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
        if entry.state is RequestState.SPLIT:
            return self._ensure_jobs_of_children(entry, force_run)
        self._refuse_failed(entry)
        if entry.current is not None and entry.current.status in _WORKING:
            return [entry]
        if entry.lease is None:
            return self.leases.held_elsewhere(entry)
        if _failed_without_a_word(entry) and quarters(request.window):
            return self._ensure_jobs_of_children(self._split(entry), force_run)
        return [self._submitted(entry)]

    def resubmit(self, request: ExportRequest, reason: str) -> list[Entry] | Held:
        """Replace the request's completed job, whose URLs ran out, by a new one within the budget."""
        entry = self.leases.hold(request)
        if entry.lease is None:
            return self.leases.held_elsewhere(entry)
        current = entry.current
        if current is not None and current.status is AttemptStatus.COMPLETED:
            self.leases.save(_with(entry, replace(current, status=AttemptStatus.EXPIRED, error=reason)))
        return self.ensure_job(request)

    def restore(self, request: ExportRequest, job_id: str, destination: str) -> None:
        """Tell the ledger of a window that it forgot and that its receipt proves to be archived."""
        entry = self.leases.hold(request)
        if entry.lease is None:
            return
        attempt = Attempt(0, entry.generation, AttemptStatus.COMPLETED, job_id, reason="restored from its receipt")
        self.leases.save(replace(_with(entry, attempt), state=RequestState.ARCHIVED, destinations=(destination,)))
        self.leases.release(entry)

    def leaves_of(self, request: ExportRequest) -> Iterator[Entry]:
        """The entries that stand for a request now: its own, or those of the windows that it was split into."""
        entry = self.ledger.entry(request.key) or Entry(request)
        if entry.state is not RequestState.SPLIT:
            yield entry
            return
        for window in entry.children:
            yield from self.leaves_of(replace(request, window=window))

    def entries_of(self, organisation: str, job_ids: Iterable[str]) -> list[Entry]:
        """The entries that stand for these jobs now, each once.

        :raises InvalidInput: for a job that the ledger doesn't know.
        """
        found: dict[str, Entry] = {}
        for job_id in job_ids:
            entry = self.ledger.find(organisation, job_id)
            if entry is None:
                raise InvalidInput(
                    f"job {job_id} of {organisation} is not in the ledger: it was submitted elsewhere, or with another "
                    "'ledger_conn_id'. Clear the task that submits the window, and it is found or submitted again"
                )
            found.update({leaf.request.key: leaf for leaf in self.leaves_of(entry.request)})
        return list(found.values())

    def _begun_afresh(self, entry: Entry, force_run: str) -> Entry:
        logger.info("Window %s begins its budget afresh, as 'force' says", entry.request.window)
        return self.leases.save(
            replace(
                entry,
                generation=entry.generation + 1,
                state=RequestState.OPEN,
                children=(),
                error="",
                forced_by=force_run,
            )
        )

    def _refuse_failed(self, entry: Entry) -> None:
        if entry.state is RequestState.FAILED:
            self.leases.release(entry)
            raise ExportFailed(_end_of(entry))

    def _ensure_jobs_of_children(self, entry: Entry, force_run: str) -> list[Entry] | Held:
        force_run = force_run or entry.forced_by  # what began the parent afresh means its children, too
        outcomes = [self.ensure_job(replace(entry.request, window=window), force_run) for window in entry.children]
        held = [outcome for outcome in outcomes if isinstance(outcome, Held)]
        if held:
            return min(held, key=lambda outcome: outcome.wait)
        return [leaf for outcome in outcomes if not isinstance(outcome, Held) for leaf in outcome]

    def _split(self, entry: Entry) -> Entry:
        windows = tuple(quarters(entry.request.window))
        logger.warning(
            "Job %s for window %s failed without a word, which means that it was too large: split into %d windows",
            entry.current and entry.current.job_id,
            entry.request.window,
            len(windows),
        )
        return self.leases.save(replace(entry, state=RequestState.SPLIT, children=windows))

    def _submitted(self, entry: Entry) -> Entry:
        """Submit until a job's id is stored; each ``POST`` that may have made a job is an attempt of its own."""
        if entry.state is RequestState.ARCHIVED:
            # Wanted again, for another destination or an emptied archive: no fault of its jobs, hence a fresh budget.
            again = replace(entry, state=RequestState.OPEN, generation=entry.generation + 1, forced_by="")
            entry = self.leases.save(again)
        last_error = ""
        for pause in range(_TRIES_OF_A_POST):
            self._refuse_beyond_budget(entry)
            attempt = self._announced(entry)
            begun = self.leases.save(_with(entry, attempt), exclusive=True)
            try:
                with self.leases.kept(begun):  # a login or a full budget may take longer than a short lease
                    job_id = self.api.submit(entry.request)
            except OutcomeUnknown as error:
                logger.warning("Window %s: %s", entry.request.window, error)
                last_error, asked = str(error), error.retry_after
                unknown = replace(attempt, status=AttemptStatus.UNKNOWN, error=last_error)
                entry = self.leases.save(_with(begun, unknown))
                if (asked or 0.0) > _LONGEST_PAUSE:
                    raise
            except Passing as error:
                logger.warning("Window %s was not submitted: %s", entry.request.window, error)
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
                _log_submission(stored)
                return stored
            self.sleep(asked if asked is not None else min(2.0**pause, _LONGEST_PAUSE))
        raise Passing(f"window {entry.request.window} could not be submitted in {_TRIES_OF_A_POST} tries: {last_error}")

    def _announced(self, entry: Entry) -> Attempt:
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
        f"window {entry.request.window} has used up its {MAX_RESUBMISSIONS} resubmissions; last, {entry.error}. "
        "Mend the cause, then trigger the interval with the param force=true: that begins its budget afresh"
    )


def _log_submission(entry: Entry) -> None:
    attempt = entry.current
    if attempt is None:
        return
    kind = f"resubmission {attempt.number} of {MAX_RESUBMISSIONS}, since {attempt.reason}" if attempt.number else "new"
    logger.info("Window %s: job %s submitted (%s)", entry.request.window, attempt.job_id, kind)
