# SPDX-License-Identifier: Apache-2.0
"""The recordings of one conversation after the other, transcoded to mp3 or wav while we wait.

The platform has no job for this. A part's job is a lot of conversations under an id of ours: a poll asks for those that
are not known to be ready, and the job has completed when all of them are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.errors import ApiRefused, Call
from airflow_provider_genesys.api.media import GONE
from airflow_provider_genesys.api.settings import RecordingSettings
from airflow_provider_genesys.api.urls import end_of
from airflow_provider_genesys.export.errors import Passing
from airflow_provider_genesys.export.model import ExportJob, ExportRequest, JobStatus, Recording

RECORDINGS = Call("GET", "/api/v2/conversations/{conversation_id}/recordings", "Recording > Recording > View")

MAX_WAIT_MS = 1000
"""How long the platform may wait for a transcoding before it answers that it isn't done."""


@dataclass(frozen=True)
class _Ready:
    """A conversation's recordings. ``ends_at``: when the first of their URLs ends, epoch seconds; None without URLs."""

    recordings: tuple[Recording, ...]
    ends_at: float | None


@dataclass(frozen=True)
class ConversationRecordings:
    """Parts of a window as lots of conversations."""

    client: GenesysClient
    settings: RecordingSettings
    clock: Callable[[], float] = time.time
    _ready: dict[str, dict[str, _Ready]] = field(default_factory=dict)

    def submit(self, request: ExportRequest) -> str:
        """A new id for the lot: nothing is asked of the platform yet, so that nothing can be lost."""
        return f"conversations-{uuid4()}"

    def job(self, request: ExportRequest, job_id: str) -> ExportJob:
        """Ask for the conversations that are not known to be ready, of which the platform then begins to transcode."""
        ready = self._ready.setdefault(job_id, {})
        for conversation_id in request.conversations:
            if conversation_id not in ready:
                answer = self._asked(conversation_id, request.media_format)
                if answer is not None:
                    ready[conversation_id] = answer
        waiting = len(request.conversations) - len(ready.keys() & set(request.conversations))
        if waiting:
            return ExportJob(job_id, JobStatus.RUNNING, f"transcoding {waiting} of {len(request.conversations)}")
        del self._ready[job_id]  # asked again, it is for URLs that live from then on
        answers = [ready[one] for one in request.conversations]
        return ExportJob(
            job_id,
            JobStatus.COMPLETED,
            "transcoded",
            expires_at=min((one.ends_at for one in answers if one.ends_at is not None), default=None),
            url_seconds=self.settings.playback_url_seconds,
            recordings=tuple(recording for one in answers for recording in one.recordings),
        )

    def _asked(self, conversation_id: str, media_format: str) -> _Ready | None:
        """What there is of a conversation; None while it is transcoded. One that isn't known has no recordings."""
        try:
            entries = self.client.entries(
                RECORDINGS,
                ids={"conversation_id": conversation_id},
                params={"formatId": media_format.upper(), "maxWaitMs": MAX_WAIT_MS},
            )
        except ApiRefused as refused:
            if refused.body.status != 404:
                raise
            entries = []
        if entries is None:
            return None
        recordings = []
        for entry in entries:
            files = _files(entry, conversation_id)
            if files is None:
                return None
            recordings += files
        now, seconds = self.clock(), self.settings.playback_url_seconds
        ends = [end_of(recording.url, seconds, now) for recording in recordings if recording.url]
        return _Ready(tuple(recordings), min(ends, default=None))


def _files(entry: Any, conversation_id: str) -> list[Recording] | None:
    """The files of a recording, one a channel; None while it is still on its way to the platform's own storage."""
    if not isinstance(entry, Mapping) or not entry.get("id"):
        raise Passing(f"{RECORDINGS}: conversation {conversation_id} has a recording without an id")
    if str(entry.get("media") or "audio") != "audio":
        return []
    recording_id, state = str(entry["id"]), str(entry.get("fileState") or "").upper()
    if state in GONE:
        return [Recording(recording_id, None, reason=GONE[state], conversation_id=conversation_id)]
    urls = dict(_urls(entry))
    if not urls and state == "UPLOADING":
        return None
    if not urls:
        return [Recording(recording_id, None, reason="no URL came for it", conversation_id=conversation_id)]
    return [
        Recording(recording_id if len(urls) == 1 else f"{recording_id}_{channel}", url, conversation_id=conversation_id)
        for channel, url in sorted(urls.items())
    ]


def _urls(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """URLs by channel: ``0``, ``1``, or ``S`` for both in one file."""
    for channel, medium in (entry.get("mediaUris") or {}).items():
        if isinstance(medium, Mapping) and medium.get("mediaUri"):
            yield str(channel), str(medium["mediaUri"])
