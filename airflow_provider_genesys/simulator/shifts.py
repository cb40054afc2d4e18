# SPDX-License-Identifier: Apache-2.0
"""A made-up export of WFM shifts, for exports of one's own to be tried against; Genesys Cloud has no such endpoint.

It is as little idempotent as the export of recordings, and its jobs live, fail and lose their answers by the same
faults.
"""

from __future__ import annotations

from aiohttp import web

from airflow_provider_genesys.simulator.errors import ApiError, drop_connection
from airflow_provider_genesys.simulator.gate import client_of
from airflow_provider_genesys.simulator.guide import json_object, window_of
from airflow_provider_genesys.simulator.simulation import SIMULATION
from airflow_provider_genesys.simulator.universe import Selection

KIND = "shifts"
"""What stands in the place of a media format."""


def add_routes(app: web.Application) -> None:
    """Add the made-up routes, named as the stats name them."""
    path = "/api/v2/workforcemanagement/shiftexports"
    app.router.add_post(path, submit, name="shifts_submit")
    app.router.add_get(f"{path}/{{job_id}}", poll, name="shifts_poll", allow_head=False)


async def submit(request: web.Request) -> web.StreamResponse:
    """``POST``: a new export of the shifts from ``dateFrom`` to ``dateTo``, whether or not there is one like it."""
    simulation = request.app[SIMULATION]
    body = await json_object(request)
    start_ms, end_ms = window_of(body)
    job = simulation.submit(
        client=client_of(request),
        start_ms=start_ms,
        end_ms=end_ms,
        media_format=KIND,
        filters=body,
        selection=Selection(),
    )
    if job.fault("submit_lost"):
        return drop_connection(request)
    return web.json_response({"id": job.job_id, "status": "submitted"}, status=202)


async def poll(request: web.Request) -> web.Response:
    """``GET``: the export's status and, once it is completed, how many shifts it holds."""
    simulation = request.app[SIMULATION]
    job_id = request.match_info["job_id"]
    job = simulation.jobs.get(job_id)
    if job is None or job.media_format != KIND:
        raise ApiError(404, f"Shift export {job_id} not found.")
    status = job.status(simulation.clock())
    failed = job.fault("failed_jobs")
    return web.json_response(
        {
            "id": job_id,
            "status": status,
            "shifts": job.total(simulation.universe) if status == "completed" else None,
            "error": failed.message if failed is not None and status == "failed" else None,
        }
    )
