# SPDX-License-Identifier: Apache-2.0
"""Genesys Cloud and its storage in memory, which behave as badly as a test wants them to."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from airflow_provider_genesys.export.errors import ExportError, NotYet
from airflow_provider_genesys.export.model import (
    Delivery,
    ExportJob,
    ExportRequest,
    ExportWindow,
    JobStatus,
    Manifest,
    Recording,
)
from airflow_provider_genesys.export.ports import ExportApi
from tests.export.memory.clock import Clock
from tests.export.memory.fates import COMPLETES, Fate

SIGNATURE = "signature-that-nobody-may-see"


@dataclass
class MemoryJob:
    """A job at the platform."""

    job_id: str
    request: ExportRequest
    fate: Fate
    submitted_at: float
    silent: frozenset[str] = frozenset()
    polls: int = 0
    started_at: float | None = None
    discarded: bool = False
    is_rehearsal: bool = False
    skipped: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def ready_at(self) -> float:
        return self.submitted_at + self.fate.prepares

    @property
    def ended_at(self) -> float:
        return (self.submitted_at if self.started_at is None else self.started_at) + self.fate.seconds

    def is_under_way(self, now: float) -> bool:
        """Whether it takes a slot: it is being prepared, or is at work."""
        if self.discarded:
            return False
        return now < self.ready_at or (self.started_at is not None and now < self.ended_at)

    @property
    def expires_at(self) -> float | None:
        return None if self.fate.lives is None else self.ended_at + self.fate.lives


class MemoryApi(ExportApi):
    """An :class:`~airflow_provider_genesys.export.ports.ExportApi`: a platform with calls at given times.

    :param calls: id and start of every recorded call.
    :ivar lot: how many conversations a job takes; None: a job takes its whole window. A call's conversation has the
        call's id with ``of-`` before it.
    :ivar silent: conversations for which nothing comes from the next jobs.
    :ivar available: until when it knows what was recorded, epoch seconds; None: at once.
    :ivar url_seconds: how long its jobs say that URLs live in all; None: they don't say.
    :ivar fates: of the next submissions, in order; beyond them all jobs have ``usual_fate``.
    :ivar volume_faults: what the next volumes raise.
    :ivar poll_faults: what the next polls raise.
    :ivar asked: how often each of the three calls was made.
    :ivar in_post: called while a ``POST`` is under way.
    :ivar jobs_at_a_time: how many jobs may be under way; set, it makes jobs wait to be started, too, and be listed.
    :ivar delivers: it brings recordings into archives by itself. A call with a ``+`` in its id is another recording of
        the conversation of the call before it; what comes after a ``/`` is another file of it.
    :ivar delivery_seconds: from a job's end until what it exported arrives.
    :ivar exported: when recordings that were exported arrive, epoch seconds.
    :ivar elsewhere: recordings that were exported before, into another bucket.
    :ivar can_not_export: recordings that fail.
    :ivar blank: conversations that were recorded and of which there is no recording.
    :ivar gone_for_good: reasons of what will never come back.
    :ivar looked_up: conversations that were asked for one by one.
    """

    def __init__(self, clock: Clock, calls: Mapping[str, datetime]) -> None:
        self.calls = dict(calls)
        self.lot: int | None = None
        self.silent: set[str] = set()
        self.available: float | None = None
        self.url_seconds: float | None = None
        self.fates: deque[Fate] = deque()
        self.usual_fate = COMPLETES
        self.volume_faults: deque[ExportError] = deque()
        self.poll_faults: deque[ExportError] = deque()
        self.jobs: dict[str, MemoryJob] = {}
        self.asked: Counter[str] = Counter()
        self.volumes_asked: list[ExportWindow] = []
        self.in_post: Callable[[], None] = lambda: None
        self.delivery_seconds = 0.0
        self.exported: dict[str, float] = {}
        self.elsewhere: set[str] = set()
        self.can_not_export: set[str] = set()
        self.blank: dict[str, datetime] = {}
        self.looked_up: list[str] = []
        self.gone_for_good: set[str] = set()
        self._clock = clock
        self._numbers = count(1)

    def checked(self, request: ExportRequest) -> ExportRequest:
        return replace(request, media_format=request.media_format or "mp3")

    def available_until(self) -> float | None:
        return self.available

    def parts(self, request: ExportRequest) -> list[tuple[str, ...]] | None:
        if self.lot is None:
            return None
        self.asked["parts"] += 1
        found = [f"of-{one}" for one in self.ids_in(request.window)]
        return [tuple(found[n : n + self.lot]) for n in range(0, len(found), self.lot)]

    def recorded(self, request: ExportRequest) -> list[str] | None:
        if not self.counts_conversations:
            return None
        self.asked["recorded"] += 1
        return list(self._own(request.window))

    def volume(self, request: ExportRequest) -> int:
        self.asked["volume"] += 1
        self.volumes_asked.append(request.window)
        if self.volume_faults:
            raise self.volume_faults.popleft()
        return len(self.ids_in(request.window))

    def submit(self, request: ExportRequest) -> str:
        self.asked["submit"] += 1
        self._refuse_without_slot()
        fate = self.fates.popleft() if self.fates else self.usual_fate
        if fate.makes_job:
            job = MemoryJob(f"job-{next(self._numbers)}", request, fate, self._clock(), frozenset(self.silent))
            self.jobs[job.job_id] = job
        self.in_post()
        if fate.raises:
            raise fate.raises
        return job.job_id

    def job(self, request: ExportRequest, job_id: str) -> ExportJob:
        self.asked["job"] += 1
        if self.poll_faults:
            raise self.poll_faults.popleft()
        job = self.jobs.get(job_id)
        if job is None:
            return ExportJob(job_id, JobStatus.FAILED, "not found", error=f"Recording job {job_id} not found.")
        job.polls += 1
        if self.jobs_at_a_time is not None and job.started_at is None:
            return self._waiting(job)
        if self._clock() < job.ended_at:
            return ExportJob(job_id, JobStatus.RUNNING, job.fate.until_then)
        if self.delivers and job.fate.ends is JobStatus.COMPLETED:
            return ExportJob(job_id, JobStatus.COMPLETED, "fulfilled", size=len(self._listed(job)))
        if job.fate.ends is not JobStatus.COMPLETED:
            return ExportJob(job_id, job.fate.ends, job.fate.ends.value, error=job.fate.words)
        return ExportJob(
            job_id,
            JobStatus.COMPLETED,
            "completed",
            manifest_url=self._url(job_id, "manifest") if job.fate.has_manifest and not self.lot else None,
            expires_at=job.expires_at,
            url_seconds=self.url_seconds,
            recordings=tuple(
                Recording(
                    one,
                    None if one in job.fate.unavailable else self._url(job_id, one),
                    conversation_id=f"of-{one}" if self.lot else None,
                )
                for one in self._listed(job)
            ),
        )

    def manifest(self, request: ExportRequest, job: ExportJob) -> Mapping[str, Any] | None:
        if not (self.lot or self.delivers):
            return None
        return {
            "recordings": [
                {
                    "id": one.recording_id,
                    "queue": "claims",
                    "conversation": one.conversation_id,
                    "conversationId": one.conversation_id,
                    **({} if one.reason is None else {"reason": one.reason}),
                }
                for one in job.recordings
            ]
        }

    def may_come_back(self, reason: str) -> bool:
        return reason not in self.gone_for_good

    @property
    def counts_conversations(self) -> bool:  # type: ignore[override]
        return self.lot is not None or self.delivers

    def orphan(self, request: ExportRequest, known: Collection[str]) -> str | None:
        if self.jobs_at_a_time is None:
            return None
        self.asked["orphan"] += 1
        return next(
            (
                job.job_id
                for job in self.jobs.values()
                if job.request == request and job.job_id not in known and not (job.discarded or job.is_rehearsal)
            ),
            None,
        )

    def start(self, job_id: str) -> None:
        self.asked["start"] += 1
        self._refuse_without_slot()
        job = self.jobs[job_id]
        if job.started_at is None:
            job.started_at = self._clock()
            for one in self._listed(job):
                if one in self.exported or one in self.elsewhere:
                    job.skipped += 1
                elif one in self.can_not_export:
                    job.failed.append(one)
                else:
                    self.exported[one] = job.ended_at + self.delivery_seconds

    def discard(self, job_id: str) -> None:
        self.asked["discard"] += 1
        self.jobs[job_id].discarded = True

    def ready(self) -> list[str]:
        if self.jobs_at_a_time is None:
            return []
        now = self._clock()
        return [
            job.job_id
            for job in self.jobs.values()
            if job.ready_at <= now and job.started_at is None and not job.discarded
        ]

    def rehearse(self, request: ExportRequest) -> str | None:
        if self.jobs_at_a_time is None:
            return None
        job_id = self.submit(request)
        self.jobs[job_id].is_rehearsal = True
        return job_id

    def delivery(self, request: ExportRequest, job: ExportJob) -> Delivery | None:
        if not self.delivers:
            return None
        known = self.jobs[job.job_id]
        looked_at = {conversation_of(one): self.calls[one].timestamp() for one in self._listed(known)}
        own = self._own(request.window)
        return Delivery(
            job.job_id,
            known.submitted_at,
            looked_at | {one: start.timestamp() for one, start in own.items()},
            tuple(own),
            len(self._listed(known)),
            known.skipped,
            tuple(
                Recording(one, None, reason="it could not be exported", conversation_id=conversation_of(one))
                for one in known.failed
            ),
        )

    def absent(self, request: ExportRequest, delivery: Delivery, conversations: Sequence[str]) -> list[Recording]:
        self.looked_up += conversations
        return [
            Recording(
                one,
                None,
                reason="exported before" if one in self.elsewhere else None,
                conversation_id=conversation_of(one),
            )
            for one in self.calls
            if conversation_of(one) in conversations
        ]

    def has_arrived(self, recording_id: str) -> bool:
        """Whether a recording that was exported is in the bucket."""
        return self.exported[recording_id] <= self._clock()

    def _own(self, window: ExportWindow) -> dict[str, datetime]:
        """The recorded conversations of a window, and their starts."""
        blank = {one: start for one, start in self.blank.items() if window.start <= start < window.end}
        return {conversation_of(one): self.calls[one] for one in self.ids_in(window)} | blank

    def _waiting(self, job: MemoryJob) -> ExportJob:
        if job.discarded:
            return ExportJob(job.job_id, JobStatus.CANCELED, "cancelled")
        if self._clock() < job.ready_at:
            return ExportJob(job.job_id, JobStatus.RUNNING, "pending")
        return ExportJob(job.job_id, JobStatus.READY, "ready", size=len(self._listed(job)))

    def _refuse_without_slot(self) -> None:
        busy = [job.job_id for job in self.jobs.values() if job.is_under_way(self._clock())]
        if self.jobs_at_a_time is not None and len(busy) >= self.jobs_at_a_time:
            raise NotYet(f"{', '.join(busy)} are under way")

    def missing(self, request: ExportRequest, job: ExportJob) -> list[str]:
        came = {recording.conversation_id for recording in job.recordings}
        if self.delivers:
            return [one for one in self._own(request.window) if one not in came]
        return [one for one in request.conversations if one not in came]

    def vanish(self, job_id: str) -> None:
        """Let the platform forget a job."""
        del self.jobs[job_id]

    def ids_in(self, window: ExportWindow) -> tuple[str, ...]:
        """The calls of a window."""
        return tuple(one for one, start in self.calls.items() if window.start <= start < window.end)

    def manifest_of(self, job_id: str) -> Manifest:
        """What the job's manifest lists."""
        job = self.jobs[job_id]
        ids = self._listed(job) if job.fate.manifest is None else job.fate.manifest
        if not job.fate.manifest_reads:
            return Manifest(job_id, None)
        return Manifest(job_id, [(one, {"queue": f"queue of {one}"}) for one in ids])

    def is_live(self, url: str) -> bool:
        """Whether a presigned URL may still be fetched."""
        expires_at = self.jobs[url.split("/")[3]].expires_at
        return expires_at is None or self._clock() < expires_at

    def _listed(self, job: MemoryJob) -> tuple[str, ...]:
        if job.fate.listed is not None:
            return job.fate.listed
        asked = set(job.request.conversations) - job.silent
        ids = self.ids_in(job.request.window)
        return tuple(one for one in ids if f"of-{one}" in asked) if job.request.conversations else ids

    @staticmethod
    def _url(job_id: str, name: str) -> str:
        return f"https://storage.example/{job_id}/{name}?{SIGNATURE}"


def conversation_of(recording_id: str) -> str:
    """The conversation of a recording that a platform delivers."""
    return f"of-{recording_id.partition('/')[0].partition('+')[0]}"


def calls_every(minutes: int, window: ExportWindow) -> dict[str, datetime]:
    """A call every so many minutes of a window, from its start: ``call-0``, ``call-1`` and so on."""
    count = -(-window.length // timedelta(minutes=minutes))
    return {f"call-{n}": window.start + n * timedelta(minutes=minutes) for n in range(count)}
