# SPDX-License-Identifier: Apache-2.0
"""What an operator's test needs and a database does not give: an organisation, a ledger, an archive, a context."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_genesys.operators.recordings import SubmitExportOperator
from airflow_provider_genesys.simulator import Simulator, Universe

DAY = datetime(2024, 5, 1, tzinfo=UTC)
WINDOW = {"start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"}
CALLS = 12
SECRET = "a-client-secret-that-is-easy-to-find"
PACE: dict[str, Any] = {"poll_interval": 0.05, "max_poll_interval": 0.2, "lease_seconds": 30.0}
WORLD: dict[str, Any] = {
    "clients": {"tester": SECRET},
    "volumes": {"2024-05-01": CALLS},
    "job_seconds": 0.0,
    "batch_seconds": 0.0,
    "details_job_seconds": 0.0,
    "silent_failure_seconds": 0.0,
    "requests_per_minute": None,
    "polls_per_minute": None,
    "audio_bytes": 2_000,
}


@dataclass(frozen=True)
class Rig:
    """An organisation, a ledger and an archive for one test. The connections are the default ones."""

    simulator: Simulator
    archive: Path

    @property
    def destination(self) -> str:
        return self.archive.as_uri()

    def submit(self, context: dict[str, Any]) -> list[str]:
        """The job ids of the day's window."""
        return list(self.submitting().execute(context))

    def submitting(self, **arguments: Any) -> SubmitExportOperator:
        """The operator that submits the day's window."""
        given = {"window": WINDOW, "media_format": "mp3", "destination": self.destination, **PACE, **arguments}
        return SubmitExportOperator(task_id="submit", **given)

    def limit(self, requests_per_minute: int) -> None:
        """Let the organisation's connection state another budget, for the length of the test."""
        self._connect(requests_per_minute=requests_per_minute)

    def speak(self, export_api: str) -> None:
        """Let the organisation's connection name another API, for the length of the test."""
        self._connect(export_api=export_api)

    def _connect(self, **extra: Any) -> None:
        organisation = json.loads(os.environ["AIRFLOW_CONN_GENESYS_DEFAULT"])
        organisation["extra"].update(extra)
        os.environ["AIRFLOW_CONN_GENESYS_DEFAULT"] = json.dumps(organisation)

    def asked_for(self) -> dict[str, int]:
        """API requests that have come so far, by route."""
        return dict(self.simulator.stats.requests)


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Rig]]:
    """Builds a test's rig from what its universe has of its own.

    Built with ``extra``, the organisation's connection has that, too.
    """
    with ExitStack() as running:

        def build(extra: dict[str, Any] | None = None, **universe: Any) -> Rig:
            simulator = running.enter_context(Simulator(Universe(**{**WORLD, **universe})))
            organisation = {
                "conn_type": "genesys",
                "host": simulator.url,
                "login": "tester",
                "password": SECRET,
                "extra": {
                    "allow_private_downloads": True,
                    "polls_per_minute": 60_000,
                    "requests_per_minute": 600_000,
                    **(extra or {}),
                },
            }
            ledger = {"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")}
            monkeypatch.setenv("AIRFLOW_CONN_GENESYS_DEFAULT", json.dumps(organisation))
            monkeypatch.setenv("AIRFLOW_CONN_GENESYS_LEDGER", json.dumps(ledger))
            return Rig(simulator, tmp_path / "archive")

        yield build


def context_of(
    run_id: str = "scheduled", start: Any = DAY, end: Any = DAY + timedelta(days=1), run_type: str = "manual"
) -> dict[str, Any]:
    """What Airflow hands a task, as far as the operators read it; ``ti.pushed`` is what they push to XCom."""
    pushed: dict[str, Any] = {}
    return {
        "ti": SimpleNamespace(
            dag_id="export",
            run_id=run_id,
            map_index=-1,
            pushed=pushed,
            xcom_push=lambda key, value: pushed.update({key: value}),
        ),
        "dag_run": SimpleNamespace(run_type=run_type),
        "data_interval_start": start,
        "data_interval_end": end,
        "params": {},
    }


def deferral(work: Callable[[], Any]) -> TaskDeferred:
    """What a task is deferred with, which must be."""
    with pytest.raises(TaskDeferred) as deferred:
        work()
    return deferred.value


def resumed(task: Any, deferred: TaskDeferred, context: dict[str, Any], event: Any) -> Any:
    """Call a task as Airflow does when its trigger has sent an event."""
    return task.resume_execution(deferred.method_name, {**(deferred.kwargs or {}), "event": event}, context)


def run(task: Any, context: dict[str, Any]) -> Any:
    """Run a task to its end, its deferrals included."""
    work = partial(task.execute, context)
    while True:
        try:
            return work()
        except TaskDeferred as deferred:
            (event,) = events_of(deferred.trigger)
            work = partial(resumed, task, deferred, context, event)


def events_of(trigger: Any) -> list[Any]:
    """Run a trigger to its end: the payloads of its events."""

    async def collect() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    return asyncio.run(collect())
