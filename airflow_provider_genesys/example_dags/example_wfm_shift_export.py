# SPDX-License-Identifier: Apache-2.0
"""
### An export of your own, under the same guardrail as the recordings

The guide points out that WFM shift exports make duplicates just as recordings do. Here a day's shifts have one job,
however often and from wherever they are asked for: `export_shifts` claims the day in the ledger, submits what nobody
has submitted, looks at the job, and tells the ledger how it ended. A job that failed is submitted again, three times
at most; the param `force` begins afresh.

The endpoint is made up: the provider's simulator answers it, Genesys Cloud does not. Put your own calls, as
`airflow_provider_genesys.api.errors.Call`, in the place of `SUBMIT` and `LOOK`.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, PokeReturnValue, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_genesys.api.shifts import LOOK, SUBMIT
from airflow_provider_genesys.guardrail import failed, finished, submitted_once
from airflow_provider_genesys.hooks.genesys import GenesysHook

with DAG(
    dag_id="example_wfm_shift_export",
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    params={"business_unit": "all", "force": False},
    tags=["genesys", "example"],
    doc_md=__doc__,
):

    @task.sensor(poke_interval=15.0, timeout=3600.0, mode="reschedule")
    def export_shifts(**context: Any) -> PokeReturnValue:
        """Have one job for the day's shifts, and wait until it is completed."""
        dates = {
            "dateFrom": context["data_interval_start"].isoformat(),
            "dateTo": context["data_interval_end"].subtract(microseconds=1000).isoformat(),
        }
        what = {
            "export": "wfm_shifts",
            "start": context["data_interval_start"].isoformat(),
            "end": context["data_interval_end"].isoformat(),
            "businessUnitId": context["params"]["business_unit"],
        }
        client = GenesysHook().get_conn()

        def submit() -> str:
            job = client.call(SUBMIT, body={**dates, "businessUnitId": what["businessUnitId"]})
            return str(job["id"])

        job_id = submitted_once(what, submit, context=context, force=context["params"]["force"])
        job = client.call(LOOK, ids={"job_id": job_id})
        if job["status"] == "failed":
            failed(what, job_id, job["error"] or "", context=context)  # the next look submits another
        if job["status"] == "completed":
            finished(what, job_id, context=context)
        return PokeReturnValue(is_done=job["status"] == "completed", xcom_value=job_id)

    @task
    def report(job_id: str) -> str:
        """Say what the export holds; yours would fetch it."""
        job = GenesysHook().get_conn().call(LOOK, ids={"job_id": job_id})
        return f"job {job_id} has {job['shifts']} shifts"

    report(export_shifts())
