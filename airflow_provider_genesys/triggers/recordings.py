# SPDX-License-Identifier: Apache-2.0
"""The deferred wait for export jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_genesys.export.errors import ExportError, Passing
from airflow_provider_genesys.export.following import AHEAD, Progress, Wait
from airflow_provider_genesys.export.pace import MAX_RECORDINGS_PER_JOB
from airflow_provider_genesys.triggers.sharing import Shared
from airflow_provider_genesys.wiring import coordinator_for_triggers

if TYPE_CHECKING:
    from airflow_provider_genesys.export.coordinator import Coordinator

REFUSED = "refused"
TIMEOUT = "timeout"
STATUSES = frozenset({Wait.COMPLETED.value, Wait.ATTENTION.value, REFUSED, TIMEOUT})
"""What an event's ``status`` may be."""

_coordinators = Shared(coordinator_for_triggers, seconds=60.0)
"""Each look-up asks Airflow's supervisor several times, and where a triggerer starts thousands of waits begin."""


def tags_of(instance: Any) -> dict[str, str]:
    """What metrics say of a task instance; nothing where none is known, as in ``airflow dags test``."""
    return {name: str(getattr(instance, name)) for name in ("dag_id", "task_id") if hasattr(instance, name)}


class ExportJobTrigger(BaseTrigger):
    """Polls export jobs within the organisation's budget until all have completed or one needs attention.

    It holds no secret. Whoever restarts it comes to the same moments: polls are counted in the ledger, and the
    deadline is absolute. Its event has the ``job_ids`` and a ``status`` of :data:`STATUSES`, and no more.

    :param job_ids: ids of the jobs to wait for, as the ledger knows them.
    :param owner: names the orchestrator in the ledger.
    :param poll_interval: seconds before a job's first poll, and the least between two.
    :param max_poll_interval: the most seconds between two polls of a job.
    :param lease_seconds: how long the jobs' windows stay held without a word from here.
    :param deadline: when to give up, epoch seconds.
    :param max_recordings_per_job: a job that counts more before it exports is not started.
    """

    def __init__(
        self,
        *,
        job_ids: list[str],
        genesys_conn_id: str,
        ledger_conn_id: str,
        owner: str,
        poll_interval: float,
        max_poll_interval: float,
        lease_seconds: float,
        deadline: float,
        max_recordings_per_job: int = MAX_RECORDINGS_PER_JOB,
    ) -> None:
        super().__init__()
        self.job_ids = job_ids
        self.genesys_conn_id = genesys_conn_id
        self.ledger_conn_id = ledger_conn_id
        self.owner = owner
        self.poll_interval = poll_interval
        self.max_poll_interval = max_poll_interval
        self.lease_seconds = lease_seconds
        self.deadline = deadline
        self.max_recordings_per_job = max_recordings_per_job

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class's path and its arguments: JSON scalars and a list of ids."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "job_ids": self.job_ids,
                "genesys_conn_id": self.genesys_conn_id,
                "ledger_conn_id": self.ledger_conn_id,
                "owner": self.owner,
                "poll_interval": self.poll_interval,
                "max_poll_interval": self.max_poll_interval,
                "lease_seconds": self.lease_seconds,
                "deadline": self.deadline,
                "max_recordings_per_job": self.max_recordings_per_job,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then send the one event."""
        try:
            status = await self._outcome()
        except ExportError as error:  # the task meets it itself, and tells it in words
            self.log.error("%s", error)
            status = REFUSED
        yield TriggerEvent({"job_ids": self.job_ids, "status": status})

    async def _outcome(self) -> str:
        """One step after the other; blocking calls are made in threads."""
        common = await _coordinators.get(self.genesys_conn_id, self.ledger_conn_id)
        pace = replace(
            common.pace,
            poll_interval=self.poll_interval,
            max_poll_interval=self.max_poll_interval,
            lease_seconds=self.lease_seconds,
            max_recordings_per_job=self.max_recordings_per_job,
        )
        meter = common.meter.tagged(tags_of(self.task_instance))
        coordinator = replace(common, owner=self.owner, pace=pace, meter=meter)
        while (left := self.deadline - time.time()) > 0:
            progress = await asyncio.to_thread(self._step, coordinator)
            if progress.wait is not Wait.RUNNING:
                return progress.wait.value
            await asyncio.sleep(min(progress.seconds, left))
        return TIMEOUT

    def _step(self, coordinator: Coordinator) -> Progress:
        try:
            return coordinator.follow(self.job_ids, ahead=AHEAD)
        except Passing as error:
            self.log.warning("%s", error)
            return Progress(Wait.RUNNING, max(error.retry_after or 0.0, self.poll_interval))
