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
    "backfill_would_hang",
    "let_backfills_map_tasks",
    "triggering_events",
]

IS_AIRFLOW_3 = int(airflow_version.split(".", 1)[0]) >= 3

_MINI_SCHEDULER = ("scheduler", "schedule_after_task_execution")


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


def backfill_would_hang(context: Context) -> bool:
    """Whether this run is a backfill of Airflow 2 that would never see the tasks mapped over this task's output."""
    run: Any = context["dag_run"]
    return not IS_AIRFLOW_3 and run.run_type == "backfill" and conf.getboolean(*_MINI_SCHEDULER, fallback=True)


def triggering_events(context: Mapping[str, Any]) -> list[Any]:
    """The updates of assets that a run was triggered by, each with its ``extra``; none of a run that was not."""
    by_asset = context["triggering_asset_events" if IS_AIRFLOW_3 else "triggering_dataset_events"]
    return [event for events in by_asset.values() for event in events]
