# SPDX-License-Identifier: Apache-2.0
"""The service behind the operators: plan, submit, follow, resubmit, retrieve, reconcile (design, section 5).

Whatever heals a window - an expired URL, a failed job, a split, a crash - is reached from here, once.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from functools import cached_property, partial
from typing import Any

from airflow_provider_genesys.export.abandonment import Abandonment
from airflow_provider_genesys.export.entry import Entry, RequestState
from airflow_provider_genesys.export.errors import (
    ExportError,
    InvalidInput,
    LeaseLost,
    NotYet,
    Passing,
)
from airflow_provider_genesys.export.following import Following, Progress
from airflow_provider_genesys.export.forecast import Forecast, forecast
from airflow_provider_genesys.export.leases import Held, Leases
from airflow_provider_genesys.export.lookup import Lookup
from airflow_provider_genesys.export.metering import Figure, Meter
from airflow_provider_genesys.export.model import (
    AUDIO,
    ExportRequest,
    ExportWindow,
    Organisation,
    Receipt,
    canonical_key,
)
from airflow_provider_genesys.export.pace import Pace
from airflow_provider_genesys.export.planning import calendar_days, check_availability, cut_day
from airflow_provider_genesys.export.ports import Archive, ExportApi, Ledger
from airflow_provider_genesys.export.recheck import Found, Rechecking, concluded
from airflow_provider_genesys.export.reconciliation import Report, WindowBalance, balance, lines_of, verified
from airflow_provider_genesys.export.retrieval import Retrieval
from airflow_provider_genesys.export.submission import Submission
from airflow_provider_genesys.export.turns import Turns
from airflow_provider_genesys.export.volumes import Volumes
from airflow_provider_genesys.export.windows import Windows, first_passing, refuse_canceled, soonest

logger = logging.getLogger(__name__)

_LONGEST_WAIT_FOR_BUDGET = 180.0


@dataclass(frozen=True)
class Pending:
    """The window waits for jobs again, since a job had to be replaced or has not completed."""

    job_ids: list[str]


@dataclass(frozen=True)
class Coordinator:
    """Brings windows of one organisation into one archive, for one owner of leases.

    :param owner: names the orchestrator in the ledger: the same for all tasks and tries of one window in a DAG run.
    :param archive: None for steps that do without one.
    :param meter: takes in what the steps come to.
    :param turns: what the waits of this process share that follow jobs of this organisation; one's own without.
    """

    organisation: Organisation
    api: ExportApi
    ledger: Ledger
    owner: str
    pace: Pace = field(default_factory=Pace)
    archive: Archive | None = None
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    meter: Meter = field(default_factory=Meter)
    turns: Turns = field(default_factory=Turns)

    def request(
        self,
        window: ExportWindow,
        media_format: str = "",
        filters: Mapping[str, Any] | None = None,
        media: Sequence[str] = AUDIO,
    ) -> ExportRequest:
        """What is asked of this coordinator's organisation for a window.

        :param media_format: empty where none is said, which not every API takes.
        :raises InvalidInput: for what the organisation's API can't be asked for.
        """
        return self.api.checked(ExportRequest(self.organisation, window, media_format, filters or {}, tuple(media)))

    def plan(
        self,
        selection: ExportRequest,
        timezone: tzinfo,
        max_recordings_per_job: int,
        *,
        force: bool = False,
    ) -> list[ExportWindow]:
        """Cut the window of ``selection``, an interval, into the windows of its jobs.

        A day is cut once: a later run finds the same windows in the ledger, hence the same requests.

        :param timezone: whose calendar days count.
        :param max_recordings_per_job: the limit above which a window is subdivided.
        :param force: cut anew.
        :raises Passing: among others where the platform does not yet know all that was recorded in the interval.
        """
        windows: list[ExportWindow] = []
        for day in calendar_days(selection.window, timezone):
            windows += self._plan_day(replace(selection, window=day), timezone, max_recordings_per_job, force)
        return windows

    def submit(self, request: ExportRequest, force_run: str = "") -> list[str] | Held:
        """See to it that the request has a job, unless it is archived.

        :param force_run: names the run that wants the window exported again; empty otherwise.
        :return: the ids of its jobs: one; several after a split, or where the API's jobs take a part of a window; none
            for a window without recordings, which is archived so. :class:`Held` where another process submits it.
        :raises ExportFailed: where the budget is used up, or the platform refuses the job.
        """
        if self.api.delivers:
            tuple(self._the_archive.delivered({}))  # refuses a destination that nothing could arrive in
        entry = self.ledger.entry(request.key)
        is_begun_for_this_run = entry is not None and entry.forced_by == force_run
        if not force_run or is_begun_for_this_run:
            archived = self._archived(request, entry)
            if archived is not None:
                logger.info("Window %s is archived already: nothing to do", request.window)
                return archived
        outcome = self._submission.job_ids(request, lambda: self._submission.ensure_job(request, force_run))
        if not isinstance(outcome, Held):
            self._archive_empty(request)
        return outcome

    def recheck(
        self, day: ExportRequest, timezone: tzinfo, max_recordings_per_job: int, run: str
    ) -> list[ExportWindow]:
        """Count the windows of a calendar day again that are archived here, and say so in the day's report.

        :param run: names the DAG run.
        :return: the windows that have something new, to be submitted as any other.
        :raises Passing: where the platform can't say now.
        """
        windows = self._windows_of_day(day, max_recordings_per_job)
        if windows or not self._rechecking.was_empty(day):
            return list(self._rechecking.day(day, windows, run))
        planned = self._plan_day(day, timezone, max_recordings_per_job, force=False)
        self._rechecking.note(day, run, Found(news=planned), 0)
        return list(planned)

    def reconcile_recheck(
        self,
        day: ExportRequest,
        max_recordings_per_job: int,
        run: str,
        *,
        verify: bool = False,
        index: bool | None = None,
    ) -> Report:
        """Reconcile a calendar day of which a recheck has found something new; its report tells how much.

        :param run: as :meth:`recheck` was given it.
        """
        windows = [request.window for request in self._windows_of_day(day, max_recordings_per_job)]
        return self.reconcile(day, windows, verify=verify, index=index, recheck=run)

    def forecast(self, request: ExportRequest) -> Forecast:
        """How many recordings an export of a window would bring; nothing is exported.

        :raises NotYet: where there is no room for another job now.
        """
        pace = self.pace
        return forecast(request, self.api, self._await_poll_budget, pace.poll_interval, self.sleep, self.meter)

    def follow(self, job_ids: list[str], ahead: float = 0.0) -> Progress:
        """One step of the wait for jobs: poll what is due, within the budget.

        :param ahead: seconds for which a poll may be reserved ahead; for callers that go on with this coordinator.
        """
        entries = self._lookup.entries_of(str(self.organisation), job_ids, to_renew=True)
        return self._following.step(entries, ahead)

    def give_up(self, job_ids: list[str]) -> None:
        """Wait no more for jobs: those of them that nobody has started by now are discarded."""
        self._abandonment.let_go(entry.request for entry in self._entries(job_ids))

    def current_jobs(self, job_ids: list[str]) -> list[str]:
        """The jobs that stand for these now, after resubmissions and splits."""
        entries = self._entries(job_ids)
        return [entry.current.job_id for entry in entries if entry.current and entry.current.job_id]

    def heal(self, job_ids: list[str]) -> list[str] | Held:
        """Replace what ended badly: resubmit within the budget, or split what was too large.

        :raises ExportFailed: where the budget is used up, or somebody canceled a job.
        """
        healed: list[str] = []
        for entry in self._entries(job_ids):
            refuse_canceled(entry)
            outcome = self._submission.job_ids(entry.request, partial(self._submission.ensure_job, entry.request))
            if isinstance(outcome, Held):
                return outcome
            healed += outcome
        return healed

    def resubmit(self, request: ExportRequest, reason: str) -> list[str] | Held:
        """Replace a completed job whose URLs ran out by a new one, within the budget.

        :raises ExportFailed: where the budget is used up, or the platform refuses the job.
        """
        return self._submission.job_ids(request, lambda: self._submission.resubmit(request, reason))

    def retrieve(self, job_ids: list[str]) -> Counter[str] | Pending | Held:
        """Archive what the jobs' windows hold, and their receipts. A window's failure doesn't keep the others waiting.

        :return: counts by status, over all windows; :class:`Pending` where a job had to be replaced; :class:`Held`
            where another orchestrator has a window.
        :raises Passing: where a later try may have more luck.
        :raises ExportFailed: where it can't.
        """
        counts: Counter[str] = Counter()
        pending: list[str] = []
        held: list[Held] = []
        errors: list[ExportError] = []
        for window in self._lookup.windows_by(self._entries(job_ids)):
            try:
                outcome = self._windows.retrieve(window)
            except LeaseLost as error:
                logger.warning("%s", error)
                outcome = self._leases.held_elsewhere(self.ledger.entry(window.request.key) or window)
            except ExportError as error:
                logger.log(logging.INFO if isinstance(error, NotYet) else logging.ERROR, "%s", error)
                errors.append(error)
                continue
            if isinstance(outcome, Held):
                held.append(outcome)
            elif isinstance(outcome, list):
                pending += outcome
            else:
                counts.update(outcome)
        if pending:  # what failed is met again when these have been waited for
            return Pending(list(dict.fromkeys([*job_ids, *pending])))
        if errors:
            raise first_passing(errors)
        return soonest(held) if held else counts

    def reconcile(
        self,
        selection: ExportRequest,
        windows: Collection[ExportWindow],
        *,
        verify: bool = False,
        index: bool | None = None,
        recheck: str = "",
    ) -> Report:
        """Hold the receipts of an interval's windows against their manifests, and archive the report.

        :param selection: the interval, as a request.
        :param windows: as they were planned; splits are followed.
        :param verify: hold what is stored against the receipts, too.
        :param index: archive the receipts as one table as well; None: where that is possible.
        :param recheck: the run of a recheck that is at its end; empty otherwise.
        :raises InvalidInput: where ``index`` is asked for and not possible, before anything is read.
        :raises NotYet: while the platform is delivering something that no receipt names.
        """
        archive = self._the_archive
        if index and not archive.can_index:
            raise InvalidInput("index needs pyarrow: install airflow-provider-genesys[parquet] where the task runs")
        found = [entry for window in windows for entry in self._lookup.windows_of(replace(selection, window=window))]
        entries = sorted(found, key=lambda one: one.request.window)
        balances = tuple(self._balance(entry) for entry in entries)
        rechecks = concluded(archive.report(selection.window), recheck, sum(one.archived for one in balances))
        report = Report(selection.window, archive.destination, selection.media_format, balances, rechecks=rechecks)
        requests = [entry.request for entry in entries]
        self._abandonment.let_go(replace(selection, window=window) for window in windows)
        if verify:
            report = verified(report, requests, archive)
        archive.put_report(selection.window, report.to_dict())
        if archive.can_index and index is not False:
            archive.put_index(selection.window, lines_of(requests, archive))
        return report

    @property
    def destination(self) -> str:
        """The archive's URI, as the ledger remembers it.

        :raises InvalidInput: where there is no archive.
        """
        return self._the_archive.destination

    def _balance(self, entry: Entry) -> WindowBalance:
        """What a window comes to, with all that has been delivered of it by now."""
        fault = self._windows.catch_up(entry) if self.api.delivers else ""
        balanced = balance(entry, self._lookup.jobs_of(entry), self._the_archive)
        return replace(balanced, errors=(*balanced.errors, fault)) if fault else balanced

    @cached_property
    def _abandonment(self) -> Abandonment:
        return Abandonment(self.api, self.ledger, self._leases)

    def _await_availability(self, interval: ExportWindow) -> None:
        """The platform may learn hours later what was recorded: what is looked for earlier would be incomplete."""
        until = self.api.available_until()
        if until is not None:
            check_availability(interval, until)

    def _archive_empty(self, request: ExportRequest) -> None:
        """What still has neither a job nor parts after its submission holds no recording."""
        for entry in self._lookup.windows_of(request):
            held = self._leases.hold(entry.request) if entry.current is None and not entry.parts else entry
            if held.lease is not None:
                with self._retrieval.begun(held, ()) as archiving:
                    archiving.take_nothing()
                self._retrieval.remember(archiving.entry, archiving.statement.counts.total())

    def _plan_day(self, day: ExportRequest, timezone: tzinfo, limit: int, force: bool) -> Sequence[ExportWindow]:
        key = _plan_key(day, limit)
        kept = None if force else self.ledger.plan(key)
        if kept is not None:
            logger.info("%s was cut into %d windows before", day.window, len(kept))
            return kept
        self._await_availability(day.window)
        windows = cut_day(day.window, Volumes(self.api, self.ledger, day, timezone), limit)
        logger.info("%s is cut into %d windows", day.window, len(windows))
        if not windows:
            return windows
        return self.ledger.keep_plan(key, windows, replace=force)

    def _archived(self, request: ExportRequest, entry: Entry | None) -> list[str] | None:
        """The ids of the request's jobs, if the archive holds it whole; the ledger is told where it forgot that."""
        if entry is not None and entry.children:
            requests = [replace(request, window=window) for window in entry.children]
            children = [(child, self.ledger.entry(child.key)) for child in requests]
            if entry.forced_by and any(known is None or known.forced_by != entry.forced_by for _, known in children):
                return None  # what began the parent afresh died before it came to its children
            found = [self._archived(child, known) for child, known in children]
            return None if None in found else [job_id for job_ids in found for job_id in job_ids or ()]
        by = self._lookup.jobs_of(entry) if entry else []
        receipt = self._retrieval.proof(request, entry, by)
        if receipt is None:
            return None
        if any(one.state is RequestState.FAILED for one in by):
            self._remember_anew(request, receipt, by)
        known = [attempt.job_id for one in by for attempt in one.attempts[-1:] if attempt.job_id]
        if known or not receipt:
            return known
        self._submission.restore(request, receipt[-1].job_id, self._the_archive.destination)
        return [receipt[-1].job_id]

    def _remember_anew(self, request: ExportRequest, receipt: Receipt, by: Iterable[Entry]) -> None:
        """It failed for another destination since: that must not fail the wait for this one."""
        entry = self._leases.hold(request)
        if entry.lease is not None:
            self._retrieval.remember(entry, len(receipt), [one for one in by if one.request.conversations])

    def _entries(self, job_ids: Iterable[str]) -> list[Entry]:
        return self._lookup.entries_of(str(self.organisation), job_ids)

    def _await_poll_budget(self) -> None:
        reserved = self.ledger.reserve(
            str(self.organisation), "polls", self.pace.polls_per_minute, within=_LONGEST_WAIT_FOR_BUDGET
        )
        self.meter.gauge(Figure.POLLS_LEFT, reserved.left)
        if not reserved.granted:
            raise Passing("the organisation's poll budget is reserved for minutes ahead", reserved.wait)
        self.sleep(reserved.wait)

    @property
    def _the_archive(self) -> Archive:
        if self.archive is None:
            raise InvalidInput("this step needs a destination, such as s3://bucket/prefix")
        return self.archive

    @cached_property
    def _leases(self) -> Leases:
        return Leases(self.ledger, self.owner, self.pace.lease_seconds)

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self.ledger, self._leases)

    @cached_property
    def _submission(self) -> Submission:
        return Submission(self.api, self.ledger, self._leases, self.sleep, self.meter)

    @cached_property
    def _following(self) -> Following:
        return Following(self.api, self.ledger, self._leases, self.pace, self.meter, self.turns)

    @cached_property
    def _retrieval(self) -> Retrieval:
        return Retrieval(
            self.api,
            self.ledger,
            self._the_archive,
            self._leases,
            self.clock,
            self.sleep,
            self.pace.max_poll_interval,
            self.meter,
        )

    @cached_property
    def _rechecking(self) -> Rechecking:
        return Rechecking(self.api, self.ledger, self._the_archive, self._leases, self._lookup, self._retrieval)

    def _windows_of_day(self, day: ExportRequest, limit: int) -> list[ExportRequest]:
        return self._rechecking.windows(day, self.ledger.plan(_plan_key(day, limit)))

    @cached_property
    def _windows(self) -> Windows:
        return Windows(
            self._leases, self._submission, self._lookup, self._following, self._retrieval, self._await_poll_budget
        )


def _plan_key(day: ExportRequest, limit: int) -> str:
    return canonical_key({"day": day.key, "max_recordings_per_job": limit})
