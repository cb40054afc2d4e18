# SPDX-License-Identifier: Apache-2.0
"""The guide's export API: volume of a window, submission of a job, its status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from aiohttp import web

from airflow_provider_genesys.simulator.errors import ApiError, drop_connection
from airflow_provider_genesys.simulator.gate import client_of
from airflow_provider_genesys.simulator.jobs import Job
from airflow_provider_genesys.simulator.listing import dates, details, metadata, time_suffix
from airflow_provider_genesys.simulator.presigned import manifest_url
from airflow_provider_genesys.simulator.simulation import SIMULATION, Simulation
from airflow_provider_genesys.simulator.times import to_iso, to_ms
from airflow_provider_genesys.simulator.universe import Selection

# What the simulator answers to a format that is absent or "default" is the guide's trap: an encrypted container.
FORMATS = ("mp3", "wav", "default")
MAX_PAGE_SIZE = 500


def add_routes(app: web.Application) -> None:
    """Add the guide's routes, named as the stats and faults name them."""
    app.router.add_get("/api/v2/recordings", volume, name="volume", allow_head=False)
    app.router.add_post("/api/v2/recordings/jobs", submit, name="submit")
    app.router.add_get("/api/v2/recordings/jobs/{job_id}", poll, name="poll", allow_head=False)


async def volume(request: web.Request) -> web.Response:
    """``GET /api/v2/recordings``: a page of recordings, and above all their ``total``."""
    simulation = request.app[SIMULATION]
    universe = simulation.universe
    start_ms, end_ms = window_of(request.query)
    size = _whole_number(request.query.get("pageSize", "25"), "pageSize", MAX_PAGE_SIZE)
    page = _whole_number(request.query.get("pageNumber", "1"), "pageNumber")
    selection = _selection({key: request.query.getall(key) for key in request.query}, simulation)
    total = universe.count(start_ms, end_ms, selection)
    positions = islice(universe.positions(start_ms, end_ms, selection), (page - 1) * size, page * size)
    return web.json_response(
        {
            "entities": [metadata(universe.call(*position)) for position in positions],
            "pageSize": size,
            "pageNumber": page,
            "total": total,
            "pageCount": -(-total // size),
        }
    )


async def submit(request: web.Request) -> web.StreamResponse:
    """``POST /api/v2/recordings/jobs``: a new export job, whether or not there is one like it."""
    simulation = request.app[SIMULATION]
    body = await json_object(request)
    if body.get("type") != "export":
        raise ApiError(400, f'type must be "export", not {body.get("type")!r}')
    filters = body.get("filter")
    if not isinstance(filters, dict):
        raise ApiError(400, "filter must be an object with dateFrom and dateTo")
    start_ms, end_ms = window_of(filters)
    media_format, selection = _media_format(body.get("jobDetails")), _selection(filters, simulation)
    await simulation.holds.at("submit:before")
    if request.transport is None:  # the client died while it was held: as if its request had never arrived
        return drop_connection(request)
    job = simulation.submit(
        client=client_of(request),
        start_ms=start_ms,
        end_ms=end_ms,
        media_format=media_format,
        filters=filters,
        selection=selection,
    )
    await simulation.holds.at("submit:after")
    if job.fault("submit_lost"):
        return drop_connection(request)
    if job.fault("submit_error_after"):
        raise ApiError(504, "The request timed out.")
    return web.json_response(_accepted(job), status=202)


async def poll(request: web.Request) -> web.Response:
    """``GET /api/v2/recordings/jobs/{jobId}``: the job's status and, once it is completed, its presigned URLs."""
    simulation = request.app[SIMULATION]
    await simulation.holds.at("poll")
    job_id = request.match_info["job_id"]
    job = simulation.jobs.get(job_id)
    if job is None:
        raise ApiError(404, f"Recording job {job_id} not found.")
    return web.json_response(_status(job, simulation, f"{request.scheme}://{request.host}"))


def _accepted(job: Job) -> dict[str, Any]:
    hidden = "jobId" if job.fault("id_only") else "id" if job.fault("job_id_only") else None
    answer = {
        "id": job.job_id,
        "jobId": job.job_id,
        "type": "export",
        "status": "submitted",
        "url": None,
        "selfUri": f"/api/v2/recordings/jobs/{job.job_id}",
    }
    return {key: value for key, value in answer.items() if key != hidden}


def _status(job: Job, simulation: Simulation, base_url: str) -> dict[str, Any]:
    status = job.status(simulation.clock())
    url = manifest_url(job, simulation.signing_secret, base_url)
    answer: dict[str, Any] = {
        "id": job.job_id,
        "jobId": job.job_id,
        "type": "export",
        "status": status,
        **dates(job),
        "totalRecordings": None,
        "url": None,
        "expiresAt": None,
        "jobDetails": [],
    }
    if status == "completed":
        answer["totalRecordings"] = job.total(simulation.universe)
        answer["url"] = url
        answer["expiresAt"] = to_iso(int(job.expires_at * 1000), time_suffix(job))
        answer["jobDetails"] = list(details(job, simulation.universe, simulation.signing_secret, base_url))
    if job.fault("missing_expires_at"):
        del answer["expiresAt"]
    told = job.fault("failed_jobs") or job.fault("leaky_error")
    if status == "failed" and told is not None:
        answer["error"] = (told.message or "").replace("{url}", url)
    return answer


async def json_object(request: web.Request) -> dict[str, Any]:
    """A request's body.

    :raises ApiError: 400, no JSON object.
    """
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise ApiError(400, f"The request could not be understood: {error}") from error
    if not isinstance(body, dict):
        raise ApiError(400, "The request must be a JSON object")
    return body


def window_of(source: Mapping[str, Any]) -> tuple[int, int]:
    """``[start, end)`` in ms from ``dateFrom`` and ``dateTo``, which is included.

    :raises ApiError: 400, a time is missing or wrong.
    """
    first, last = (_time(source.get(name), name) for name in ("dateFrom", "dateTo"))
    if last < first:
        raise ApiError(400, "dateTo must not be before dateFrom")
    return first, last + 1


def _time(value: object, name: str) -> int:
    if not isinstance(value, str):
        raise ApiError(400, f"{name} is required: an ISO 8601 time such as 2024-05-01T00:00:00.000Z")
    try:
        return to_ms(value)
    except ValueError as error:
        raise ApiError(400, f"{name} must be an ISO 8601 time with an offset: {error}") from error


def _media_format(details: object) -> str:
    if not isinstance(details, list) or len(details) != 1 or not isinstance(details[0], dict):
        raise ApiError(400, "jobDetails must be a list of one object with type and format")
    if details[0].get("type") != "recording":
        raise ApiError(400, f'jobDetails[0].type must be "recording", not {details[0].get("type")!r}')
    media_format = details[0].get("format", "default")
    if media_format not in FORMATS:
        raise ApiError(400, f"jobDetails[0].format must be one of {', '.join(FORMATS)}, not {media_format!r}")
    return str(media_format)


def _selection(filters: Mapping[str, Any], simulation: Simulation) -> Selection:
    late = simulation.plan.late(simulation.clock())
    return Selection(queue_ids=_ids(filters, "queueId"), agent_ids=_ids(filters, "agentId"), late=late)


def _ids(filters: Mapping[str, Any], name: str) -> frozenset[str] | None:
    value = filters.get(name)
    if value is None:
        return None
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise ApiError(400, f"{name} must be an id or a list of ids")
    return frozenset(values)


def _whole_number(text: str, name: str, most: int | None = None) -> int:
    if not text.isdecimal() or int(text) < 1 or (most is not None and int(text) > most):
        raise ApiError(400, f"{name} must be a whole number from 1{f' to {most}' if most else ''}, not {text!r}")
    return int(text)
