# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import airflow
import pytest
from airflow.providers.common.compat.sdk import conf

from airflow_provider_genesys.versions import (
    IS_AIRFLOW_3,
    DateTimeTrigger,
    let_backfills_map_tasks,
    why_backfill_would_hang,
)
from tests.rig import DAY, context_of

MINI_SCHEDULER = ("scheduler", "schedule_after_task_execution")
ONLY_AIRFLOW_2 = pytest.mark.skipif(IS_AIRFLOW_3, reason="only the backfill of Airflow 2 hangs")


@pytest.fixture(autouse=True)
def mini_scheduler() -> Iterator[None]:
    """As Airflow has it by default; an earlier test may have parsed the DAG."""
    kept = conf.get(*MINI_SCHEDULER, fallback=None)
    _set("True")
    yield
    _set(kept or "True")


def test_the_line_is_known() -> None:
    assert airflow.__version__.startswith("3." if IS_AIRFLOW_3 else "2.11.")


def test_a_moment_with_a_zone_can_be_waited_for() -> None:
    assert DateTimeTrigger(moment=DAY).moment == DAY


@ONLY_AIRFLOW_2
def test_a_backfill_with_airflows_own_settings_would_hang() -> None:
    assert why_backfill_would_hang(context_of(run_type="backfill"))


@ONLY_AIRFLOW_2
def test_a_dag_file_keeps_a_backfill_from_hanging() -> None:
    let_backfills_map_tasks()
    assert not why_backfill_would_hang(context_of(run_type="backfill"))


@ONLY_AIRFLOW_2
def test_an_environment_variable_keeps_a_backfill_from_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__SCHEDULER__SCHEDULE_AFTER_TASK_EXECUTION", "False")
    assert not why_backfill_would_hang(context_of(run_type="backfill"))


@ONLY_AIRFLOW_2
def test_a_deployment_that_insists_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__SCHEDULER__SCHEDULE_AFTER_TASK_EXECUTION", "True")
    let_backfills_map_tasks()
    assert why_backfill_would_hang(context_of(run_type="backfill"))


@ONLY_AIRFLOW_2
@pytest.mark.parametrize("executor", ["CeleryExecutor", "LocalExecutor", "own:my_company.executors.TheirExecutor"])
def test_a_backfill_with_tasks_beside_the_command_would_hang(monkeypatch: pytest.MonkeyPatch, executor: str) -> None:
    let_backfills_map_tasks()
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    assert "SequentialExecutor" in why_backfill_would_hang(context_of(run_type="backfill"))


@ONLY_AIRFLOW_2
@pytest.mark.parametrize("executor", ["SequentialExecutor", "DebugExecutor", "airflow.executors.DebugExecutor"])
def test_one_that_waits_for_its_tasks_would_not(monkeypatch: pytest.MonkeyPatch, executor: str) -> None:
    let_backfills_map_tasks()
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    assert not why_backfill_would_hang(context_of(run_type="backfill"))


@ONLY_AIRFLOW_2
def test_a_dag_file_can_be_parsed_with_a_short_airflow_cfg() -> None:
    conf.remove_section("scheduler")
    let_backfills_map_tasks()
    assert not conf.getboolean(*MINI_SCHEDULER)


@pytest.mark.parametrize("run_type", ["manual", "scheduled"])
def test_no_other_run_would_hang(run_type: str) -> None:
    assert not why_backfill_would_hang(context_of(run_type=run_type))


@pytest.mark.skipif(not IS_AIRFLOW_3, reason="Airflow 2 needs the setting")
def test_airflow_3_needs_none_of_it() -> None:
    before = conf.as_dict(display_source=True)
    let_backfills_map_tasks()
    assert conf.as_dict(display_source=True) == before
    assert not why_backfill_would_hang(context_of(run_type="backfill"))


def _set(value: str) -> None:
    section, option = MINI_SCHEDULER
    conf.read_dict({section: {option: value}})
