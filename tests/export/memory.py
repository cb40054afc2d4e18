# SPDX-License-Identifier: Apache-2.0
"""Genesys Cloud, its storage and an archive in memory, which behave as badly as a test wants them to."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any

from airflow_provider_genesys.export.errors import (
    ExportError,
    InvalidInput,
    NotYet,
    OutcomeUnknown,
    Passing,
    UrlsExpired,
)
from airflow_provider_genesys.export.model import (
    Delivery,
    ExportJob,
    ExportRequest,
    ExportWindow,
    JobStatus,
    Manifest,
    Receipt,
    ReceiptLine,
    Recording,
    StoredObject,
    Version,
)
from airflow_provider_genesys.export.ports import ExportApi

NOON = datetime(2024, 5, 2, 12, tzinfo=UTC)
SIGNATURE = "signature-that-nobody-may-see"


class Clock:
    """A clock that stands still until somebody sleeps.

    :ivar slept: every sleep, in seconds.
    """

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now.timestamp()
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds


@dataclass(frozen=True)
class Fate:
    """What becomes of one submission.

    :param ends: the job's end, after ``seconds``; the platform's ``words`` come with it.
    :param raises: what the ``POST`` raises.
    :param makes_job: whether there is a job all the same.
    :param until_then: the job's status before its end.
    :param lives: seconds from its end for which the job's URLs live; None: it doesn't say, they live for ever.
    :param listed: ids of the job's recordings; None: the calls of its window.
    :param unavailable: ids whose URL is null.
    :param manifest: ids that the manifest lists; None: those of the job.
    :param manifest_reads: whether the manifest has a known form.
    :param has_manifest: whether the job has a URL of a manifest at all.
    :param prepares: seconds until a job that waits to be started is ready; its ``seconds`` begin when it is.
    """

    ends: JobStatus = JobStatus.COMPLETED
    seconds: float = 0.0
    words: str | None = None
    raises: ExportError | None = None
    makes_job: bool = True
    until_then: str = "processing"
    lives: float | None = 3600.0
    listed: tuple[str, ...] | None = None
    unavailable: frozenset[str] = frozenset()
    manifest: tuple[str, ...] | None = None
    manifest_reads: bool = True
    has_manifest: bool = True
    prepares: float = 0.0


COMPLETES = Fate()
FAILS = Fate(JobStatus.FAILED, words="worker aborted")
FAILS_SILENTLY = Fate(JobStatus.FAILED)
IS_CANCELED = Fate(JobStatus.CANCELED, words="canceled by an administrator")
LOSES_ITS_ANSWER = Fate(raises=OutcomeUnknown("the connection was lost; the job may exist or not"))


def is_refused(error: ExportError) -> Fate:
    """The ``POST`` is answered, and there is no job."""
    return Fate(raises=error, makes_job=False)


def is_too_busy(retry_after: float | None = None) -> Fate:
    """429."""
    return is_refused(Passing("over the organisation's rate limit", retry_after))


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


@dataclass
class MemoryArchive:
    """An :class:`~airflow_provider_genesys.export.ports.Archive`, of which several can be filled from one platform.

    :param platform: where URLs lead to.
    :ivar faults: by recording id, what its next fetches come to; ``UrlsExpired`` ends the transfer.
    :ivar fetched: recordings whose bytes were asked for, in order.
    :ivar described: the metadata that recordings came with.
    :ivar resumed: of every transfer, whether it was said to go on from an earlier one.
    :ivar receipt_faults: what the next writings of a receipt raise.
    :ivar written: every receipt that was written, in order.
    :ivar verified: recordings that were held against what is stored.
    :ivar has_pyarrow: whether an index can be written.
    :ivar before_fetch: called with each id before it is fetched.
    :ivar before_receipt: called before a receipt is written, when its writer can no longer be stopped.
    :ivar is_bucket: whether the platform can deliver into it.
    :ivar etag: of what it delivers.
    """

    platform: MemoryApi
    destination: str = "s3://calls"
    objects: dict[str, StoredObject] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    receipts: dict[ExportWindow, Receipt] = field(default_factory=dict)
    reports: dict[ExportWindow, Mapping[str, Any]] = field(default_factory=dict)
    faults: defaultdict[str, deque[ExportError]] = field(default_factory=lambda: defaultdict(deque))
    fetched: list[str] = field(default_factory=list)
    described: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    resumed: list[bool] = field(default_factory=list)
    receipt_faults: deque[ExportError] = field(default_factory=deque)
    written: list[Receipt] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)
    indexes: dict[ExportWindow, list[tuple[ExportRequest, ReceiptLine]]] = field(default_factory=dict)
    has_pyarrow: bool = True
    before_fetch: Callable[[str], None] = lambda recording_id: None
    before_receipt: Callable[[], None] = lambda: None
    is_bucket: bool = True
    etag: str = "etag"

    def receipt(self, window: ExportWindow) -> Receipt | None:
        return self.receipts.get(window)

    def receipt_and_version(self, window: ExportWindow) -> tuple[Receipt | None, Version | None]:
        return self.receipts.get(window), self.version(window)

    def version(self, window: ExportWindow) -> Version | None:
        """As stores do it that know an object by its bytes."""
        return Version(str(hash(repr(self.receipts[window])))) if window in self.receipts else None

    def lines(self, window: ExportWindow) -> Iterator[ReceiptLine] | None:
        return iter(self.receipts[window]) if window in self.receipts else None

    def put_receipt(
        self, window: ExportWindow, receipt: Iterable[ReceiptLine], replaces: Version | None
    ) -> Version | None:
        if self.receipt_faults:
            raise self.receipt_faults.popleft()
        self.before_receipt()
        if self.version(window) != replaces:
            return None
        self.receipts[window] = tuple(receipt)
        self.written.append(self.receipts[window])
        return self.version(window)

    def fetch_manifest(self, job_id: str, url: str) -> Manifest:
        if not self.platform.is_live(url):
            raise UrlsExpired("storage answered 403")
        self.manifests[job_id] = self.platform.manifest_of(job_id)
        return self.manifests[job_id]

    def put_manifest(self, job_id: str, document: Mapping[str, Any]) -> Manifest:
        self.manifests[job_id] = Manifest(job_id, [(one["id"], one) for one in document["recordings"]])
        return self.manifests[job_id]

    def manifest(self, job_id: str) -> Manifest | None:
        return self.manifests.get(job_id)

    def fetch(
        self,
        recordings: Sequence[Recording],
        window: ExportWindow,
        media_format: str,
        *,
        overwrite: bool,
        proceed: Callable[[], None],
        resumed: bool = False,
    ) -> Generator[tuple[Recording, StoredObject | ExportError], None, None]:
        self.resumed.append(resumed)
        for recording in recordings:
            key = f"recordings/{recording.recording_id}.{media_format}"
            self.described[recording.recording_id] = recording.metadata
            if key not in self.objects or overwrite:
                self.before_fetch(recording.recording_id)
                proceed()
                self.fetched.append(recording.recording_id)
                if fault := self._fault(recording):
                    yield recording, fault
                    continue
                self.objects[key] = _stored(key, recording)
            yield recording, self.objects[key]

    def delivered(self, conversations: Mapping[str, float]) -> Iterator[Recording]:
        if not self.is_bucket:
            raise InvalidInput(f"{self.destination} is no bucket that anything is delivered into")
        for one in self.platform.exported:
            conversation_id = conversation_of(one)
            if conversation_id in conversations and self.platform.has_arrived(one):
                key, stored_at = f"org/{conversation_id}/{one}.ogg", self.platform.exported[one]
                stored = StoredObject(key, 10, checksum=self.etag, stored_at=stored_at)
                recording_id = one.partition("/")[0]
                yield Recording(recording_id, None, conversation_id=conversation_id, extension="ogg", stored=stored)

    def overlooked(self, lines: Iterable[ReceiptLine]) -> Iterator[Recording]:
        receipt = tuple(lines)
        named = {line.key for line in receipt}
        conversations = dict.fromkeys((line.metadata["conversationId"] for line in receipt if line.metadata), 0.0)
        return (file for file in self.delivered(conversations) if file.stored and file.stored.key not in named)

    def report(self, interval: ExportWindow) -> Mapping[str, Any] | None:
        return self.reports.get(interval)

    def put_report(self, interval: ExportWindow, report: Mapping[str, Any]) -> str:
        self.reports[interval] = report
        return f"reports/{interval}"

    @property
    def can_index(self) -> bool:
        return self.has_pyarrow

    def put_index(self, interval: ExportWindow, lines: Iterable[tuple[ExportRequest, ReceiptLine]]) -> str:
        self.indexes[interval] = list(lines)
        return f"index/{interval}"

    def verify(self, lines: Collection[ReceiptLine]) -> Iterator[tuple[ReceiptLine, str]]:
        self.verified += [line.recording_id for line in lines]
        return ((line, "is not there") for line in lines if line.key not in self.objects)

    def empty(self) -> None:
        """Let somebody empty the bucket."""
        for content in (self.objects, self.manifests, self.receipts, self.reports):
            content.clear()

    def _fault(self, recording: Recording) -> ExportError | None:
        assert recording.url is not None
        if not self.platform.is_live(recording.url):
            raise UrlsExpired("storage answered 403")
        fault = self.faults[recording.recording_id].popleft() if self.faults[recording.recording_id] else None
        if isinstance(fault, UrlsExpired):
            raise fault
        return fault


def _stored(key: str, recording: Recording) -> StoredObject:
    content = f"audio of {recording.recording_id}".encode()
    return StoredObject(key, len(content), sha256(content).hexdigest(), "etag")


def conversation_of(recording_id: str) -> str:
    """The conversation of a recording that a platform delivers."""
    return f"of-{recording_id.partition('/')[0].partition('+')[0]}"


def calls_every(minutes: int, window: ExportWindow) -> dict[str, datetime]:
    """A call every so many minutes of a window, from its start: ``call-0``, ``call-1`` and so on."""
    count = -(-window.length // timedelta(minutes=minutes))
    return {f"call-{n}": window.start + n * timedelta(minutes=minutes) for n in range(count)}


def with_status(receipt: Receipt, status: str) -> list[str]:
    """The ids that a receipt gives a status."""
    return [line.recording_id for line in receipt if line.status == status]


def moved(receipt: Receipt, request_key: str) -> Receipt:
    """A receipt as another request's."""
    return tuple(replace(line, request_key=request_key) for line in receipt)
