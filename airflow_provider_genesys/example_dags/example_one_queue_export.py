# SPDX-License-Identifier: Apache-2.0
"""
### The recordings of one queue

As the daily export, with a filter: only what went through the queue of the param `queue_id` is looked for and exported.
The filter is one of the published API: the connection says `export_api: batch`. Give the queue a destination of its
own, since an archive holds one selection.
"""

from __future__ import annotations

import pendulum
from airflow.providers.common.compat.sdk import DAG, Param, task_group
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_genesys.operators.recordings import (
    PlanExportOperator,
    ReconcileExportOperator,
    RetrieveRecordingsOperator,
    SubmitExportOperator,
)
from airflow_provider_genesys.sensors.recordings import ExportJobSensor
from airflow_provider_genesys.versions import let_backfills_map_tasks

SELECTION = {"filters": {"queueId": "{{ params.queue_id }}"}, "media": ["audio"]}
DESTINATION = "{{ params.destination }}"

let_backfills_map_tasks()

with DAG(
    dag_id="example_one_queue_export",
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    params={
        "queue_id": Param("00000000-0000-0000-0000-000000000000", type="string", format="uuid"),
        "destination": Param("file:///tmp/genesys-archive-of-a-queue", type="string"),
    },
    tags=["genesys", "example"],
    doc_md=__doc__,
):
    plan = PlanExportOperator(task_id="plan_windows", **SELECTION)

    @task_group
    def export_window(window: dict[str, str]) -> None:
        submit = SubmitExportOperator(task_id="submit_export", window=window, destination=DESTINATION, **SELECTION)
        wait = ExportJobSensor(task_id="wait_for_export", job_ids=submit.output, deferrable=True)
        RetrieveRecordingsOperator(task_id="retrieve_recordings", job_ids=wait.output, destination=DESTINATION)

    reconcile = ReconcileExportOperator(
        task_id="reconcile",
        windows=plan.output,
        destination=DESTINATION,
        trigger_rule="all_done",  # it says what is missing, whatever became of the windows
        **SELECTION,
    )

    export_window.expand(window=plan.output) >> reconcile
