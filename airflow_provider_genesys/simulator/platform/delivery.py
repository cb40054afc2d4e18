# SPDX-License-Identifier: Apache-2.0
"""Delivery of what a bulk job exports, some time after it is fulfilled: into a directory, or a bucket of an S3 store.

``{organizationId}/year=/month=/day=/hour=/conversation_id={id}/{file}``, and a ``_metadata.json`` behind each file.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_genesys.simulator.platform.directory import ORGANISATION_ID
from airflow_provider_genesys.simulator.platform.media import MediaFile, originals
from airflow_provider_genesys.simulator.platform.state import BulkJob
from airflow_provider_genesys.simulator.simulation import Simulation
from airflow_provider_genesys.simulator.times import to_iso

Put = Callable[[str, bytes], Any]
_LOOK_EVERY = 0.05


def deliver_later(job: BulkJob, simulation: Simulation) -> None:
    """Deliver a job's exports once the simulator's clock says so, unless the simulator stops or is reset before."""
    simulation.in_background(_deliver(job, simulation))


async def _deliver(job: BulkJob, simulation: Simulation) -> None:
    platform = simulation.platform
    await _until(job.deliver_at, simulation)
    if platform.bulk_jobs[job.job_id].cancelled:
        return
    files, late = _files(job, simulation)
    await _put_all(files, job, simulation)
    platform.delivered[job.job_id] = simulation.clock()
    if late and job.fault is not None:
        await _until(job.deliver_at + (job.fault.seconds or 0.0), simulation)
        await _put_all(late, job, simulation)


async def _until(moment: float, simulation: Simulation) -> None:
    while simulation.clock() < moment:
        await asyncio.sleep(_LOOK_EVERY)


async def _put_all(files: Sequence[MediaFile], job: BulkJob, simulation: Simulation) -> None:
    if simulation.universe.deliver_to is not None:
        put = put_into(simulation.universe.deliver_to)
        for file in files:
            await asyncio.to_thread(_put, put, file, job)


def _files(job: BulkJob, simulation: Simulation) -> tuple[list[MediaFile], list[MediaFile]]:
    """What the job exports, and what of it arrives only after it seems to be over."""
    files: list[MediaFile] = []
    late: list[MediaFile] = []
    is_late = job.fault is not None and job.fault.kind == "late_files"
    for day, position, recording_id in job.exported:
        conversation = simulation.platform.conversations.at(day, position)
        media = conversation.media(recording_id)
        found = originals(conversation, media) if media is not None else []
        on_time = len(found) - (is_late and len(found) > 1)
        files += found[:on_time]
        late += found[on_time:]
    return files, late


def _put(put: Put, file: MediaFile, job: BulkJob) -> None:
    body = file.body()
    put(f"{folder_of(file)}/{file.name}", body.read(0, body.size))
    put(f"{folder_of(file)}/{file.stem}_metadata.json", json.dumps(_metadata(file, job, body.size)).encode())


def folder_of(file: MediaFile) -> str:
    """The folder of a conversation, by the hour in UTC in which it started."""
    when = datetime.fromtimestamp(file.conversation.start_ms / 1000, tz=UTC)
    return (
        f"{ORGANISATION_ID}/year={when:%Y}/month={when:%m}/day={when:%d}/hour={when:%H}"
        f"/conversation_id={file.conversation.conversation_id}"
    )


def _metadata(file: MediaFile, job: BulkJob, size: int) -> dict[str, Any]:
    return {
        "organizationId": ORGANISATION_ID,
        "conversationId": file.conversation.conversation_id,
        "recordingId": file.media.recording_id,
        "jobId": job.job_id,
        "mediaType": file.media.media,
        "startTime": to_iso(file.media.start_ms),
        "endTime": to_iso(file.media.end_ms),
        "divisionIds": list(file.conversation.division_ids),
        "fileName": file.name,
        "contentType": file.content_type,
        "size": size,
    }


def put_into(target: Any) -> Put:
    """What stores a body under a key.

    :param target: the universe's ``deliver_to``.
    """
    if isinstance(target, str):
        root = Path(unquote(urlsplit(target).path)) if target.startswith("file://") else Path(target)
        return lambda key, body: _write(root / key, body)
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=target["endpoint"],
        aws_access_key_id=target["access_key"],
        aws_secret_access_key=target["secret_key"],
        region_name="us-east-1",
    )
    return lambda key, body: client.put_object(Bucket=target["bucket"], Key=key, Body=body)


def _write(path: Path, body: bytes) -> None:
    """A file that is there whole or not at all, as an object would be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(body)
    unfinished.replace(path)
