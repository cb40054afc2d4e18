# SPDX-License-Identifier: Apache-2.0
"""The examples that export recordings, and the one that follows an export."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_versions import dag_bag, run_dag, serialized, triggered_by
from tests.conftest import ROOT
from tests.end_to_end.stage import DAY, Stage
from tests.end_to_end.ways import WAYS
from tests.example_dags.conftest import FOLDER
from tests.servers.azurite import AzuriteServer

ONE_QUEUE, AZURE, FOLLOW_UP = "example_one_queue_export", "example_azure_partitions", "example_calls_by_queue"
CALLS = 40


def run(dag_id: str, **params: Any) -> str:
    """Run an example for one day in this process, without time between polls or retries; the DAG run's state."""
    dag = dag_bag(FOLDER).dags[dag_id]
    for task in dag.tasks:
        task.retries = 0
        if hasattr(task, "poll_interval"):
            task.poll_interval, task.max_poll_interval = 0.1, 0.5
    return str(run_dag(dag, DAY + timedelta(days=1), params).state)


def calls_by_queue(archive: Path) -> list[dict[str, Any]]:
    """What the follow-up's task returns in a run by hand."""
    task = dag_bag(FOLDER).dags[FOLLOW_UP].get_task("calls_by_queue")
    found: list[dict[str, Any]] = task.python_callable(params={"archive": str(archive)}, **triggered_by(()))
    return found


@pytest.fixture
def a_queue(stage: Callable[..., Stage]) -> tuple[Stage, str, str]:
    """An organisation that speaks the published API; a queue's id and name."""
    built = stage(next(way for way in WAYS.values() if way.export_api == "batch"), volumes={"2024-05-01": CALLS})
    call = built.simulator.universe.call(DAY.toordinal() - 719_163, 0)
    return built, call.queue_id, call.queue_name


def test_the_folder_holds_the_examples_and_no_errors() -> None:
    bag = dag_bag(FOLDER)
    assert bag.import_errors == {}
    assert set(bag.dags) == {"example_wfm_shift_export", ONE_QUEUE, AZURE, FOLLOW_UP}
    assert all(bag.dags[name].doc_md and serialized(bag.dags[name]) for name in bag.dags)


def test_they_are_parsed_without_the_libraries_that_tasks_need() -> None:
    names = [f"airflow_provider_genesys.example_dags.{name}" for name in (ONE_QUEUE, AZURE, FOLLOW_UP)]
    script = (
        "import importlib, sys\n"
        f"for name in {names}: importlib.import_module(name)\n"
        "print(sorted({'duckdb', 'azure.storage.blob'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_one_queue_is_exported_and_the_index_says_so(a_queue: tuple[Stage, str, str]) -> None:
    world, queue_id, queue_name = a_queue
    assert run(ONE_QUEUE, queue_id=queue_id, destination=world.archive.as_uri()) == "success"
    archived = [line for line in world.receipts() if line["status"] == "archived"]
    assert 0 < len(archived) == world.report()["expected"] < len(world.sources())
    assert run(FOLLOW_UP, archive=str(world.archive)) == "success"
    rows = calls_by_queue(world.archive)
    assert queue_name in {row["queue_name"] for row in rows}
    assert sum(row["recordings"] for row in rows) == len(archived)
    assert {row["date"] for row in rows} == {"2024-05-01"}


def test_azure_gets_a_folder_for_each_queue(
    stage: Callable[..., Stage], azurite: AzuriteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = stage(volumes={"2024-05-01": CALLS})
    container = azurite.create_container("examples")
    connection = {"conn_type": "wasb", "extra": {"connection_string": azurite.connection_string}}
    monkeypatch.setenv("AIRFLOW_CONN_WASB_DEFAULT", json.dumps(connection))
    assert run(AZURE, destination=f"abfs://wasb_default@{container}/genesys") == "success"
    keys = [blob.name for blob in azurite.client().get_container_client(container).list_blobs("genesys/recordings/")]
    start = int(DAY.timestamp()) * 1000
    calls = list(world.simulator.universe.calls(start, start + 86_400_000))
    assert len(keys) == len(calls) == CALLS
    folders = Counter(key.split("/")[3].replace("%20", " ") for key in keys)
    assert folders == Counter(call.queue_name for call in calls)
    assert {key.split("/")[2] for key in keys} == {"2024-05-01"}


def test_the_follow_up_waits_for_what_the_daily_export_updates() -> None:
    daily = serialized(dag_bag(ROOT / "dags").dags["genesys_recordings_export"])
    follow_up = serialized(dag_bag(FOLDER).dags[FOLLOW_UP])
    assert "genesys://recordings" in json.dumps(daily)
    assert "genesys://recordings" in json.dumps(follow_up["dag"]["timetable"])
