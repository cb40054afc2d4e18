# SPDX-License-Identifier: Apache-2.0
"""What a completed job lists: its manifest and its ``jobDetails``, with the faults of its recordings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from airflow_provider_genesys.simulator.jobs import Job
from airflow_provider_genesys.simulator.presigned import recording_url
from airflow_provider_genesys.simulator.times import to_iso
from airflow_provider_genesys.simulator.universe import Call, Universe

HOSTILE_URL = "http://169.254.169.254/latest/meta-data/"


def manifest(job: Job, universe: Universe) -> bytes:
    """A job's manifest: what it contains, recordings without a URL included. JSON in UTF-8."""
    recordings = [
        {**metadata(call), "id": job.listed_id(call)}
        for call in job.calls(universe)
        for _ in range(_copies(job, call, absent="extra_details"))
    ]
    content = {
        "jobId": job.job_id,
        **dates(job),
        "format": job.media_format,
        "total": len(recordings),
        "recordings": recordings,
    }
    return json.dumps(content).encode()


def details(job: Job, universe: Universe, secret: bytes, base_url: str) -> Iterator[dict[str, Any]]:
    """A completed job's ``jobDetails``; the last two parameters are those of :func:`.presigned.recording_url`."""
    for call in job.calls(universe):
        url = _url(job, call, secret, base_url)
        detail = {
            "id": job.listed_id(call),
            "type": "recording",
            "format": job.media_format,
            "status": "failed" if url is None else "completed",
            "url": url,
            "conversationId": call.conversation_id,
            "sizeBytes": call.audio_bytes,
        }
        for _ in range(_copies(job, call, absent="missing_details")):
            yield detail


def metadata(call: Call) -> dict[str, Any]:
    """A call as the guide's API describes it."""
    return {
        "id": call.recording_id,
        "conversationId": call.conversation_id,
        "startTime": to_iso(call.start_ms),
        "durationMs": call.duration_ms,
        "agentId": call.agent_id,
        "agentName": call.agent_name,
        "queueId": call.queue_id,
        "queueName": call.queue_name,
        "disposition": call.disposition,
        "direction": call.direction,
        "ani": call.ani,
        "dnis": call.dnis,
    }


def dates(job: Job) -> dict[str, str]:
    """A job's window: ``dateFrom`` and ``dateTo``, which is included."""
    suffix = time_suffix(job)
    return {"dateFrom": to_iso(job.start_ms, suffix), "dateTo": to_iso(job.end_ms - 1, suffix)}


def time_suffix(job: Job) -> str:
    """How a job's times say that they are UTC."""
    return "+00:00" if job.fault("offset_times") else "Z"


def _url(job: Job, call: Call, secret: bytes, base_url: str) -> str | None:
    struck = job.strikes(call)
    if "null_urls" in struck:
        return None
    return HOSTILE_URL if "hostile_urls" in struck else recording_url(job, call, secret, base_url)


def _copies(job: Job, call: Call, absent: str) -> int:
    """How often a recording is listed, where the fault ``absent`` takes it out."""
    struck = job.strikes(call)
    return 0 if absent in struck else 2 if "duplicate_ids" in struck else 1
