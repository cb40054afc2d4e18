# SPDX-License-Identifier: Apache-2.0
"""What the callback of the day's DAG says of a run that really failed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow_provider_genesys.notifications.recordings import ExportFailureNotifier
from airflow_provider_genesys.simulator import Fault
from tests.airflow_versions import dag_bag, run_dag
from tests.conftest import ROOT
from tests.end_to_end.stage import DAY, Stage


def called_back(task: Any) -> Any:
    """A task's one callback of a failure, which Airflow 3 keeps in a list."""
    (callback,) = task.on_failure_callback if isinstance(task.on_failure_callback, list) else [task.on_failure_callback]
    return callback


def messages(world: Stage, **params: Any) -> list[str]:
    """Run the day's DAG; what its callback sent."""
    dag = dag_bag(ROOT / "dags").dags["genesys_recordings_export"]
    for task in dag.tasks:
        task.retries = 0
    reconcile = dag.get_task("reconcile")
    assert isinstance(called_back(reconcile), ExportFailureNotifier)
    sent: list[str] = []
    called_back(reconcile).send = sent.append
    run_dag(dag, DAY + timedelta(days=1), world.conf(params))
    return sent


def test_a_day_that_fails_sends_one_message(stage: Callable[..., Stage]) -> None:
    world = stage()
    world.fail(Fault("storage_gone", every=12, times=None))
    (message,) = messages(world)
    (missing,) = world.report()["missing"]
    assert message.startswith("genesys_recordings_export, run ")
    assert "(expected 12, archived 11, unavailable 0, failed 1)" in message
    assert f"recording '{missing['recording_id']}' failed: {missing['reason']}" in message
    assert next(world.archive.glob("reports/*")).as_uri() in message


def test_a_day_that_can_not_be_planned_sends_one_message(stage: Callable[..., Stage]) -> None:
    world = stage(clients={"another": "client"})
    (message,) = messages(world)
    assert "There is no report of [2024-05-01T00:00:00Z, 2024-05-02T00:00:00Z)" in message


def test_a_day_that_is_archived_sends_none(stage: Callable[..., Stage]) -> None:
    assert messages(stage()) == []


def test_a_dags_own_callback_may_be_the_same(stage: Callable[..., Stage]) -> None:
    world = stage()
    world.fail(Fault("storage_gone", every=12, times=None))
    dag = dag_bag(ROOT / "dags").dags["genesys_recordings_export"]
    sent: list[str] = []
    dag.on_failure_callback, dag.has_on_failure_callback = ExportFailureNotifier(send=sent.append), True
    run_dag(dag, DAY + timedelta(days=1), world.conf({}))
    (message,) = sent
    assert "(expected 12, archived 11, unavailable 0, failed 1)" in message
