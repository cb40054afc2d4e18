# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import Any

import jinja2
import pytest

from airflow_provider_genesys.operators.arguments import filters_of
from airflow_provider_genesys.params import recheck_params
from airflow_provider_genesys.versions import IS_AIRFLOW_3
from tests.airflow_versions import dag_bag, serialized
from tests.conftest import ROOT
from tests.dags.parsing import parsed_alone

DAG_ID = "genesys_recordings_recheck"
FILE = ROOT / "dags" / f"{DAG_ID}.py"


@pytest.fixture(scope="module")
def dag() -> Any:
    bag = dag_bag(FILE)
    assert bag.import_errors == {}
    return bag.dags[DAG_ID]


@pytest.fixture(scope="module")
def daily() -> Any:
    return dag_bag(ROOT / "dags" / "genesys_recordings_export.py").dags["genesys_recordings_export"]


def test_the_scheduler_can_read_it(dag: Any) -> None:
    assert "PlanRecheckOperator" in json.dumps(serialized(dag))


def test_between_its_ends_are_the_daily_dags_own_steps(dag: Any, daily: Any) -> None:
    steps = {task.task_id: task.task_type for task in dag.tasks}
    assert steps.pop("plan_recheck") == "PlanRecheckOperator"
    assert steps.pop("reconcile") == "ReconcileRecheckOperator"
    of_daily = {task.task_id: task.task_type for task in daily.tasks if "." in task.task_id}
    assert steps == of_daily


def test_its_tasks_follow_one_another(dag: Any) -> None:
    assert {task.task_id: set(task.downstream_task_ids) for task in dag.tasks} == {
        "plan_recheck": {task.task_id for task in dag.tasks} - {"plan_recheck"},
        "export_window.submit_export": {"export_window.wait_for_export"},
        "export_window.wait_for_export": {"export_window.retrieve_recordings"},
        "export_window.retrieve_recordings": {"reconcile"},
        "reconcile": set(),
    }


def test_the_steps_are_given_what_the_daily_dag_gives_them(dag: Any, daily: Any) -> None:
    """Another format, filter or limit would be another request, and the window exported twice."""
    for task in (each for each in dag.tasks if "." in each.task_id):
        other = daily.get_task(task.task_id)
        own = {"force", "window", "job_ids"}  # the latter are other tasks' output
        given = {name: getattr(task, name) for name in task.template_fields if name not in own}
        assert given == {name: getattr(other, name) for name in given}
        assert (task.priority_weight, task.pool) == (other.priority_weight, other.pool)


def test_one_group_is_mapped_and_no_task(dag: Any) -> None:
    groups = {name: group for name, group in dag.task_group_dict.items() if name}
    assert {name: type(group).__name__ for name, group in groups.items()} == {"export_window": "MappedTaskGroup"}


def test_it_runs_once_a_week_alone_and_does_not_catch_up(dag: Any) -> None:
    assert "0 12 * * SUN" in json.dumps(dag.timetable.serialize())
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_the_days_that_are_counted_are_those_of_the_daily_dag(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("GENESYS_EXPORT_TIMEZONE", zone)
    dag = dag_bag(FILE).dags[DAG_ID]
    assert str(dag.timezone) == zone
    assert {dag.get_task(name).timezone for name in ("plan_recheck", "reconcile")} == {None}


def test_its_params_share_their_environment_variables(dag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {name: dag.params[name] for name in dag.params} == {
        name: param.value for name, param in recheck_params({}).items()
    }
    monkeypatch.setenv("GENESYS_EXPORT_DESTINATION", "s3://calls/genesys")
    monkeypatch.setenv("GENESYS_EXPORT_DAYS", "14")
    monkeypatch.setenv("GENESYS_EXPORT_RETRIES", "30")
    dag = dag_bag(FILE).dags[DAG_ID]
    assert (dag.params["destination"], dag.params["days"]) == ("s3://calls/genesys", 14)
    assert {task.retries for task in dag.tasks} == {30}


def test_every_param_reaches_the_tasks(dag: Any) -> None:
    rendered = json.dumps(
        [getattr(task, name, None) for task in dag.tasks for name in task.template_fields], default=str
    )
    assert [name for name in dag.params if f"params.{name}" not in rendered] == []


def test_what_the_tasks_are_given_can_be_rendered(dag: Any) -> None:
    params = {**{name: dag.params[name] for name in dag.params}, "filters": {"queueId": "<it's>"}}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    for task in dag.tasks:
        for name in task.template_fields:
            value = getattr(task, name)
            if isinstance(value, str):
                rendered = environment.from_string(value).render(params=params)
                assert name != "filters" or filters_of(rendered) == {"queueId": "<it's>"}


def test_the_reconciler_sees_every_end_and_announces_a_good_one(dag: Any) -> None:
    reconcile = dag.get_task("reconcile")
    assert str(getattr(reconcile.trigger_rule, "value", reconcile.trigger_rule)) == "all_done"
    assert [outlet.uri.rstrip("/") for outlet in reconcile.outlets] == ["genesys://recordings"]


def test_it_says_what_it_is_for(dag: Any) -> None:
    assert dag.doc_md.lstrip().startswith("### Call recordings that came late")


def test_it_is_parsed_in_under_a_second_without_a_connection_or_a_setting_of_its_own() -> None:
    parsed = parsed_alone(FILE)
    assert parsed["dag"] == DAG_ID
    assert parsed["seconds"] < 1.0
    assert parsed["changed"] == ([] if IS_AIRFLOW_3 else [["scheduler", "schedule_after_task_execution"]])
