# SPDX-License-Identifier: Apache-2.0
"""The export API of the guide: ``/api/v2/recordings`` and ``/api/v2/recordings/jobs`` (guide, sections 1 and 2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.errors import ApiRefused, Call, without_secrets
from airflow_provider_genesys.export.errors import InvalidInput, OutcomeUnknown, Passing
from airflow_provider_genesys.export.model import (
    AUDIO,
    AUTO,
    ExportJob,
    ExportRequest,
    ExportWindow,
    JobStatus,
    Organisation,
    Recording,
)
from airflow_provider_genesys.export.ports import ExportApi

VOLUME = Call("GET", "/api/v2/recordings", "Recording > Recording > View", "recording:view")
SUBMIT = Call("POST", "/api/v2/recordings/jobs", "Recording > Job > Create", "recording:job:create", repeatable=False)
JOB = Call("GET", "/api/v2/recordings/jobs/{job_id}", "Recording > Job > View", "recording:job:view")

_STATUSES = {
    "completed": JobStatus.COMPLETED,
    "failed": JobStatus.FAILED,
    "canceled": JobStatus.CANCELED,
    "cancelled": JobStatus.CANCELED,
}


class GuideApi(ExportApi):
    """The guide's endpoints behind the domain's ``ExportApi``."""

    def __init__(self, client: GenesysClient) -> None:
        self._client = client

    def checked(self, request: ExportRequest) -> ExportRequest:
        """The request, as mp3 where it says ``auto``.

        :raises InvalidInput: for what this API can't be asked for, and where no format is said: the platform would give
            its raw container, which can't be decoded (guide, section 1).
        """
        if not request.media_format:
            raise InvalidInput("media_format is missing: say mp3 or wav explicitly")
        if request.media_format == "original":
            raise InvalidInput(
                "media_format is 'original', which the guide's API can't be asked for: say mp3 or wav, or set the "
                "connection's extra 'export_api' to batch"
            )
        if request.media != AUDIO:
            raise InvalidInput("the guide's API has calls only: leave 'media' out, or set 'export_api' to batch")
        if own := {"dateFrom", "dateTo"} & request.filters.keys():
            raise InvalidInput(f"filters must not say {' or '.join(sorted(own))}: the window does")
        return replace(request, media_format="mp3") if request.media_format == AUTO else request

    def available_until(self) -> None:
        """Nothing is known of any lag: planning waits as long as it is told to."""

    def parts(self, request: ExportRequest) -> None:
        """One job takes a whole window."""

    def volume(self, request: ExportRequest) -> int:
        """How many recordings the window holds: ``total`` of a page of one (guide, edge case 1)."""
        page = self._client.call(VOLUME, params={**request.filters, **_wire_dates(request.window), "pageSize": 1})
        total = page.get("total")
        if not isinstance(total, int) or total < 0:
            raise Passing(f"{VOLUME}: the page has no 'total' for window {request.window}")
        return total

    def submit(self, request: ExportRequest) -> str:
        """Make one export job for the window and return its id."""
        answer = self._client.call(
            SUBMIT,
            body={
                "type": "export",
                "filter": {**request.filters, **_wire_dates(request.window)},
                "jobDetails": [{"type": "recording", "format": request.media_format}],
            },
        )
        job_id = answer.get("jobId") or answer.get("id")
        if not job_id:
            raise OutcomeUnknown(f"{SUBMIT}: the answer for window {request.window} has no job id")
        return str(job_id)

    def job(self, request: ExportRequest, job_id: str) -> ExportJob:
        """Poll a job once.

        A job that the platform doesn't know any more has failed in its words, so that it is submitted again.
        Recordings without a usable id are refused as a broken answer: none may be lost.
        """
        try:
            answer = self._client.call(JOB, ids={"job_id": job_id})
        except ApiRefused as refused:
            if refused.body.status != 404:
                raise
            return ExportJob(job_id, JobStatus.FAILED, "not found", error=str(refused.body))
        word = str(answer.get("status") or "missing")
        status = _STATUSES.get(word.lower(), JobStatus.RUNNING)
        error = answer.get("error")
        return ExportJob(
            job_id=job_id,
            status=status,
            word=word,
            manifest_url=answer.get("url") or None,
            expires_at=_epoch(answer.get("expiresAt")),
            recordings=_recordings(job_id, answer.get("jobDetails")) if status is JobStatus.COMPLETED else (),
            error=without_secrets(_words(error)) if error else None,
        )

    def manifest(self, request: ExportRequest, job: ExportJob) -> None:
        """A job has its own, at its URL."""

    def answers(self, organisation: Organisation) -> str:
        """What the organisation answers: for a connection's test.

        :raises ExportError: where it refuses, with the permission that is needed.
        """
        end = datetime.now(UTC).replace(microsecond=0)
        window = ExportWindow(end - timedelta(hours=1), end)
        return f"{self.volume(ExportRequest(organisation, window, 'mp3'))} recordings in the last hour"

    def missing(self, request: ExportRequest, job: ExportJob) -> tuple[str, ...]:
        """A manifest lists recordings, not conversations."""
        return ()


def _wire_dates(window: ExportWindow) -> dict[str, str]:
    """``dateTo`` is inclusive on the wire, hence a millisecond before the window's end."""
    return {"dateFrom": _wire_time(window.start), "dateTo": _wire_time(window.end - timedelta(milliseconds=1))}


def _wire_time(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _epoch(text: object) -> float | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time.timestamp() if time.tzinfo else None


def _recordings(job_id: str, details: Iterable[Any] | None) -> tuple[Recording, ...]:
    recordings: dict[str, Recording] = {}
    for detail in details or ():
        recording_id = (detail.get("id") or detail.get("recordingId")) if isinstance(detail, Mapping) else None
        if not recording_id:
            raise Passing(f"job {job_id} lists a recording without an id")
        known = recordings.get(str(recording_id))
        if known is None or known.url is None:
            recordings[str(recording_id)] = Recording(str(recording_id), detail.get("url") or None)
    return tuple(recordings.values())


def _words(error: Any) -> str:
    if isinstance(error, Mapping):
        return str(error.get("message") or dict(error))
    return str(error)
