# SPDX-License-Identifier: Apache-2.0
"""The steps of a recheck that are not an export's own: what came late is found out, and the days of it reconciled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

import pendulum
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, conf

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.export.planning import calendar_days, timezone_of
from airflow_provider_genesys.operators.arguments import flag, interval_of, number, windows_of
from airflow_provider_genesys.operators.base import run_of
from airflow_provider_genesys.operators.recordings import ReconcileExportOperator, SelectingOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_genesys.export.reconciliation import Report


class PlanRecheckOperator(SelectingOperator):
    """Counts archived windows again, and returns those of which the platform has more by now.

    Recordings appear hours after hang-up, and what was archived at Genesys Cloud comes back. The windows that are new
    are exported by the same steps as any other: what they have archived is neither fetched nor asked for again. A day
    of which nothing is new costs one request. What was never exported is left to a backfill.

    :param destination: the archive's URI, whose receipts are what counts are held against (templated).
    :param days: how many days are counted again, the last ones that have settled (templated).
    :param settle_minutes: how long after its end a day has settled (templated).
    :param start: midnight of the first day, an ISO 8601 time with a zone; wins over ``days`` together with ``end``
        (templated).
    :param end: midnight after the last day (templated).
    :param timezone: whose calendar days count; the DAG's by default.
    :return: a list of windows, each an object with ``start`` and ``end``.
    """

    template_fields: Sequence[str] = (
        *SelectingOperator.template_fields,
        "destination",
        "days",
        "settle_minutes",
        "start",
        "end",
    )

    def __init__(
        self,
        *,
        destination: str,
        days: int | str = 30,
        settle_minutes: float | str = 60.0,
        start: str | None = None,
        end: str | None = None,
        timezone: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination = destination
        self.days = days
        self.settle_minutes = settle_minutes
        self.start = start
        self.end = end
        self.timezone = timezone

    def execute(self, context: Context) -> list[dict[str, str]]:
        """Count day after day."""
        return self._begin(context)

    def _begin(self, context: Context) -> list[dict[str, str]]:
        news: list[ExportWindow] = []
        longest = conf.getint("core", "max_map_length", fallback=1024)
        with self._patiently():
            coordinator = self._coordinator(context, self.destination)
            for day in self._settled_days(context):
                selection = self._request(coordinator, day)
                news += coordinator.recheck(selection, self._zone, self._limit, run_of(context))
                if len(news) >= longest:
                    self.log.warning(
                        "Something is new in %d windows, as many as are mapped: the rest comes next", longest
                    )
                    break
        self.log.info("Something is new in %d windows", len(news))
        return [window.to_dict() for window in news[:longest]]

    def _settled_days(self, context: Context) -> Iterator[ExportWindow]:
        """The days to count again, the newest last.

        :raises InvalidInput: for an interval that is none, or not over yet.
        """
        if self.start or self.end:
            return calendar_days(interval_of(context, self.start, self.end), self._zone)
        days = int(number("days", self.days))
        if days < 1:
            raise InvalidInput(f"days must be at least 1, not {days}")
        settled = datetime.now(UTC) - timedelta(minutes=number("settle_minutes", self.settle_minutes))
        end = pendulum.instance(settled).in_timezone(self._zone).start_of("day")  # type: ignore[arg-type]
        return calendar_days(ExportWindow(end.subtract(days=days), end), self._zone)

    @property
    def _zone(self) -> tzinfo:
        return timezone_of(self.timezone) if self.timezone else self.dag.timezone


class ReconcileRecheckOperator(ReconcileExportOperator):
    """Reconciles each day of which a recheck has found something new; its report tells how much. Fails where anything
    is missing, and is skipped where nothing came late. Its link leads to the report of the newest day.

    :param windows: what :class:`PlanRecheckOperator` returned; a single one may come by itself (templated).
    :param timezone: whose calendar days count; the DAG's by default.
    :return: ``days`` and ``new``, the recordings that came late. Assets in ``outlets`` get an event with the counts of
        these days, from the first one's start to the last one's end.
    """

    def __init__(self, *, timezone: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.timezone = timezone

    def _begin(self, context: Context) -> dict[str, Any]:
        if self.windows is None:
            raise AirflowFailException("the recheck was not planned, so that nothing can be said of it: see the plan")
        reports, faults, new = [], [], 0
        with self._patiently():
            self._check_arguments()
            coordinator = self._coordinator(context, self.destination)
            days = self._days_with_news()
            for day in days:
                self._link(context, self.destination, interval=day)
                report = coordinator.reconcile_recheck(
                    self._request(coordinator, day),
                    self._limit,
                    run_of(context),
                    verify=flag("verify", self.verify),
                    index=self.index,
                )
                of_day = sum(one["new"] or 0 for one in report.rechecks if one["run"] == run_of(context))
                counts = ", ".join(f"{number} {what}" for what, number in report.counts().items())
                self.log.info("%s: %d came late; %s", day, of_day, counts)
                new += of_day
                reports.append(report)
                if fault := self._fault(report):
                    faults.append(fault)
        if not days:
            raise AirflowSkipException("nothing came late")
        outcome = _outcome_of(reports)
        self._stated = (coordinator.organisation, coordinator.destination, outcome)
        if faults:
            raise AirflowFailException("\n".join(faults))
        self._announce(context, outcome)
        return {"days": len(days), "new": new}

    def _days_with_news(self) -> list[ExportWindow]:
        """The calendar days of the windows, oldest first."""
        zone = timezone_of(self.timezone) if self.timezone else self.dag.timezone
        midnights = {
            window.start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
            for window in windows_of(self.windows)
        }
        return sorted(
            next(calendar_days(ExportWindow(midnight, midnight + timedelta(days=2)), zone)) for midnight in midnights
        )


def _outcome_of(reports: Sequence[Report]) -> dict[str, Any]:
    """What days came to together, in the words of one day's outcome.

    :param reports: of the days, oldest first.
    """
    outcomes = [report.outcome() for report in reports]
    counts = {what: sum(one[what] for one in outcomes) for what, value in outcomes[0].items() if isinstance(value, int)}
    return {**counts, "start": outcomes[0]["start"], "end": outcomes[-1]["end"]}
