# SPDX-License-Identifier: Apache-2.0
"""
### Every call recording of the day, in your own storage

* **plan_windows** cuts the day so that no export job is too large; then, for each window,
* **submit_export** makes one job,
* **wait_for_export** waits for it without a worker slot, and
* **retrieve_recordings** streams the audio into the archive before its URLs expire.
* **reconcile** holds what arrived against what was promised, and fails the run if anything is missing.

Run it as often as you like: there is one job per window and one object per recording. Backfill with
**airflow backfill create**, on 2.11 with **airflow dags backfill**. A failed task says what to do.
"""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset, task_group
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_genesys.notifications.recordings import ExportFailureNotifier
from airflow_provider_genesys.operators.recordings import (
    PlanExportOperator,
    ReconcileExportOperator,
    RetrieveRecordingsOperator,
    SubmitExportOperator,
)
from airflow_provider_genesys.params import export_params
from airflow_provider_genesys.sensors.recordings import ExportJobSensor
from airflow_provider_genesys.versions import let_backfills_map_tasks

RECORDINGS = Asset("genesys://recordings")
TIMEZONE = os.environ.get("GENESYS_EXPORT_TIMEZONE", "UTC")
POOL = os.environ.get("GENESYS_EXPORT_POOL", "default_pool")
RETRIES = int(os.environ.get("GENESYS_EXPORT_RETRIES", "2"))

INTERVAL = {"start": "{{ params.start or '' }}", "end": "{{ params.end or '' }}"}
SELECTION = {
    "media_format": "{{ params.media_format }}",
    "media": "{{ params.media | tojson }}",
    "filters": "{{ params.filters | tojson }}",
}
DESTINATION = "{{ params.destination }}"
FORCE = "{{ params.force }}"

let_backfills_map_tasks()

with DAG(
    dag_id="genesys_recordings_export",
    schedule=CronDataIntervalTimetable("@daily", timezone=TIMEZONE),
    start_date=pendulum.datetime(2020, 1, 1, tz=TIMEZONE),  # its zone says whose calendar days are planned, too
    catchup=False,
    max_active_runs=2,
    params=export_params(),
    tags=["genesys", "recordings", "compliance"],
    doc_md=__doc__,
    default_args={
        "retries": RETRIES,
        "retry_delay": timedelta(minutes=1),
        "pool": POOL,
        "weight_rule": "absolute",  # by default a task weighs what comes after it, too, and submissions would go first
        "poll_interval": "{{ params.poll_interval }}",
        "max_poll_interval": "{{ params.max_poll_interval }}",
        "lease_seconds": "{{ params.lease_seconds }}",
        "max_recordings_per_job": "{{ params.max_recordings_per_job }}",
    },
):
    plan = PlanExportOperator(
        task_id="plan_windows",
        settle_minutes="{{ params.settle_minutes }}",
        force=FORCE,
        **INTERVAL,
        **SELECTION,
    )

    @task_group
    def export_window(window: dict[str, str]) -> None:
        submit = SubmitExportOperator(
            task_id="submit_export",
            window=window,
            destination=DESTINATION,
            force=FORCE,
            max_active_tis_per_dag=8,  # a burst of submissions would only wait for the polling budget
            **SELECTION,
        )
        wait = ExportJobSensor(
            task_id="wait_for_export", job_ids=submit.output, window=window, deferrable=True, priority_weight=10
        )
        RetrieveRecordingsOperator(
            task_id="retrieve_recordings",
            job_ids=wait.output,
            window=window,
            destination=DESTINATION,
            key_template="{{ params.key_template }}",
            max_active_tis_per_dag=4,
            priority_weight=100,  # URLs expire: retrieval goes ahead of new submissions
        )

    reconcile = ReconcileExportOperator(
        task_id="reconcile",
        windows=plan.output,
        destination=DESTINATION,
        on_unavailable="{{ params.on_unavailable }}",
        verify="{{ params.verify }}",
        trigger_rule="all_done",
        outlets=[RECORDINGS],
        on_failure_callback=ExportFailureNotifier(),  # says what is missing: in this task's log, or by send=…
        **INTERVAL,
        **SELECTION,
    )

    export_window.expand(window=plan.output) >> reconcile
