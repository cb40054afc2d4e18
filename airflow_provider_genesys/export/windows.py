# SPDX-License-Identifier: Apache-2.0
"""The retrieval of one window by all of its jobs: who holds it, what is asked for again, when it is archived."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from airflow_provider_genesys.export.archiving import Archiving
from airflow_provider_genesys.export.entry import AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.errors import ExportError, ExportFailed, LeaseLost, NotYet, Passing
from airflow_provider_genesys.export.following import Following
from airflow_provider_genesys.export.leases import Held, Leases
from airflow_provider_genesys.export.lookup import Lookup
from airflow_provider_genesys.export.model import ExportJob, JobStatus, Receipt
from airflow_provider_genesys.export.retrieval import Retrieval
from airflow_provider_genesys.export.submission import Submission

logger = logging.getLogger(__name__)

_SHORT = 60.0
"""Seconds: who is told to wait for longer than this asks no more, since the next answer would be the same."""


@dataclass(frozen=True)
class Windows:
    """Retrieves windows, each by whoever holds it.

    :param await_poll: waits until a job may be polled, within the organisation's budget.
    """

    leases: Leases
    submission: Submission
    lookup: Lookup
    following: Following
    retrieval: Retrieval
    await_poll: Callable[[], None]

    def retrieve(self, window: Entry) -> Counter[str] | list[str] | Held:
        """Archive what is missing of a window.

        :return: counts by status, or the ids of jobs that must be waited for.
        :raises LeaseLost: where another process took the window over.
        :raises ExportError: where recordings could not be had: ``Passing`` if a later try may have more luck.
        """
        by = self.lookup.jobs_of(window)
        receipt = self.retrieval.proof(window.request, window, by)
        if receipt is not None and window.state is RequestState.ARCHIVED:
            return counts_of(receipt)
        window = self.leases.hold(window.request)
        if window.lease is None:
            return self.leases.held_elsewhere(window)
        if receipt is not None:
            self.retrieval.remember(window, len(receipt), _parts(by))
            return counts_of(receipt)
        held = self._held(window)
        if isinstance(held, Held):
            self.leases.release(window)  # whoever has one of its parts is to have the window
            return held
        return self._retrieve(window, held)

    def catch_up(self, window: Entry) -> str:
        """Take into an archived window's receipt what the platform has delivered since it was written.

        :return: what is wrong, and what to do; empty where the receipt names all that came.
        :raises NotYet: while something is arriving.
        """
        receipt = self.retrieval.archive.receipt(window.request.window)
        if not self.retrieval.overlooks(window.request.window, receipt):
            return ""
        why = "the ledger does not know the window as archived"
        if window.state is RequestState.ARCHIVED:
            try:
                outcome = self.retrieve(window)
            except NotYet:
                raise
            except ExportError as error:
                why = str(error)
            else:
                if isinstance(outcome, Counter):
                    return ""
                why = f"{outcome.by} holds it" if isinstance(outcome, Held) else f"job {outcome[0]} is to be waited for"
            finally:
                self.leases.release(window)
        return f"files came after its receipt was written, and it does not name them: run the interval again ({why})"

    def _held(self, window: Entry) -> list[Entry] | Held:
        """The entries whose jobs bring a held window's recordings, all of them held."""
        found: list[Entry] = []
        for entry in self.lookup.jobs_of(window):
            entry = window if entry.request == window.request else self.leases.hold(entry.request)
            if entry.lease is None:
                return self.leases.held_elsewhere(entry)
            found.append(entry)
        return found

    def _retrieve(self, window: Entry, by: list[Entry]) -> Counter[str] | list[str] | Held:
        pending: list[str] = []
        held: list[Held] = []
        errors: list[ExportError] = []
        with self.retrieval.begun(window, by) as archiving:
            for entry in by:
                try:
                    outcome = self._retrieve_job(archiving, entry)
                except LeaseLost:
                    raise
                except NotYet as error:
                    errors.append(error)
                    continue
                except ExportError as error:
                    logger.error("%s", error)
                    errors.append(error)
                    if isinstance(error, Passing) and (error.retry_after or 0.0) > _SHORT:
                        break
                    continue
                if isinstance(outcome, Held):
                    held.append(outcome)
                else:
                    pending += outcome
        if pending:  # what failed is met again when these have been waited for
            return pending
        if errors:
            raise first_passing(errors)
        if held:
            return soonest(held)
        archiving.check_whole()
        counts = archiving.statement.counts
        self.retrieval.remember(archiving.entry, counts.total(), _parts(by))
        return counts

    def _retrieve_job(self, archiving: Archiving, entry: Entry) -> list[str] | Held:
        """Archive what a job brings; the ids of jobs that must be waited for, where there are any."""
        refuse_canceled(entry)
        job: ExportJob | None = None
        if entry.current is not None and entry.current.status is AttemptStatus.COMPLETED:
            self.await_poll()
            entry, job = self.following.poll(entry)
        if job is None or job.status is not JobStatus.COMPLETED:
            outcome = self.submission.job_ids(entry.request, partial(self.submission.ensure_job, entry.request))
            if outcome == []:
                archiving.take_nothing()
            return outcome
        leftover = self.retrieval.take(archiving, entry, job)
        if leftover is None:
            return []
        logger.warning("Window %s: %s", entry.request, leftover.reason)
        fault = AttemptStatus.EXPIRED if leftover.is_expired else AttemptStatus.WANTING
        again = partial(self.submission.resubmit, entry.request, leftover.reason, leftover.conversations, fault)
        return self.submission.job_ids(entry.request, again)


def counts_of(receipt: Receipt) -> Counter[str]:
    """How many recordings of a receipt have which status."""
    return Counter(str(line.status) for line in receipt)


def refuse_canceled(entry: Entry) -> None:
    """A job that somebody canceled is not replaced behind their back.

    :raises ExportFailed: for an entry whose job was canceled.
    """
    current = entry.current
    if current is not None and current.status is AttemptStatus.CANCELED:
        raise ExportFailed(
            f"job {current.job_id} for window {entry.request} was canceled at Genesys Cloud: "
            f"{current.error or 'without a word'}. Clear the task that submits the window to have it submitted again"
        )


def first_passing(errors: list[ExportError]) -> ExportError:
    """The one of several errors to be raised: a later try may mend what may pass."""
    return next((error for error in errors if isinstance(error, Passing)), errors[0])


def soonest(held: list[Held]) -> Held:
    """The one of several waits that ends first."""
    return min(held, key=lambda one: one.wait)


def _parts(by: list[Entry]) -> list[Entry]:
    return [entry for entry in by if entry.request.conversations]
