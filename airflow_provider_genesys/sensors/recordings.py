# SPDX-License-Identifier: Apache-2.0
"""The wait for export jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_genesys.export.errors import Passing
from airflow_provider_genesys.export.following import AHEAD, Progress, Wait
from airflow_provider_genesys.export.leases import Held
from airflow_provider_genesys.links.recordings import JobLink
from airflow_provider_genesys.operators.arguments import job_ids_of
from airflow_provider_genesys.operators.base import (
    DEADLINE,
    LONGEST_NAP,
    WindowOperator,
    airflow_errors,
    deadline_from_now,
    outcome_of,
)
from airflow_provider_genesys.triggers.recordings import REFUSED, TIMEOUT

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class ExportJobSensor(WindowOperator, BaseSensorOperator):
    """Waits until export jobs have completed, and heals what ends badly on the way.

    A failed job is resubmitted within its budget; one that failed without a word was too large, so that its window is
    split. A canceled one ends the wait at once. See the guide's section 2 and edge case 1.

    :param job_ids: a list of job ids, or a single one (templated).
    :param window: the jobs' window: names the task where it is mapped (templated).
    :param deferrable: wait in the triggerer instead of a worker slot.
    :param poke_interval: seconds between two looks where it is not deferrable.
    :param timeout: how long jobs are waited for in all.
    :return: the list of job ids that have completed: more than were given, after a split.
    """

    template_fields: Sequence[str] = (*WindowOperator.template_fields, "job_ids")
    operator_extra_links = (JobLink(),)

    def __init__(
        self,
        *,
        job_ids: list[str] | str,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: timedelta | float = 15.0,
        timeout: timedelta | float = DEADLINE,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, timeout=timeout, **kwargs)
        self.job_ids = job_ids
        self.deferrable = deferrable

    def poke(self, context: Context) -> PokeReturnValue:
        """One step of the wait, in a worker."""
        with self._patiently():
            job_ids = job_ids_of(self.job_ids)
            coordinator = self._coordinator(context)
            progress = coordinator.follow(job_ids, ahead=AHEAD)
            while progress.reserved:
                coordinator.sleep(progress.seconds)
                progress = coordinator.follow(job_ids, ahead=AHEAD)
            if progress.wait is Wait.ATTENTION:
                coordinator.heal(job_ids)
            _heed(progress)
            is_done = progress.wait is Wait.COMPLETED
            return PokeReturnValue(is_done, coordinator.current_jobs(job_ids) if is_done else None)

    def execute(self, context: Context) -> Any:
        """Look once, then wait."""
        return self._begin(context)

    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None, deadline: float | None = None
    ) -> list[str]:
        """Go on after the trigger has seen an end. Airflow turns the errors into a skip where ``soft_fail`` says so."""
        with airflow_errors():
            status, job_ids = outcome_of(event)
        if status == TIMEOUT:
            self._give_up(context, job_ids)
            raise AirflowSensorTimeout(f"jobs {', '.join(job_ids)} did not complete in {self.timeout:.0f} s")
        if status == REFUSED:
            self._meet_refusal(context, job_ids)
        deadline = deadline or deadline_from_now(self.timeout)
        with self._patiently(deadline=deadline):
            self._link(context, None, job_ids=job_ids)  # others, if some were resubmitted
            return self._wait(context, job_ids, deadline)

    def _begin(self, context: Context, deadline: float | None = None) -> Any:
        deadline = deadline or deadline_from_now(self.timeout)
        with self._patiently(deadline=deadline):
            job_ids = job_ids_of(self.job_ids)
            self._link(context, None, job_ids=job_ids)
            if self.deferrable:
                return self._wait(context, job_ids, deadline)
        return super().execute(context)

    def _wait(self, context: Context, job_ids: list[str], deadline: float) -> list[str]:
        coordinator = self._coordinator(context)
        progress = coordinator.follow(job_ids)
        _heed(progress)
        if progress.wait is Wait.COMPLETED:
            return coordinator.current_jobs(job_ids)
        if progress.wait is Wait.ATTENTION:
            healed = coordinator.heal(job_ids)
            if isinstance(healed, Held):
                self._defer_for_lease(healed, deadline=deadline)
            job_ids = healed
        return self._defer_for_jobs(context, job_ids, deadline)


def _heed(progress: Progress) -> None:
    """A limit of hours is waited for as such: each poll until then would only be refused.

    :raises Passing: where the platform takes no polls for that long.
    """
    if progress.refused and progress.seconds > LONGEST_NAP:
        raise Passing("Genesys Cloud takes no more polls for now", progress.seconds)
