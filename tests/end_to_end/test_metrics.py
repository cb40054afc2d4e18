# SPDX-License-Identifier: Apache-2.0
"""What Airflow's metrics say of a day, as statsd gets it, beside what the platform and the archive know themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_genesys.export.metering import Figure
from airflow_provider_genesys.metrics import PREFIX
from airflow_provider_genesys.simulator import Fault
from tests.end_to_end.stage import SECRET, Stage
from tests.servers.statsd import Statsd, statsd_server

DAG_ID = "genesys_recordings_export"


def observed(world: Stage, monkeypatch: pytest.MonkeyPatch) -> Statsd:
    """Run the day's DAG in a process of its own; what statsd got."""
    with statsd_server() as statsd:
        for name, value in statsd.environment.items():
            monkeypatch.setenv(name, value)
        with world.process() as process:
            process.wait(timeout=300)
    return statsd


def sums(statsd: Statsd) -> dict[str, int]:
    """What was counted of the export."""
    return {name.removeprefix(PREFIX): count for name, count in statsd.sums.items() if name.startswith(PREFIX)}


def test_a_days_metrics_are_those_of_the_platform(stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    world = stage()
    statsd = observed(world, monkeypatch)
    truth = world.sources()
    assert world.report()["complete"]
    assert sums(statsd) == {
        Figure.JOBS_SUBMITTED: world.simulator.stats.jobs,
        Figure.POLLS: world.simulator.stats.requests["poll"],
        Figure.RECORDINGS: len(truth),
        Figure.BYTES: sum(size for size, _ in truth.values()),
    }
    (wait,) = statsd.timings[PREFIX + Figure.WAIT]
    assert 100 <= wait < 60_000  # a job takes 0.1 s
    assert statsd.gauges[PREFIX + Figure.POLLS_LEFT][0] == 60_000 - 1
    asked_for = world.simulator.stats.requests
    spent = sum(asked_for[route] for route in ("volume", "submit", "poll"))
    assert min(statsd.gauges[PREFIX + Figure.REQUESTS_LEFT]) == 600_000 - spent
    assert_tags_are_few(statsd)


def assert_tags_are_few(statsd: Statsd) -> None:
    """Metrics are told apart by DAG, task and API; a trigger that runs within ``dags test`` knows its API only."""
    tasks = {name: {dict(tags).get("task_id") for tags in statsd.tags[name]} for name in statsd.tags if PREFIX in name}
    assert tasks[PREFIX + Figure.JOBS_SUBMITTED] == {"export_window.submit_export"}
    assert tasks[PREFIX + Figure.RECORDINGS] == {"export_window.retrieve_recordings"}
    assert "plan_windows" in tasks[PREFIX + Figure.REQUESTS_LEFT]
    known = [dict(tags) for name in tasks for tags in statsd.tags[name]]
    assert {name for tags in known for name in tags} == {"dag_id", "task_id", "api"}
    assert {tags["api"] for tags in known} == {"guide"}
    assert {tags.get("dag_id", DAG_ID) for tags in known} == {DAG_ID}


def test_what_fails_is_counted(stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    world = stage()
    world.fail(Fault("failed_jobs"), Fault("storage_gone", every=12, times=None))
    statsd = observed(world, monkeypatch)
    counted = sums(statsd)
    assert counted[Figure.JOBS_SUBMITTED] == world.simulator.stats.jobs == 2
    assert counted[Figure.JOBS_FAILED] == 1
    assert counted[Figure.RECORDINGS] == world.report()["archived"] == 11
    assert counted[Figure.RECORDINGS_FAILED] == world.report()["failed"] == 1
    assert SECRET not in repr(statsd)
