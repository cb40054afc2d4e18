# SPDX-License-Identifier: Apache-2.0
"""Batch requests: up to a hundred conversations, whose recordings come as they were recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.errors import ApiRefused, Call, without_secrets
from airflow_provider_genesys.api.files import numbered
from airflow_provider_genesys.api.media import extension_of, is_wanted, media_type_of
from airflow_provider_genesys.api.settings import RecordingSettings
from airflow_provider_genesys.api.urls import end_of
from airflow_provider_genesys.export.errors import OutcomeUnknown, Passing
from airflow_provider_genesys.export.model import ExportJob, ExportRequest, JobStatus, Recording

_VIEW = "Recording > Recording > View (or Recording Segment, Snippet Recording or Screen Recording > View)"
SUBMIT = Call("POST", "/api/v2/recording/batchrequests", _VIEW, repeatable=False)
JOB = Call("GET", "/api/v2/recording/batchrequests/{job_id}", f"{_VIEW}, and be the client that submitted the request")


@dataclass(frozen=True)
class BatchRequests:
    """Parts of a window as batch requests."""

    client: GenesysClient
    settings: RecordingSettings
    clock: Callable[[], float] = time.time

    def submit(self, request: ExportRequest) -> str:
        """Ask for a part's conversations and return the batch request's id."""
        asked = [{"conversationId": one} for one in request.conversations]
        answer = self.client.call(SUBMIT, body={"batchDownloadRequestList": asked})
        job_id = answer.get("id") or answer.get("jobId")
        if not job_id:
            raise OutcomeUnknown(f"{SUBMIT}: the answer for window {request} has no id")
        return str(job_id)

    def job(self, request: ExportRequest, job_id: str) -> ExportJob:
        """Ask for a batch request once.

        Its ``status`` alone says whether it is done: before it has looked for recordings it has 0 results of 0. There
        is no failed one; one that the platform doesn't know any more has failed in its words.
        """
        try:
            answer = self.client.call(JOB, ids={"job_id": job_id})
        except ApiRefused as refused:
            if refused.body.status != 404:
                raise
            return ExportJob(job_id, JobStatus.FAILED, "not found", error=str(refused.body))
        word = str(answer.get("status") or "missing")
        if word.lower() != "completed":
            return ExportJob(job_id, JobStatus.RUNNING, word)
        now, seconds = self.clock(), self.settings.batch_url_seconds
        recordings = _recordings(job_id, answer.get("results"), request)
        ends = [end_of(recording.url, seconds, now) for recording in recordings if recording.url]
        return ExportJob(
            job_id,
            JobStatus.COMPLETED,
            word,
            expires_at=min(ends, default=None),
            url_seconds=seconds,
            recordings=recordings,
        )

    def probe(self) -> None:
        """Ask for a batch request that there is none of: whoever may read them is told that it isn't found.

        :raises Refused: for whoever may not.
        """
        try:
            self.client.call(JOB, ids={"job_id": str(UUID(int=0))})
        except ApiRefused as refused:
            if refused.body.status not in (400, 404):
                raise


def _recordings(job_id: str, results: Any, request: ExportRequest) -> tuple[Recording, ...]:
    """A file for each result; a conversation that failed as a whole stands under its own id.

    :raises Passing: for a result that says neither what it is of nor what went wrong: none may be lost.
    """
    files = []
    for result in results or ():
        if not isinstance(result, Mapping) or not (result.get("recordingId") or result.get("conversationId")):
            raise Passing(f"batch request {job_id} lists a result without an id")
        media_type, url = media_type_of(result.get("contentType")), result.get("resultUrl") or None
        if url is not None and media_type and not is_wanted(media_type, request.media):
            continue
        files.append(
            Recording(
                recording_id=str(result.get("recordingId") or result["conversationId"]),
                url=url,
                reason=None if url else without_secrets(str(result.get("errorMsg") or "no URL and no reason came")),
                conversation_id=str(result.get("conversationId") or "") or None,
                media_type=media_type or None,
                extension=extension_of(media_type) if url else None,
            )
        )
    return numbered(files)
