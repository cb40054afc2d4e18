# SPDX-License-Identifier: Apache-2.0
"""What the steps of an export share: connections, leases, the translation of errors, and the ways to wait."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, BaseOperator

from airflow_provider_genesys.export.errors import ExportError, InvalidInput, LeaseLost, NotYet, Passing
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.export.pace import MAX_RECORDINGS_PER_JOB
from airflow_provider_genesys.hooks.genesys import GenesysHook
from airflow_provider_genesys.links.recordings import PAGES
from airflow_provider_genesys.operators.arguments import job_ids_of, number
from airflow_provider_genesys.triggers.recordings import STATUSES, ExportJobTrigger, tags_of
from airflow_provider_genesys.versions import DateTimeTrigger
from airflow_provider_genesys.wiring import DEFAULT_LEDGER, coordinator, pages

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_genesys.export.coordinator import Coordinator
    from airflow_provider_genesys.export.leases import Held

MAP_INDEX_TEMPLATE = "{{ task.window_name }}"
"""Names a mapped task by its window."""

LONGEST_NAP = 180.0
"""Seconds that a task sleeps for at most; told to wait longer, it is deferred until then, and no retry is used."""

_LONGEST_DEFERRAL = timedelta(hours=24)

DEADLINE = timedelta(hours=50)
"""How long jobs are waited for: a job that is too large fails only after 48 hours (guide, edge case 1)."""


class ExportOperator(BaseOperator):
    """Base of all steps of an export.

    :param genesys_conn_id: the organisation's connection (templated).
    :param ledger_conn_id: the ledger's connection; without one of that name, a SQLite file in ``$AIRFLOW_HOME``
        (templated).
    :param poll_interval: seconds before a job's first poll, and the least between two (templated).
    :param max_poll_interval: the most seconds between two polls of a job, and those for which nothing has come when a
        delivery by Genesys Cloud is over (templated).
    :param lease_seconds: how long a window stays held by a run that says nothing more (templated).
    :param max_recordings_per_job: windows above it are subdivided, when they are planned and, where a job counts before
        it exports, when it has counted (templated).
    """

    template_fields: Sequence[str] = (
        "genesys_conn_id",
        "ledger_conn_id",
        "poll_interval",
        "max_poll_interval",
        "lease_seconds",
        "max_recordings_per_job",
    )
    ui_color = "#ff4f1f"
    ui_fgcolor = "#ffffff"

    def __init__(
        self,
        *,
        genesys_conn_id: str = GenesysHook.default_conn_name,
        ledger_conn_id: str = DEFAULT_LEDGER,
        poll_interval: float | str = 15.0,
        max_poll_interval: float | str = 180.0,
        lease_seconds: float | str = 300.0,
        max_recordings_per_job: int | str = MAX_RECORDINGS_PER_JOB,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.genesys_conn_id = genesys_conn_id
        self.ledger_conn_id = ledger_conn_id
        self.poll_interval = poll_interval
        self.max_poll_interval = max_poll_interval
        self.lease_seconds = lease_seconds
        self.max_recordings_per_job = max_recordings_per_job

    def _coordinator(self, context: Context, destination: str | None = None, **archive: Any) -> Coordinator:
        """The coordinator of this task.

        :param archive: what :func:`~airflow_provider_genesys.wiring.coordinator` is to know of the archive beside.
        """
        pace = {**self._pace, "max_recordings_per_job": self._limit}
        return coordinator(
            self.genesys_conn_id,
            self.ledger_conn_id,
            owner_of(context),
            pace,
            destination,
            tags=tags_of(context["ti"]),
            **archive,
        )

    def _link(self, context: Context, destination: str | None, **of: Any) -> None:
        """Give the task's links somewhere to lead, also where the task fails later on.

        :param destination: the archive's URI; None for a step that has none.
        :param of: whose documents, as :func:`~airflow_provider_genesys.wiring.pages` takes it.
        """
        if self.do_xcom_push and (found := pages(self.genesys_conn_id, destination, **of)):
            instance: Any = context["ti"]
            instance.xcom_push(key=PAGES, value=found)

    @property
    def _pace(self) -> dict[str, float]:
        names = ("poll_interval", "max_poll_interval", "lease_seconds")
        return {name: number(name, getattr(self, name)) for name in names}

    @property
    def _limit(self) -> int:
        limit = int(number("max_recordings_per_job", self.max_recordings_per_job))
        if limit < 1:
            raise InvalidInput(f"max_recordings_per_job must be at least 1, not {limit}")
        return limit

    def _defer_for_jobs(self, context: Context, job_ids: list[str], deadline: float) -> NoReturn:
        """Wait for jobs without a worker slot; ``execute_complete`` goes on.

        ``airflow dags test`` of Airflow 3 hands no kwargs on, so that the deadline begins anew there.
        """
        trigger = ExportJobTrigger(
            job_ids=job_ids,
            genesys_conn_id=self.genesys_conn_id,
            ledger_conn_id=self.ledger_conn_id,
            owner=owner_of(context),
            deadline=deadline,
            max_recordings_per_job=self._limit,
            **self._pace,
        )
        self.defer(trigger=trigger, method_name="execute_complete", kwargs={"deadline": deadline})

    @contextmanager
    def _patiently(self, **kwargs: Any) -> Iterator[None]:
        """Tell Airflow which errors a retry may mend; wait for what has to come first, and where the platform says in
        how many hours.

        :param kwargs: what ``_begin`` is to know of the time before.
        """
        with airflow_errors():
            try:
                yield
            except NotYet as error:
                wait = max(error.retry_after or 0.0, self._pace["max_poll_interval"])
                self._defer_for(timedelta(seconds=wait), str(error), kwargs)
            except Passing as error:
                if (error.retry_after or 0.0) <= LONGEST_NAP:
                    raise
                self._defer_for(min(timedelta(seconds=error.retry_after or 0.0), _LONGEST_DEFERRAL), str(error), kwargs)

    def _defer_for(self, wait: timedelta, why: str, kwargs: dict[str, Any]) -> NoReturn:
        moment = datetime.now(UTC) + wait
        self.log.info("%s. Going on at %s", why, moment.isoformat(timespec="seconds"))
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name="execute_again", kwargs=kwargs)

    def _defer_for_lease(self, held: Held, **kwargs: Any) -> NoReturn:
        """Wait while another orchestrator has the window, then look again: it may have archived it.

        :param kwargs: what ``_begin`` is to know of the time before.
        """
        seconds = min(held.wait, self._pace["max_poll_interval"])
        self._defer_for(timedelta(seconds=seconds), f"The window is held by {held.by}: looking again", kwargs)

    def execute_again(self, context: Context, event: Any = None, **kwargs: Any) -> Any:
        """Go on after a wait for a time, from the beginning. ``execute`` is for Airflow alone to call."""
        return self._begin(context, **kwargs)

    @abstractmethod
    def _begin(self, context: Context, *args: Any, **kwargs: Any) -> Any:
        """The step itself, from its beginning."""

    def _give_up(self, context: Context, job_ids: list[str]) -> None:
        """Leave no job waiting for a start that nobody will give it."""
        with suppress(ExportError):  # what ends this task says more
            self._coordinator(context).give_up(job_ids)

    def _meet_refusal(self, context: Context, job_ids: list[str]) -> NoReturn:
        """Look for what kept the trigger from following the jobs: an event carries no words."""
        with airflow_errors():
            self._coordinator(context).follow(job_ids)
        raise AirflowException(
            f"the triggerer could not follow jobs {', '.join(job_ids)}, though this worker can: the trigger's log says "
            "why. Both need the same connections and the same ledger; a SQLite file is a ledger for one machine"
        )


class WindowOperator(ExportOperator):
    """A step for one window. Where it is mapped, its tasks are named by their window instead of a number.

    :param window: an object with ``start`` and ``end``, as the planner returns it (templated).
    """

    template_fields: Sequence[str] = (*ExportOperator.template_fields, "window")

    def __init__(self, *, window: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        if window is not None:
            kwargs.setdefault("map_index_template", MAP_INDEX_TEMPLATE)
        super().__init__(**kwargs)
        self.window: Any = window  # rendered, it may be anything

    @property
    def window_name(self) -> str:
        """The window as people read it, ``2024-05-01 00:00–06:00``; whatever was given where that is no window."""
        try:
            return name_of(ExportWindow.parse(self.window))
        except InvalidInput:  # what is wrong is the step's to say
            return str(self.window)


def name_of(window: ExportWindow) -> str:
    """A window as people read it, in UTC: ``2024-05-01 00:00–06:00``, ``2024-05-01`` for a whole day.

    The second date is there where it is another one than the first.
    """
    start, end = window.start, window.end
    times = "%H:%M" if not (start.second or start.microsecond or end.second or end.microsecond) else "%H:%M:%S"
    if window.length == timedelta(days=1) and start.hour == start.minute == start.second == start.microsecond == 0:
        return f"{start:%Y-%m-%d}"
    midnight = (end.hour, end.minute, end.second, end.microsecond) == (0, 0, 0, 0)
    if midnight and end.date() == start.date() + timedelta(days=1):
        return f"{start:%Y-%m-%d} {start:{times}}–24:00"
    same_day = start.date() == end.date()
    return f"{start:%Y-%m-%d} {start:{times}}–{end:{times if same_day else f'%Y-%m-%d {times}'}}"


def owner_of(context: Context) -> str:
    """Names the orchestrator in the ledger: the same for all tasks and tries of one window in one DAG run."""
    instance: Any = context["ti"]
    return f"{run_of(context)}[{instance.map_index}]"


def run_of(context: Context) -> str:
    """Names the DAG run in the ledger."""
    instance: Any = context["ti"]
    return f"{instance.dag_id}/{instance.run_id}"


def deadline_from_now(timeout: float) -> float:
    """Epoch seconds of an absolute deadline, which survives restarts."""
    return time.time() + timeout


def outcome_of(event: Mapping[str, Any] | None) -> tuple[str, list[str]]:
    """What a trigger's event says: a status, and the job ids that it is about.

    :raises InvalidInput: for a missing event, an unknown status or no job ids: never taken for success.
    """
    known = event if isinstance(event, Mapping) else {}
    status = str(known.get("status"))
    if status not in STATUSES:
        raise InvalidInput(f"the trigger came back with status {status!r}, which is none of {sorted(STATUSES)}")
    return status, job_ids_of(known.get("job_ids"))


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Tell Airflow which errors a retry may mend, and which it can't."""
    try:
        yield
    except (Passing, LeaseLost) as error:
        raise AirflowException(str(error)) from error
    except ExportError as error:
        raise AirflowFailException(str(error)) from error
