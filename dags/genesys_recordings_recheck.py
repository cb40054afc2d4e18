# SPDX-License-Identifier: Apache-2.0
"""
### Call recordings that came late

Recordings appear hours after hang-up, calls end after midnight, and what was archived at Genesys Cloud comes back.
Once a week `plan_recheck` counts the last `days` again and holds them against the receipts. Windows of which there is
more by now are exported as `genesys_recordings_export` does it: what is archived is neither fetched nor asked for
again. `reconcile` writes the reports of their days anew, which tell how much came late, and is skipped where nothing
did.

A day of which nothing is new costs one request. A day that was never exported is left to a backfill.
"""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset, task_group
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_genesys.operators.recheck import PlanRecheckOperator, ReconcileRecheckOperator
from airflow_provider_genesys.operators.recordings import RetrieveRecordingsOperator, SubmitExportOperator
from airflow_provider_genesys.params import recheck_params
from airflow_provider_genesys.sensors.recordings import ExportJobSensor
from airflow_provider_genesys.versions import let_backfills_map_tasks

RECORDINGS = Asset("genesys://recordings")
TIMEZONE = os.environ.get("GENESYS_EXPORT_TIMEZONE", "UTC")
POOL = os.environ.get("GENESYS_EXPORT_POOL", "default_pool")
RETRIES = int(os.environ.get("GENESYS_EXPORT_RETRIES", "2"))

SELECTION = {
    "media_format": "{{ params.media_format }}",
    "media": "{{ params.media | tojson }}",
    "filters": "{{ params.filters | tojson }}",
}
DESTINATION = "{{ params.destination }}"

let_backfills_map_tasks()

with DAG(
    dag_id="genesys_recordings_recheck",
    schedule=CronDataIntervalTimetable("0 12 * * SUN", timezone=TIMEZONE),
    start_date=pendulum.datetime(2020, 1, 1, tz=TIMEZONE),  # its zone says whose calendar days are counted, too
    catchup=False,
    max_active_runs=1,
    params=recheck_params(),
    tags=["genesys", "recordings", "compliance"],
    doc_md=__doc__,
    default_args={
        "retries": RETRIES,
        "retry_delay": timedelta(minutes=1),
        "pool": POOL,
        "weight_rule": "absolute",
        "poll_interval": "{{ params.poll_interval }}",
        "max_poll_interval": "{{ params.max_poll_interval }}",
        "lease_seconds": "{{ params.lease_seconds }}",
        "max_recordings_per_job": "{{ params.max_recordings_per_job }}",
    },
):
    plan = PlanRecheckOperator(
        task_id="plan_recheck",
        destination=DESTINATION,
        days="{{ params.days }}",
        settle_minutes="{{ params.settle_minutes }}",
        start="{{ params.start or '' }}",
        end="{{ params.end or '' }}",
        **SELECTION,
    )

    @task_group
    def export_window(window: dict[str, str]) -> None:
        submit = SubmitExportOperator(
            task_id="submit_export", window=window, destination=DESTINATION, max_active_tis_per_dag=8, **SELECTION
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

    reconcile = ReconcileRecheckOperator(
        task_id="reconcile",
        windows=plan.output,
        destination=DESTINATION,
        on_unavailable="{{ params.on_unavailable }}",
        verify="{{ params.verify }}",
        trigger_rule="all_done",
        outlets=[RECORDINGS],
        **SELECTION,
    )

    export_window.expand(window=plan.output) >> reconcile
