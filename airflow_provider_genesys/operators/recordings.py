# SPDX-License-Identifier: Apache-2.0
"""The steps of an export: plan its windows, submit their jobs, retrieve their recordings, reconcile the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, Asset, conf

from airflow_provider_genesys.export.coordinator import Pending
from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.following import Wait
from airflow_provider_genesys.export.leases import Held
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.export.planning import timezone_of
from airflow_provider_genesys.export.reconciliation import what_is_missing
from airflow_provider_genesys.links.recordings import JobLink, ManifestLink, ReceiptLink, ReportLink
from airflow_provider_genesys.operators.arguments import (
    filters_of,
    flag,
    interval_of,
    job_ids_of,
    media_format_of,
    media_of,
    number,
    object_of,
    windows_of,
)
from airflow_provider_genesys.operators.base import (
    DEADLINE,
    ExportOperator,
    WindowOperator,
    airflow_errors,
    deadline_from_now,
    outcome_of,
    run_of,
)
from airflow_provider_genesys.triggers.recordings import REFUSED, TIMEOUT
from airflow_provider_genesys.versions import DateTimeTrigger, why_backfill_would_hang
from airflow_provider_genesys.wiring import DEFAULT_CONCURRENCY, DEFAULT_KEY_TEMPLATE

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_genesys.export.coordinator import Coordinator
    from airflow_provider_genesys.export.metering import Figure
    from airflow_provider_genesys.export.model import ExportRequest, Organisation
    from airflow_provider_genesys.export.reconciliation import Report
    from airflow_provider_genesys.lineage import Lineage

_MISSING_SHOWN = 20


class SelectingOperator(ExportOperator):
    """A step that says what is selected.

    :param media_format: ``mp3``, ``wav``, ``original``, or ``auto``: mp3 with ``guide``, original with the others. With
        ``guide`` it must be said (guide, section 1), with the others it is ``auto`` by default (templated).
    :param filters: a JSON object, or its text: with ``guide`` merged into the job's ``filter``; else any of
        ``queueId``, ``userId``, ``divisionId``, ``direction``, ``wrapUpCode``, ``minDurationSeconds`` (templated).
    :param media: with the others, any of ``audio``, ``screen``, ``chat``, ``email``, ``message`` (templated).
    """

    template_fields: Sequence[str] = (*ExportOperator.template_fields, "media_format", "filters", "media")

    def __init__(
        self,
        *,
        media_format: str | None = None,
        filters: Mapping[str, Any] | str | None = None,
        media: Sequence[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.media_format = media_format
        self.filters = filters
        self.media = media

    def _request(self, coordinator: Coordinator, window: ExportWindow) -> ExportRequest:
        """What is asked for a window."""
        return coordinator.request(
            window, media_format_of(self.media_format), filters_of(self.filters), media_of(self.media)
        )


class PlanExportOperator(SelectingOperator):
    """Cuts an interval into windows by volume: a calendar day, blocks of 6 hours, 1 hour, 15 minutes.

    The interval is the run's data interval, or ``start`` to ``end``. It waits, deferred, until recordings have settled.
    A day is cut once; later runs find the same windows in the ledger. See the guide's edge case 1.

    :param settle_minutes: how long after the interval's end planning waits (templated).
    :param start: ISO 8601 time with a zone; wins over the data interval together with ``end`` (templated).
    :param end: ISO 8601 time with a zone (templated).
    :param force: cut anew instead of finding the windows of an earlier run (templated).
    :param timezone: whose calendar days count; the DAG's by default.
    :param dry_run: plan, and count what each window would bring: exactly where the connection's API is ``bulk``, whose
        jobs count before they export and are discarded then; by its estimates elsewhere (templated).
    :return: a list of windows, each an object with ``start`` and ``end``. With ``dry_run`` a list of objects with
        ``window``, ``recordings`` and ``exact``, which no task can export by mistake.
    """

    template_fields: Sequence[str] = (
        *SelectingOperator.template_fields,
        "settle_minutes",
        "start",
        "end",
        "force",
        "is_dry_run",
    )

    def __init__(
        self,
        *,
        settle_minutes: float | str = 60.0,
        start: str | None = None,
        end: str | None = None,
        force: bool | str = False,
        timezone: str | None = None,
        dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.settle_minutes = settle_minutes
        self.start = start
        self.end = end
        self.force = force
        self.timezone = timezone
        self.is_dry_run = dry_run  # dry_run is a method of every operator's

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Wait for the interval to settle, then plan."""
        return self._begin(context)

    def _begin(self, context: Context, counted: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
        with self._patiently(counted=counted):
            if remedy := why_backfill_would_hang(context):
                raise InvalidInput(f"this backfill would never see the tasks mapped over these windows: {remedy}")
            is_dry = flag("dry_run", self.is_dry_run)
            interval = interval_of(context, self.start, self.end)
            self._defer_until_settled(interval)
            coordinator = self._coordinator(context)
            selection = self._request(coordinator, interval)
            windows = coordinator.plan(selection, self._timezone, self._limit, force=flag("force", self.force))
            longest = conf.getint("core", "max_map_length", fallback=1024)
            if len(windows) > longest:
                raise InvalidInput(
                    f"{interval} makes {len(windows)} windows, more than the {longest} that Airflow maps at once: "
                    "export a shorter interval, or raise AIRFLOW__CORE__MAX_MAP_LENGTH"
                )
        if is_dry:
            return self._counted(coordinator, selection, windows, counted or [])
        return [window.to_dict() for window in windows]

    def _counted(
        self,
        coordinator: Coordinator,
        selection: ExportRequest,
        windows: Sequence[ExportWindow],
        counted: list[dict[str, Any]],
    ) -> list[dict[str, Any]]:
        """What each window would bring.

        :param counted: what was counted before this task waited for a slot.
        """
        for window in windows[len(counted) :]:
            with self._patiently(counted=counted):
                forecast = coordinator.forecast(replace(selection, window=window))
            exactly = "exactly" if forecast.is_exact else "an estimate"
            self.log.info("%s would bring %d recordings (%s)", window, forecast.recordings, exactly)
            counted = [*counted, forecast.to_dict()]
        return counted

    def _defer_until_settled(self, interval: ExportWindow) -> None:
        settled = interval.end + timedelta(minutes=number("settle_minutes", self.settle_minutes))
        if settled > datetime.now(UTC):
            self.log.info("Recordings of %s have settled by %s: planning waits for that", interval, settled)
            self.defer(trigger=DateTimeTrigger(moment=settled), method_name="execute_again")

    @property
    def _timezone(self) -> tzinfo:
        return timezone_of(self.timezone) if self.timezone else self.dag.timezone


class SubmitExportOperator(SelectingOperator, WindowOperator):
    """Sees to it that a window has one export job, whoever else asks, whatever died before.

    A window whose receipt proves it archived is left alone. One that has a job goes on with it. One that another run is
    submitting is waited for, deferred. See the guide's edge case 3.

    :param window: an object with ``start`` and ``end``, as the planner returns it (templated).
    :param destination: the archive's URI (templated).
    :param force: begin the window's budget afresh, and export it again (templated).
    :return: a list of job ids: one; several where the window was split, or where the API's jobs take a part of a
        window; none for a window without recordings.
    """

    template_fields: Sequence[str] = (*SelectingOperator.template_fields, "window", "destination", "force")
    operator_extra_links = (JobLink(), ReceiptLink())

    def __init__(
        self, *, window: Mapping[str, str], destination: str, force: bool | str = False, **kwargs: Any
    ) -> None:
        super().__init__(window=window, **kwargs)
        self.destination = destination
        self.force = force

    def execute(self, context: Context) -> list[str]:
        """Claim the window, then submit its job."""
        return self._begin(context)

    def _begin(self, context: Context) -> list[str]:
        with self._patiently():
            force_run = run_of(context) if flag("force", self.force) else ""
            coordinator = self._coordinator(context, self.destination)
            window = ExportWindow.parse(self.window)
            request = self._request(coordinator, window)
            self._link(context, self.destination, window=window)
            outcome = coordinator.submit(request, force_run)
            if isinstance(outcome, list):
                self._link(context, self.destination, window=window, job_ids=outcome)
        if isinstance(outcome, Held):
            self._defer_for_lease(outcome)
        return outcome


class RetrieveRecordingsOperator(WindowOperator):
    """Streams the recordings of completed jobs into the archive, with their manifests and receipts.

    Job ids are all it is given: URLs are fetched afresh, and are never in XCom. Where they run out, the job is
    resubmitted within its budget and waited for, deferred; what is archived by then is not fetched again. See the
    guide's section 3 and edge case 2.

    :param job_ids: a list of job ids, or a single one (templated).
    :param destination: the archive's URI (templated).
    :param key_template: where recordings lie below the destination, such as
        ``recordings/{date}/{queue_id}/{recording_id}.{ext}`` (templated; its own fields have single braces). Recordings
        that are archived stay where they are when it changes.
    :param concurrency: recordings at a time.
    :param window: the jobs' window: names the task where it is mapped, and its link to the receipt (templated).
    :param upload_args: options of S3 for each object, by boto3's names: ``ServerSideEncryption``, ``SSEKMSKeyId``,
        ``StorageClass``, ``Tagging``, ``ObjectLockMode`` and others. They win over the connection's extra
        ``upload_args`` (templated).
    :return: counts by what became of the recordings.
    """

    template_fields: Sequence[str] = (
        *WindowOperator.template_fields,
        "job_ids",
        "destination",
        "key_template",
        "upload_args",
    )
    operator_extra_links = (JobLink(), ManifestLink(), ReceiptLink())
    _moved: tuple[Organisation, str, Mapping[Figure, int]] | None = None

    def __init__(
        self,
        *,
        job_ids: list[str] | str,
        destination: str,
        key_template: str = DEFAULT_KEY_TEMPLATE,
        concurrency: int = DEFAULT_CONCURRENCY,
        upload_args: Mapping[str, Any] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_ids = job_ids
        self.destination = destination
        self.key_template = key_template
        self.concurrency = concurrency
        self.upload_args = upload_args

    def execute(self, context: Context) -> dict[str, int]:
        """Retrieve, or wait for what replaces a job."""
        return self._begin(context)

    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None, deadline: float | None = None
    ) -> dict[str, int]:
        """Go on after a wait for resubmitted jobs."""
        with airflow_errors():
            status, job_ids = outcome_of(event)
        deadline = deadline or deadline_from_now(DEADLINE.total_seconds())
        if status == TIMEOUT:
            self._give_up(context, job_ids)
            raise AirflowFailException(f"jobs {', '.join(job_ids)} did not complete within {DEADLINE}")
        if status == REFUSED:
            self._meet_refusal(context, job_ids)
        if status == Wait.COMPLETED:
            return self._retrieve(context, job_ids, deadline)
        with self._patiently(deadline=deadline):
            healed = self._coordinator(context, self.destination).heal(job_ids)
        if isinstance(healed, Held):
            self._defer_for_lease(healed, deadline=deadline)
        return self._defer_for_jobs(context, healed, deadline)

    def _begin(self, context: Context, deadline: float | None = None) -> dict[str, int]:
        return self._retrieve(context, self.job_ids, deadline or deadline_from_now(DEADLINE.total_seconds()))

    def _retrieve(self, context: Context, job_ids: Any, deadline: float) -> dict[str, int]:
        with self._patiently(deadline=deadline):
            coordinator = self._coordinator(
                context,
                self.destination,
                concurrency=self.concurrency,
                key_template=self.key_template,
                upload_args=object_of("upload_args", self.upload_args),
            )
            jobs = job_ids_of(job_ids)
            window = ExportWindow.parse(self.window) if self.window else None
            self._link(context, self.destination, job_ids=jobs, window=window)
            self._moved = (coordinator.organisation, coordinator.destination, coordinator.meter.counts)
            outcome = coordinator.retrieve(jobs)
        if isinstance(outcome, Held):
            self._defer_for_lease(outcome, deadline=deadline)
        if isinstance(outcome, Pending):
            self._defer_for_jobs(context, outcome.job_ids, deadline)
        return dict(outcome)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage | None:
        """From the organisation to the archive, with what was archived, also by a task that failed in the end."""
        from airflow_provider_genesys.lineage import of_retrieval

        return of_retrieval(*self._moved) if self._moved else None


class ReconcileExportOperator(SelectingOperator):
    """Holds an interval's receipts against its manifests, archives the report, and fails where anything is missing.

    :param windows: what the planner returned; a single one may come by itself (templated).
    :param destination: the archive's URI (templated).
    :param on_unavailable: ``report`` or ``fail``: what becomes of a day with recordings that the platform could not
        provide (templated).
    :param verify: hold sizes and checksums of all that is stored against the receipts, too: one listing for every 1,000
        objects. What no listing can vouch for is read (templated).
    :param start: as the planner's (templated).
    :param end: as the planner's (templated).
    :param index: write the receipts as one Parquet file, too, under ``index/``: needs the extra ``[parquet]``. None:
        where that is installed.
    :return: the report's counts. Assets in ``outlets`` get an event with the interval and its counts as ``extra``.
    """

    template_fields: Sequence[str] = (
        *SelectingOperator.template_fields,
        "windows",
        "destination",
        "on_unavailable",
        "verify",
        "start",
        "end",
    )
    operator_extra_links = (ReportLink(),)
    _stated: tuple[Organisation, str, Mapping[str, Any]] | None = None

    def __init__(
        self,
        *,
        windows: Iterable[Mapping[str, str]] | Mapping[str, str],
        destination: str,
        on_unavailable: str = "report",
        verify: bool | str = False,
        start: str | None = None,
        end: str | None = None,
        index: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.windows = windows
        self.destination = destination
        self.on_unavailable = on_unavailable
        self.verify = verify
        self.start = start
        self.end = end
        self.index = index

    def execute(self, context: Context) -> dict[str, Any]:
        """Reconcile, and say so loudly if the interval is incomplete."""
        return self._begin(context)

    def _begin(self, context: Context) -> dict[str, Any]:
        if self.windows is None:
            raise AirflowFailException("the interval was not planned, so that nothing can be said of it: see the plan")
        with self._patiently():
            self._check_arguments()
            verify = flag("verify", self.verify)
            coordinator = self._coordinator(context, self.destination)
            interval = interval_of(context, self.start, self.end)
            selection = self._request(coordinator, interval)
            self._link(context, self.destination, interval=interval)
            report = coordinator.reconcile(selection, windows_of(self.windows), verify=verify, index=self.index)
        self.log.info("%s: %s", interval, ", ".join(f"{number} {what}" for what, number in report.counts().items()))
        outcome = report.outcome()
        self._stated = (coordinator.organisation, report.destination, outcome)
        if fault := self._fault(report):
            raise AirflowFailException(fault)
        self._announce(context, outcome)
        return report.counts()

    def _check_arguments(self) -> None:
        if self.on_unavailable not in ("report", "fail"):
            raise InvalidInput(f"on_unavailable must be report or fail, not {self.on_unavailable!r}")

    def _fault(self, report: Report) -> str:
        """What is missing of an interval that is not as it should be; else empty."""
        is_whole = report.is_complete and not (report.unavailable and self.on_unavailable == "fail")
        return "" if is_whole else what_is_missing(report.to_dict(), _MISSING_SHOWN)

    def _announce(self, context: Context, outcome: Mapping[str, Any]) -> None:
        """Tell who waits for the assets in ``outlets`` what came."""
        for asset in self.outlets:
            if isinstance(asset, Asset):
                context["outlet_events"][asset].extra = dict(outcome)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage | None:
        """From the organisation to the archive, with what the interval came to, complete or not."""
        from airflow_provider_genesys.lineage import of_reconciliation

        return of_reconciliation(*self._stated) if self._stated else None
