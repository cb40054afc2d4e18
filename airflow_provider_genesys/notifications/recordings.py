# SPDX-License-Identifier: Apache-2.0
"""One message for a day that failed: what is missing of it, why, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG, BaseNotifier

from airflow_provider_genesys.export.errors import ExportError
from airflow_provider_genesys.export.reconciliation import what_is_missing
from airflow_provider_genesys.operators.arguments import interval_of
from airflow_provider_genesys.wiring import pages, report

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_CLEAR = "Mend the cause, clear the windows' tasks that failed, then reconcile: what is archived is not fetched again."
_LOOK = "The log of the first task that failed says why, and what to do; clear it once that is mended."


class ExportFailureNotifier(BaseNotifier):
    """Says in one message what is missing of a run's interval: the ``on_failure_callback`` of the task that reconciles.

    That task runs whatever became of the others, hence it calls back once for each run that failed. The archive alone
    is asked, for the interval's report. So a DAG's own callback may be this one, too: Airflow 3 runs it in the DAG
    processor. Airflow 2.11 can't, where mapped tasks were never expanded. Whatever can't be found out, a message is
    sent.

    :param send: takes the message; by default it is logged as an error.
    :param destination: the archive's URI (templated).
    :param start: as the planner's (templated).
    :param end: as the planner's (templated).
    :param shown: how many recordings are named at most.
    """

    def __init__(
        self,
        *,
        send: Callable[[str], Any] | None = None,
        destination: str = "{{ params.destination }}",
        start: str = "{{ params.start or '' }}",
        end: str = "{{ params.end or '' }}",
        shown: int = 5,
    ) -> None:
        super().__init__()
        self.send = send or self._write_down
        self.destination = destination
        self.start = start
        self.end = end
        self.shown = shown

    def notify(self, context: Context) -> None:
        """Send the message of a run that failed."""
        known: Any = context
        head = f"{known['dag'].dag_id}, run {known['run_id']}, has failed."
        try:
            lines = self._found(context)
        except ExportError as error:
            lines = [f"What is missing could not be found out: {error}.", _LOOK]
        except Exception as error:  # whatever a store's library raises, and its words may hold more than people may see
            lines = [f"What is missing could not be found out ({type(error).__name__}).", _LOOK]
        self.send("\n".join([head, *lines]))

    def _found(self, context: Context) -> list[str]:
        """What the archive knows of the run's interval, in lines."""
        destination, start, end = self._rendered(context)
        interval = interval_of(context, start, end)
        found = report(destination, interval)
        if found is None:
            return [f"There is no report of {interval}: it failed before it was reconciled.", _LOOK]
        page = f"The report is at {pages(destination, interval=interval)['report']}"
        if found["complete"] and not found["missing"]:
            return [f"By the report of {interval}, of an earlier run, nothing is missing.", page, _LOOK]
        return [what_is_missing(found, self.shown), page, _CLEAR]

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Leave the templates as they are: one process may call for several runs, each with params of its own."""

    def _rendered(self, context: Context) -> list[str]:
        dag: Any = context["dag"]  # within ``dag.test()`` of Airflow 3 it is the scheduler's, which renders nothing
        environment = self.get_template_env(dag if isinstance(dag, DAG) else None)
        templates = [self.destination, self.start, self.end]
        return [str(text) for text in self.render_template(templates, context, environment)]

    def _write_down(self, message: str) -> None:
        self.log.error("%s", message)
