# SPDX-License-Identifier: Apache-2.0
"""Analytics of the published Platform API: which conversations there were, by query and by asynchronous job.

The same ``interval`` has two meanings. A query finds what started on a day that the interval touches; a job finds what
was active within it, unless ``startOfDayIntervalMatching`` says otherwise.
"""

from __future__ import annotations

import uuid
from typing import Any

from aiohttp import web

from airflow_provider_genesys.simulator.errors import ApiError, drop_connection
from airflow_provider_genesys.simulator.gate import client_of
from airflow_provider_genesys.simulator.guide import json_object
from airflow_provider_genesys.simulator.platform.description import described
from airflow_provider_genesys.simulator.platform.filters import Filter, filter_of, without
from airflow_provider_genesys.simulator.platform.paging import cursor_at, cursor_of
from airflow_provider_genesys.simulator.platform.reading import interval_of, number_of
from airflow_provider_genesys.simulator.platform.search import Found
from airflow_provider_genesys.simulator.platform.state import DetailsJob
from airflow_provider_genesys.simulator.simulation import SIMULATION, Simulation
from airflow_provider_genesys.simulator.times import to_iso
from airflow_provider_genesys.simulator.universe import MS_PER_DAY

MAX_QUERY_PAGE = 100
MAX_QUERY_DAYS = 7
MAX_JOB_DAYS = 31
MAX_RESULTS_PAGE = 10_000
RESULTS_PAGE = 1_000
JOB_LIFE = 86_400.0
"""Seconds for which a job's results are kept."""


def add_routes(app: web.Application) -> None:
    """Add the routes, named as the stats and faults name them."""
    path = "/api/v2/analytics/conversations/details"
    app.router.add_post(f"{path}/query", query, name="details_query")
    app.router.add_post(f"{path}/jobs", submit, name="details_submit")
    app.router.add_get(f"{path}/jobs/availability", availability, name="availability", allow_head=False)
    app.router.add_get(f"{path}/jobs/{{job_id}}", poll, name="details_poll", allow_head=False)
    app.router.add_get(f"{path}/jobs/{{job_id}}/results", results, name="details_results", allow_head=False)


async def query(request: web.Request) -> web.Response:
    """``POST …/details/query``: a page of conversations that started on a day that the interval touches."""
    simulation = request.app[SIMULATION]
    body = await json_object(request)
    await simulation.holds.at("search")
    start_ms, end_ms = interval_of(body.get("interval"))
    if end_ms - start_ms > MAX_QUERY_DAYS * MS_PER_DAY:
        raise ApiError(400, f"interval may not be longer than {MAX_QUERY_DAYS} days; use an asynchronous details job")
    oldest = simulation.universe.query_age_days
    if oldest is not None and start_ms < simulation.clock() * 1000 - oldest * MS_PER_DAY:
        raise ApiError(400, f"interval may not start more than {oldest} days ago; use an asynchronous details job")
    paging = body.get("paging") or {}
    if not isinstance(paging, dict):
        raise ApiError(400, "paging must be an object with pageSize and pageNumber")
    size = number_of(paging.get("pageSize"), "paging.pageSize", 25, MAX_QUERY_PAGE)
    page = number_of(paging.get("pageNumber"), "paging.pageNumber", 1)
    if size * page > simulation.universe.query_records:
        raise ApiError(400, f"a query shows {simulation.universe.query_records} conversations; use a details job")
    found = simulation.platform.search.on_days(start_ms, end_ms, _wanted(body, simulation), simulation.hidden_divisions)
    shown = _page(simulation, found, (page - 1) * size, page * size, _descending(body), attributes=False)
    return web.json_response({"conversations": shown, "totalHits": len(found)})


async def submit(request: web.Request) -> web.StreamResponse:
    """``POST …/details/jobs``: an asynchronous query; not idempotent."""
    simulation = request.app[SIMULATION]
    body = await json_object(request)
    await simulation.holds.at("search")
    interval = interval_of(body.get("interval"))
    if interval[1] - interval[0] > MAX_JOB_DAYS * MS_PER_DAY:
        raise ApiError(400, f"interval may not be longer than {MAX_JOB_DAYS} days")
    client = client_of(request)
    job = DetailsJob(
        job_id=str(uuid.uuid4()),
        client=client,
        interval=interval,
        whole_days=body.get("startOfDayIntervalMatching") is True,
        descending=_descending(body),
        wanted=_wanted(body, simulation),
        hidden=simulation.hidden_divisions,
        submitted_at=simulation.clock(),
        available_ms=simulation.available_ms,
        fault=simulation.plan.for_submission("details", client),
    )
    simulation.platform.details_jobs[job.job_id] = job
    if job.fault is not None and job.fault.kind == "details_lost":
        return drop_connection(request)
    return web.json_response({"jobId": job.job_id}, status=202)


async def poll(request: web.Request) -> web.Response:
    """``GET …/details/jobs/{jobId}``: QUEUED, PENDING, FULFILLED, or how it ended otherwise."""
    simulation = request.app[SIMULATION]
    job = _job(request, simulation)
    done_at = job.submitted_at + simulation.universe.details_job_seconds
    state = _state(job, simulation)
    status: dict[str, Any] = {"state": state, "submissionDate": _date(job.submitted_at)}
    if state in ("FULFILLED", "FAILED", "EXPIRED"):
        status["completionDate"] = _date(done_at)
        status["expirationDate"] = _date(done_at + JOB_LIFE)
    if state == "FAILED" and job.fault is not None:
        status["errorMessage"] = job.fault.message
    return web.json_response(status)


async def results(request: web.Request) -> web.Response:
    """``GET …/details/jobs/{jobId}/results``: a page of conversations; the last has no cursor."""
    simulation = request.app[SIMULATION]
    job = _job(request, simulation)
    state = _state(job, simulation)
    if state != "FULFILLED":
        raise ApiError(400, f"The results of job {job.job_id} are not available: it is {state}")
    size = number_of(request.query.get("pageSize"), "pageSize", RESULTS_PAGE, MAX_RESULTS_PAGE)
    offset = cursor_of(request.query.get("cursor"))
    found = _results(job, simulation)
    answer: dict[str, Any] = {
        "conversations": _page(simulation, found, offset, offset + size, job.descending, attributes=True),
        "dataAvailabilityDate": to_iso(job.available_ms),
    }
    if offset + size < len(found):
        answer["cursor"] = cursor_at(offset + size)
    return web.json_response(answer)


async def availability(request: web.Request) -> web.Response:
    """``GET …/details/jobs/availability``: until when the data lake has conversations."""
    return web.json_response({"dataAvailabilityDate": to_iso(request.app[SIMULATION].available_ms)})


def _job(request: web.Request, simulation: Simulation) -> DetailsJob:
    job_id = request.match_info["job_id"]
    job = simulation.platform.details_jobs.get(job_id)
    if job is None or job.client != client_of(request):
        raise ApiError(404, f"Details job {job_id} not found.")
    return job


def _state(job: DetailsJob, simulation: Simulation) -> str:
    seconds = simulation.universe.details_job_seconds
    elapsed = simulation.clock() - job.submitted_at
    if elapsed < seconds * 0.25:
        return "QUEUED"
    if elapsed < seconds:
        return "PENDING"
    if job.fault is not None and job.fault.kind == "failed_details":
        return "FAILED"
    return "FULFILLED" if elapsed < seconds + JOB_LIFE else "EXPIRED"


def _results(job: DetailsJob, simulation: Simulation) -> Found:
    """What the job found; nothing that the data lake did not have when it was submitted."""
    start_ms, end_ms = job.interval
    if job.whole_days:
        start_ms, end_ms = start_ms // MS_PER_DAY * MS_PER_DAY, -(-end_ms // MS_PER_DAY) * MS_PER_DAY
    end_ms = max(min(end_ms, job.available_ms), start_ms)
    search = simulation.platform.search
    find = search.started if job.whole_days else search.active
    return find(start_ms, end_ms, job.wanted, job.hidden)


def _page(
    simulation: Simulation, found: Found, start: int, stop: int, descending: bool, *, attributes: bool
) -> list[dict[str, Any]]:
    places = found.places(start, stop, descending)
    return [described(each, attributes=attributes) for each in simulation.platform.search.conversations(places)]


def _wanted(body: dict[str, Any], simulation: Simulation) -> Filter:
    """Whom a query looks for: a call that is not there yet is not found."""
    return without(filter_of(body), simulation.plan.late(simulation.clock()))


def _descending(body: dict[str, Any]) -> bool:
    order, order_by = body.get("order") or "asc", body.get("orderBy") or "conversationStart"
    if order not in ("asc", "desc", "unordered"):
        raise ApiError(400, f"order must be asc, desc or unordered, not {order!r}")
    if order_by != "conversationStart":
        raise ApiError(400, f"orderBy {order_by!r} is not simulated; conversationStart is")
    return bool(order == "desc")


def _date(seconds: float) -> str:
    return to_iso(int(seconds * 1000))
