# SPDX-License-Identifier: Apache-2.0
"""Bulk jobs of the published Platform API: created, ready, executed by their creator, fulfilled - and then delivered.

Two jobs of an organisation are pending or processing at most, those of its administrators included. How the platform
words its refusal of a third is not known; here it is a 400 like others.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from aiohttp import web

from airflow_provider_genesys.simulator.conversations import Conversation, Media
from airflow_provider_genesys.simulator.errors import ApiError, drop_connection
from airflow_provider_genesys.simulator.gate import client_of
from airflow_provider_genesys.simulator.guide import json_object
from airflow_provider_genesys.simulator.platform.delivery import deliver_later
from airflow_provider_genesys.simulator.platform.filters import filter_of, without
from airflow_provider_genesys.simulator.platform.media import appeared
from airflow_provider_genesys.simulator.platform.paging import paged
from airflow_provider_genesys.simulator.platform.reading import flag_of, interval_of
from airflow_provider_genesys.simulator.platform.state import BulkJob, Export, user_id
from airflow_provider_genesys.simulator.simulation import SIMULATION, Simulation
from airflow_provider_genesys.simulator.times import to_iso
from airflow_provider_genesys.simulator.universe import MS_PER_DAY

SLOTS = 2
STATES = ("FULFILLED", "PENDING", "READY", "PROCESSING", "CANCELLED", "FAILED")
_PATH = "/api/v2/recording/jobs"


def add_routes(app: web.Application) -> None:
    """Add the routes, named as the stats and faults name them."""
    app.router.add_post(_PATH, submit, name="bulk_submit")
    app.router.add_get(_PATH, jobs, name="bulk_list", allow_head=False)
    app.router.add_get(f"{_PATH}/{{job_id}}", poll, name="bulk_poll", allow_head=False)
    app.router.add_put(f"{_PATH}/{{job_id}}", execute, name="bulk_execute")
    app.router.add_delete(f"{_PATH}/{{job_id}}", cancel, name="bulk_delete")
    app.router.add_get(f"{_PATH}/{{job_id}}/failedrecordings", failed, name="bulk_failed", allow_head=False)


async def submit(request: web.Request) -> web.StreamResponse:
    """``POST /api/v2/recording/jobs``: a new job that waits to be executed; not idempotent."""
    simulation = request.app[SIMULATION]
    query = await json_object(request)
    _check(query, simulation)
    await simulation.holds.at("submit:before")
    if request.transport is None:  # the client died while it was held: as if its request had never arrived
        return drop_connection(request)
    _take_slot(simulation)
    client = client_of(request)
    job = BulkJob(
        job_id=str(uuid.uuid4()),
        user=client,
        query=query,
        hidden=simulation.hidden_divisions,
        created_at=simulation.clock(),
        available_ms=simulation.available_ms,
        fault=simulation.plan.for_submission("bulk", client),
    )
    simulation.platform.bulk_jobs[job.job_id] = job
    simulation.stats.bulk_jobs += 1
    await simulation.holds.at("submit:after")
    if job.fault is not None and job.fault.kind == "bulk_lost":
        return drop_connection(request)
    return web.json_response(_written(job, simulation), status=202)


async def poll(request: web.Request) -> web.Response:
    """``GET …/jobs/{jobId}``: the job's state and counts."""
    simulation = request.app[SIMULATION]
    await simulation.holds.at("poll")
    return web.json_response(_written(_job(request, simulation), simulation))


async def execute(request: web.Request) -> web.StreamResponse:
    """``PUT …/jobs/{jobId}`` with the state PROCESSING: start a job that is ready; its creator only."""
    simulation = request.app[SIMULATION]
    body = await json_object(request)
    if body.get("state") != "PROCESSING":
        raise ApiError(400, f"state must be PROCESSING, not {body.get('state')!r}")
    await simulation.holds.at("execute:before")
    if request.transport is None:  # as in a submission
        return drop_connection(request)
    job = _job(request, simulation)
    if job.user != client_of(request):
        raise ApiError(403, "A job must be executed by the same user whom originally created the job.")
    state = state_of(job, simulation)
    if state != "READY":
        raise ApiError(400, f"Job {{id}} is {state}, not READY.", id=job.job_id)
    _take_slot(simulation)
    job = _executed(job, simulation)
    simulation.platform.bulk_jobs[job.job_id] = job
    deliver_later(job, simulation)
    await simulation.holds.at("execute:after")
    return web.json_response(_written(job, simulation))


async def cancel(request: web.Request) -> web.Response:
    """``DELETE …/jobs/{jobId}``: cancel a job that has not ended."""
    simulation = request.app[SIMULATION]
    job = _job(request, simulation)
    state = state_of(job, simulation)
    if state not in ("PENDING", "READY", "PROCESSING"):
        raise ApiError(400, f"Job {{id}} is {state} and cannot be cancelled.", id=job.job_id)
    simulation.platform.bulk_jobs[job.job_id] = replace(job, cancelled=True)
    for _, _, recording_id in job.exported:
        simulation.platform.exports.pop(recording_id, None)
    return web.Response(status=204)


async def jobs(request: web.Request) -> web.Response:
    """``GET …/jobs``: the organisation's jobs, oldest first, those of others too."""
    simulation = request.app[SIMULATION]
    wanted, kind = request.query.get("state"), request.query.get("jobType")
    if wanted not in (None, *STATES):
        raise ApiError(400, f"state must be one of {', '.join(STATES)}, not {wanted!r}")
    mine = client_of(request) if flag_of(request.query, "showOnlyMyJobs", False) else None
    found = [
        job
        for job in simulation.platform.bulk_jobs.values()
        if wanted in (None, state_of(job, simulation))
        and kind in (None, "", job.query["action"])
        and mine in (None, job.user)
    ]
    return web.json_response(paged(request, [_written(job, simulation) for job in found]))


async def failed(request: web.Request) -> web.Response:
    """``GET …/jobs/{jobId}/failedrecordings``."""
    simulation = request.app[SIMULATION]
    job = _job(request, simulation)
    there = job.failed if state_of(job, simulation) == "FULFILLED" else ()
    return web.json_response(paged(request, [_reference(*pair) for pair in there], 100))


def state_of(job: BulkJob, simulation: Simulation) -> str:
    """A job's state now."""
    now, universe = simulation.clock(), simulation.universe
    if job.cancelled:
        return "CANCELLED"
    if now < job.created_at + universe.bulk_pending_seconds:
        return "PENDING"
    if job.fault is not None and job.fault.kind == "bulk_failed":
        return "FAILED"
    if job.executed_at is None:
        return "READY"
    return "PROCESSING" if now < job.executed_at + job.processing_seconds else "FULFILLED"


def _check(query: dict[str, Any], simulation: Simulation) -> None:
    """Refuse what the platform refuses, and whatever would destroy something."""
    if query.get("action") != "EXPORT":
        simulation.stats.destructive_jobs += query.get("action") in ("DELETE", "ARCHIVE")
        raise ApiError(400, f"action {query.get('action')!r} is not simulated; EXPORT is")
    if ("actionDate" in query) == ("actionAge" in query):
        raise ApiError(400, "Either actionDate or actionAge is required")
    integration = query.get("integrationId")
    if integration != simulation.universe.integration or not simulation.universe.integration_active:
        raise ApiError(400, f"integrationId {integration!r} is no active integration for recording exports")
    conversation_query = query.get("conversationQuery")
    if not isinstance(conversation_query, dict):
        raise ApiError(400, "conversationQuery must be an object with an interval")
    interval_of(conversation_query.get("interval"))
    filter_of(conversation_query)
    sensitive = any(fault.kind == "sensitive_recordings" for fault in simulation.plan.faults)
    if query.get("includeRecordingsWithSensitiveData") is True and sensitive:
        raise ApiError(403, "You are missing the permission recording:recording:viewSensitiveData.")


def _take_slot(simulation: Simulation) -> None:
    """Refuse a job where as many as may are pending or processing."""
    busy = sum(state_of(job, simulation) in ("PENDING", "PROCESSING") for job in simulation.platform.bulk_jobs.values())
    if busy >= SLOTS:
        raise ApiError(400, f"The organization has {SLOTS} jobs pending or processing; wait for one of them to end.")


def _job(request: web.Request, simulation: Simulation) -> BulkJob:
    job = simulation.platform.bulk_jobs.get(request.match_info["job_id"])
    if job is None:
        raise ApiError(404, "Recording job {id} not found.", id=request.match_info["job_id"])
    return job


def _contents(job: BulkJob, simulation: Simulation) -> Iterator[tuple[Conversation, tuple[Media, ...]]]:
    """The conversations that a job's query finds, with the recordings that it wants of each."""
    query = job.query["conversationQuery"]
    start_ms, end_ms = interval_of(query["interval"])
    whole_days = query.get("startOfDayIntervalMatching") is True
    if whole_days:
        start_ms, end_ms = start_ms // MS_PER_DAY * MS_PER_DAY, -(-end_ms // MS_PER_DAY) * MS_PER_DAY
    end_ms = max(min(end_ms, job.available_ms), start_ms)
    search = simulation.platform.search
    wanted = without(filter_of(query), simulation.plan.late(simulation.clock()))
    found = (search.started if whole_days else search.active)(start_ms, end_ms, wanted, job.hidden)
    screens = job.query.get("includeScreenRecordings", True)
    for conversation in search.conversations(found.places(0, len(found))):
        if "sensitive_recordings" in simulation.media_faults(conversation.index):
            continue
        if not appeared(conversation, simulation):
            continue
        yield conversation, tuple(each for each in conversation.recordings if screens or each.media != "screen")


def _counted(job: BulkJob, simulation: Simulation) -> BulkJob:
    """The job with the counts that it has from READY on, found once."""
    if job.conversations is None:
        contents = [media for _, media in _contents(job, simulation)]
        job = replace(job, conversations=len(contents), recordings=sum(map(len, contents)))
        simulation.platform.bulk_jobs[job.job_id] = job
    return job


def _executed(job: BulkJob, simulation: Simulation) -> BulkJob:
    """The job as it is executed: which recordings are marked, which skipped, and which fail is settled now."""
    job = _counted(job, simulation)
    exports = simulation.platform.exports
    late = job.fault.seconds or 0.0 if job.fault is not None and job.fault.kind == "late_delivery" else 0.0
    seconds = simulation.universe.bulk_processing_seconds
    marked_at = simulation.clock() + seconds
    exported, unable, skipped = [], [], 0
    for conversation, wanted in _contents(job, simulation):
        fails = "failed_exports" in simulation.media_faults(conversation.index)
        for media in wanted:
            if media.recording_id in exports:
                skipped += 1
            elif fails:
                unable.append((conversation.conversation_id, media.recording_id))
            else:
                exports[media.recording_id] = Export(job_id=job.job_id, marked_at=marked_at)
                exported.append((conversation.day, conversation.position, media.recording_id))
    return replace(
        job,
        executed_at=simulation.clock(),
        processing_seconds=seconds,
        deliver_at=marked_at + simulation.universe.delivery_seconds + late,
        exported=tuple(exported),
        failed=tuple(unable),
        skipped=skipped,
    )


def _written(job: BulkJob, simulation: Simulation) -> dict[str, Any]:
    """A ``RecordingJob``."""
    state = state_of(job, simulation)
    if state in ("READY", "PROCESSING", "FULFILLED"):
        job = _counted(job, simulation)
    fulfilled = state == "FULFILLED"
    answer: dict[str, Any] = {
        "id": job.job_id,
        "state": state,
        "recordingJobsQuery": job.query,
        "dateCreated": to_iso(int(job.created_at * 1000)),
        "totalConversations": job.conversations or 0,
        "totalRecordings": job.recordings,
        "totalSkippedRecordings": job.skipped if fulfilled else 0,
        "totalFailedRecordings": len(job.failed) if fulfilled else 0,
        "totalProcessedRecordings": len(job.exported) if fulfilled else 0,
        "percentProgress": 100 if fulfilled else 50 if state == "PROCESSING" else 0,
        "selfUri": f"{_PATH}/{job.job_id}",
        "user": {"id": user_id(job.user), "selfUri": f"/api/v2/users/{user_id(job.user)}"},
    }
    if fulfilled:
        answer["failedRecordings"] = f"{_PATH}/{job.job_id}/failedrecordings"
    if state == "FAILED" and job.fault is not None:
        answer["errorMessage"] = job.fault.message
    return answer


def _reference(conversation_id: str, recording_id: str) -> dict[str, Any]:
    path = f"/api/v2/conversations/{conversation_id}"
    return {
        "conversation": {"id": conversation_id, "selfUri": path},
        "recording": {"id": recording_id, "selfUri": f"{path}/recordings/{recording_id}"},
    }
