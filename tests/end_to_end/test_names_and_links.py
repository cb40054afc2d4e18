# SPDX-License-Identifier: Apache-2.0
"""What people see of a run in Airflow's UI: mapped tasks by the names of their windows, and links to documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_genesys.simulator import Fault
from tests.airflow_versions import as_the_webserver_reads, dag_bag, run_dag
from tests.conftest import ROOT
from tests.end_to_end.stage import DAY, Stage

QUARTERS = {"2024-05-01 00:00–06:00", "2024-05-01 06:00–12:00", "2024-05-01 12:00–18:00", "2024-05-01 18:00–24:00"}
STEPS = {"submit_export", "wait_for_export", "retrieve_recordings"}


def run(world: Stage, **params: Any) -> tuple[Any, list[Any]]:
    """The day's DAG, as the UI knows it, and its task instances."""
    dag = dag_bag(ROOT / "dags").dags["genesys_recordings_export"]
    for task in dag.tasks:
        task.retries = 0
    ended = run_dag(dag, DAY + timedelta(days=1), world.conf(params))
    return as_the_webserver_reads(dag), ended.get_task_instances()


def names(instances: list[Any]) -> dict[str, set[str]]:
    """The names of mapped tasks, by step."""
    found: dict[str, set[str]] = defaultdict(set)
    for instance in instances:
        if instance.map_index >= 0:
            found[instance.task_id.rpartition(".")[2]].add(instance.rendered_map_index)
    return dict(found)


def test_a_days_tasks_have_their_windows_names_and_lead_to_its_documents(stage: Callable[..., Stage]) -> None:
    world = stage(volumes={"2024-05-01": 72})
    dag, instances = run(world, max_recordings_per_job=50)

    assert names(instances) == dict.fromkeys(STEPS, QUARTERS)

    leading: dict[str, set[str]] = defaultdict(set)
    for instance in instances:
        task = dag.get_task(instance.task_id)
        for link in task.extra_links:
            leading[f"{instance.task_id.rpartition('.')[2]} {link}"].add(task.get_extra_links(instance, link))
    folder = {name: {path.as_uri() for path in (world.archive / name).iterdir()} for name in ("manifests", "receipts")}
    assert len(folder["manifests"]) == len(folder["receipts"]) == 4
    jobs = {f"{world.simulator.url}/_simulator/jobs.html#{job.job_id}" for job in world.simulator.jobs}
    assert len(jobs) == 4
    for step in STEPS:
        assert leading.pop(f"{step} Job") == jobs
    assert leading == {
        "submit_export Receipt": folder["receipts"],
        "retrieve_recordings Receipt": folder["receipts"],
        "retrieve_recordings Manifest": folder["manifests"],
        "reconcile Report": {(world.archive / "reports/20240501T000000Z_20240502T000000Z.json").as_uri()},
    }
    assert all(Path(unquote(urlsplit(url).path)).is_file() for urls in leading.values() for url in urls)


def test_a_task_that_fails_has_its_windows_name_too(stage: Callable[..., Stage]) -> None:
    world = stage()
    world.fail(Fault("canceled_jobs"))
    _, instances = run(world)
    failed = [one for one in instances if one.task_id == "export_window.wait_for_export"]
    assert [(str(one.state), one.rendered_map_index) for one in failed] == [("failed", "2024-05-01")]
