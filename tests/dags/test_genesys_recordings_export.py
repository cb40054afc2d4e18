# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jinja2
import pytest

from airflow_provider_genesys.operators.arguments import filters_of
from airflow_provider_genesys.params import export_params
from airflow_provider_genesys.versions import IS_AIRFLOW_3
from tests.airflow_versions import as_the_webserver_reads, dag_bag, serialized
from tests.conftest import AIRFLOW_HOME, ROOT
from tests.dags.parsing import parsed_alone

DAG_ID = "genesys_recordings_export"
FILE = ROOT / "dags" / f"{DAG_ID}.py"


@pytest.fixture(scope="module")
def dag() -> Any:
    bag = dag_bag(FILE)
    assert bag.import_errors == {}
    return bag.dags[DAG_ID]


@pytest.fixture(scope="module")
def parsed() -> dict[str, Any]:
    return parsed_alone(FILE)


def test_the_folder_holds_the_two_dags_and_no_errors() -> None:
    bag = dag_bag(ROOT / "dags")
    assert bag.import_errors == {}
    assert set(bag.dags) == {DAG_ID, "genesys_recordings_recheck"}


def test_the_scheduler_can_read_it(dag: Any) -> None:
    text = json.dumps(serialized(dag))
    assert "ExportJobSensor" in text


def test_its_tasks_are_those_of_the_contract(dag: Any) -> None:
    assert {task.task_id: task.task_type for task in dag.tasks} == {
        "plan_windows": "PlanExportOperator",
        "export_window.submit_export": "SubmitExportOperator",
        "export_window.wait_for_export": "ExportJobSensor",
        "export_window.retrieve_recordings": "RetrieveRecordingsOperator",
        "reconcile": "ReconcileExportOperator",
    }


def test_its_tasks_follow_one_another(dag: Any) -> None:
    assert {task.task_id: set(task.downstream_task_ids) for task in dag.tasks} == {
        "plan_windows": {task.task_id for task in dag.tasks} - {"plan_windows"},  # all are given its windows
        "export_window.submit_export": {"export_window.wait_for_export"},
        "export_window.wait_for_export": {"export_window.retrieve_recordings"},
        "export_window.retrieve_recordings": {"reconcile"},
        "reconcile": set(),
    }


def test_one_group_is_mapped_and_no_task(dag: Any) -> None:
    groups = {name: group for name, group in dag.task_group_dict.items() if name}
    assert {name: type(group).__name__ for name, group in groups.items()} == {"export_window": "MappedTaskGroup"}
    assert not [task.task_id for task in dag.tasks if type(task).__name__ == "MappedOperator"]


def test_it_runs_by_calendar_days_and_does_not_catch_up(dag: Any) -> None:
    assert type(dag.timetable).__name__ == "CronDataIntervalTimetable"
    assert dag.catchup is False
    assert dag.max_active_runs == 2


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Auckland"])
def test_the_days_that_are_planned_are_those_of_the_schedule(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("GENESYS_EXPORT_TIMEZONE", zone)
    dag = dag_bag(FILE).dags[DAG_ID]
    assert str(dag.timezone) == zone
    assert zone in json.dumps(dag.timetable.serialize())
    assert dag.get_task("plan_windows").timezone is None


def test_its_params_are_those_of_the_contract(dag: Any) -> None:
    assert {name: dag.params.get_param(name).value for name in dag.params} == {
        name: param.value for name, param in export_params({}).items()
    }


def test_its_trigger_form_has_a_name_a_kind_and_help_for_every_param(dag: Any) -> None:
    """As the webserver and the api-server read it."""
    params = as_the_webserver_reads(dag).params
    assert set(params) == set(export_params({}))
    for name in params:
        param = params.get_param(name)
        assert param.description, name
        assert param.schema["title"], name
        assert param.schema["type"], name
    assert params.get_param("media_format").schema["enum"] == ["auto", "mp3", "wav", "original"]
    assert params.get_param("start").schema["format"] == "date-time"


def test_a_deployment_sets_defaults_without_editing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYS_EXPORT_DESTINATION", "s3://calls/genesys")
    monkeypatch.setenv("GENESYS_EXPORT_POOL", "genesys")
    monkeypatch.setenv("GENESYS_EXPORT_RETRIES", "30")
    dag = dag_bag(FILE).dags[DAG_ID]
    assert dag.params["destination"] == "s3://calls/genesys"
    assert {(task.pool, task.retries) for task in dag.tasks} == {("genesys", 30)}


def test_a_wrong_default_is_an_import_error_that_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYS_EXPORT_MEDIA_FORMAT", "default")
    (error,) = dag_bag(FILE).import_errors.values()
    assert "GENESYS_EXPORT_MEDIA_FORMAT is no default for the param 'media_format'" in error


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
                assert name not in ("start", "end") or rendered == ""


def test_retrieval_goes_ahead_of_new_submissions(dag: Any) -> None:
    """URLs expire. By Airflow's default rule a task would also weigh what comes after it."""
    tasks = [task.get("__var", task) for task in serialized(dag)["dag"]["tasks"]]
    assert {task["weight_rule"] for task in tasks} == {"absolute"}
    weights = {task["task_id"].rpartition(".")[2]: task.get("priority_weight", 1) for task in tasks}
    assert weights["retrieve_recordings"] > weights["wait_for_export"] > weights["submit_export"]


def test_the_reconciler_sees_every_end_and_announces_a_good_one(dag: Any) -> None:
    reconcile = dag.get_task("reconcile")
    assert str(getattr(reconcile.trigger_rule, "value", reconcile.trigger_rule)) == "all_done"
    assert [outlet.uri.rstrip("/") for outlet in reconcile.outlets] == ["genesys://recordings"]


def test_the_wait_takes_no_worker_slot(dag: Any) -> None:
    assert dag.get_task("export_window.wait_for_export").deferrable is True


def test_tasks_are_tried_again(dag: Any) -> None:
    assert {(task.retries, task.retry_delay.total_seconds()) for task in dag.tasks} == {(2, 60.0)}


def test_it_says_what_it_is_for(dag: Any) -> None:
    assert dag.doc_md.lstrip().startswith("### Every call recording of the day")
    assert {"genesys", "recordings", "compliance"} <= set(dag.tags)


def test_it_is_parsed_in_under_a_second_and_without_a_connection(parsed: dict[str, Any]) -> None:
    assert parsed["dag"] == DAG_ID
    assert parsed["seconds"] < 1.0


def test_parsing_it_makes_no_ledger(parsed: dict[str, Any]) -> None:
    assert os.environ["AIRFLOW_HOME"] == str(AIRFLOW_HOME)
    assert list(Path(AIRFLOW_HOME).rglob("*ledger*")) == []


def test_parsing_it_changes_no_setting_but_the_one_that_airflow_2_needs(parsed: dict[str, Any]) -> None:
    assert parsed["changed"] == ([] if IS_AIRFLOW_3 else [["scheduler", "schedule_after_task_execution"]])
