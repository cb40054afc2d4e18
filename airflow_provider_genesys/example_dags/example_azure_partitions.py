# SPDX-License-Identifier: Apache-2.0
"""
### Into Azure Blob Storage, in partitions

As the daily export, into the container `calls` by the Airflow connection `wasb_default` (extra `[azure]`). The key
template makes a folder for each day, and in it one for each queue; what the manifest doesn't say is called `unknown`.
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

KEY_TEMPLATE = "recordings/{date}/{queue_name}/{recording_id}.{ext}"
DESTINATION = "{{ params.destination }}"
FORMAT = "mp3"

let_backfills_map_tasks()

with DAG(
    dag_id="example_azure_partitions",
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    params={"destination": Param("abfs://wasb_default@calls/genesys", type="string", pattern="^abfs://.+")},
    tags=["genesys", "example"],
    doc_md=__doc__,
):
    plan = PlanExportOperator(task_id="plan_windows", media_format=FORMAT)

    @task_group
    def export_window(window: dict[str, str]) -> None:
        submit = SubmitExportOperator(
            task_id="submit_export", window=window, destination=DESTINATION, media_format=FORMAT
        )
        wait = ExportJobSensor(task_id="wait_for_export", job_ids=submit.output, deferrable=True)
        RetrieveRecordingsOperator(
            task_id="retrieve_recordings",
            job_ids=wait.output,
            destination=DESTINATION,
            key_template=KEY_TEMPLATE,
        )

    reconcile = ReconcileExportOperator(
        task_id="reconcile",
        windows=plan.output,
        destination=DESTINATION,
        media_format=FORMAT,
        trigger_rule="all_done",  # it says what is missing, whatever became of the windows
    )

    export_window.expand(window=plan.output) >> reconcile
