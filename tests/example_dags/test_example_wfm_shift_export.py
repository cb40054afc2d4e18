# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow_provider_genesys.example_dags import example_wfm_shift_export
from tests.airflow_versions import dag_bag, run_dag, serialized
from tests.end_to_end.stage import DAY, Stage
from tests.example_dags.conftest import FOLDER

DAG_ID = "example_wfm_shift_export"


def run(**params: Any) -> str:
    """Run the DAG for one day in this process, with no time between two looks; the DAG run's state."""
    dag = dag_bag(FOLDER).dags[DAG_ID]
    sensor = dag.get_task("export_shifts")
    sensor.poke_interval, sensor.mode = 0.05, "poke"
    return str(run_dag(dag, DAY + timedelta(days=1), params).state)


def test_it_can_be_scheduled() -> None:
    bag = dag_bag(FOLDER)
    assert "export_shifts" in json.dumps(serialized(bag.dags[DAG_ID]))
    assert bag.dags[DAG_ID].doc_md == example_wfm_shift_export.__doc__


def test_a_day_has_one_job_however_often_it_runs(stage: Callable[..., Stage]) -> None:
    simulator = stage().simulator
    assert [run(), run()] == ["success", "success"]
    (job,) = simulator.jobs
    assert job.media_format == "shifts"


def test_each_business_unit_has_its_own_job(stage: Callable[..., Stage]) -> None:
    simulator = stage().simulator
    assert [run(business_unit="north"), run(business_unit="south")] == ["success", "success"]
    assert [job.filter["businessUnitId"] for job in simulator.jobs] == ["north", "south"]


def test_force_begins_afresh(stage: Callable[..., Stage]) -> None:
    simulator = stage().simulator
    assert [run(), run(force=True)] == ["success", "success"]
    assert len(simulator.jobs) == 2


def test_a_job_that_failed_is_submitted_again(stage: Callable[..., Stage]) -> None:
    simulator = stage(faults=[{"kind": "failed_jobs", "times": 2}]).simulator
    assert run() == "success"
    assert len(simulator.jobs) == 3


def test_a_job_that_always_fails_ends_the_run_after_three_resubmissions(stage: Callable[..., Stage]) -> None:
    simulator = stage(faults=[{"kind": "failed_jobs", "times": None}]).simulator
    assert run() == "failed"
    assert len(simulator.jobs) == 4


def test_a_lost_answer_costs_one_more_job_and_no_more(stage: Callable[..., Stage]) -> None:
    simulator = stage(faults=[{"kind": "submit_lost", "times": 1}]).simulator
    assert run() == "success"
    assert len(simulator.jobs) == 2
