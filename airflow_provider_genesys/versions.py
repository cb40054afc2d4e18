# SPDX-License-Identifier: Apache-2.0
"""What differs between Airflow 2.11 and Airflow 3, and nothing else. All else comes from ``common.compat.sdk``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import conf

try:
    from airflow.providers.standard.triggers.temporal import DateTimeTrigger
except ImportError:  # Airflow 2.11 without the standard provider
    from airflow.triggers.temporal import DateTimeTrigger  # type: ignore[no-redef,import-not-found]

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = [
    "IS_AIRFLOW_3",
    "DateTimeTrigger",
    "executor_for_backfills",
    "let_backfills_map_tasks",
    "triggering_events",
    "why_backfill_would_hang",
]

IS_AIRFLOW_3 = int(airflow_version.split(".", 1)[0]) >= 3

_MINI_SCHEDULER = ("scheduler", "schedule_after_task_execution")
_EXECUTORS_THAT_WAIT = ("SequentialExecutor", "DebugExecutor")
"""Those whose tasks run while the command waits for them."""


def let_backfills_map_tasks() -> None:
    """Call this in a DAG file whose tasks are mapped at run time, so that ``airflow dags backfill`` ends on 2.11.

    There, the scheduling step that follows a task in the task's own process expands the mapped tasks before the
    backfill hears of them, which then waits for ever (apache/airflow #34012). The setting is an optimisation: without
    it the scheduler takes that step at its next tick. It is read in the process that has parsed the DAG file, so that
    it reaches no other DAG. Airflow 3 needs none of this.
    """
    if not IS_AIRFLOW_3:
        section, option = _MINI_SCHEDULER
        conf.read_dict({section: {option: "False"}})  # set() needs the section, which a fresh airflow.cfg hasn't got


def executor_for_backfills() -> str:
    """What ``airflow dags backfill`` of Airflow 2 wants in its environment, as a shell takes it; empty for nothing.

    With an executor that runs tasks beside the command, a task's success is seen in the database before the executor
    tells of it. The command then takes the next task for ready before it is mapped, sends it off, and waits for ever
    for an answer (measured on 2.11.2 with the Celery and the local executor).
    """
    waits = conf.get("core", "executor").split(",")[0].endswith(_EXECUTORS_THAT_WAIT)
    return "" if waits else f"AIRFLOW__CORE__EXECUTOR={_EXECUTORS_THAT_WAIT[0]}"


def why_backfill_would_hang(context: Context) -> str:
    """What to do for a backfill of Airflow 2 that would never end, since it maps tasks at run time; else empty."""
    run: Any = context["dag_run"]
    if IS_AIRFLOW_3 or run.run_type != "backfill":
        return ""
    if setting := executor_for_backfills():
        return f"run the command with {setting}; the scheduler keeps its own executor"
    if conf.getboolean(*_MINI_SCHEDULER, fallback=True):
        return (
            "set AIRFLOW__SCHEDULER__SCHEDULE_AFTER_TASK_EXECUTION=False for it, or call "
            "airflow_provider_genesys.versions.let_backfills_map_tasks() in the DAG file"
        )
    return ""


def triggering_events(context: Mapping[str, Any]) -> list[Any]:
    """The updates of assets that a run was triggered by, each with its ``extra``; none of a run that was not."""
    by_asset = context["triggering_asset_events" if IS_AIRFLOW_3 else "triggering_dataset_events"]
    return [event for events in by_asset.values() for event in events]
