# SPDX-License-Identifier: Apache-2.0
"""The words of the domain as frozen dataclasses.

Times are aware datetimes in UTC, or epoch seconds where they end in ``_at``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, NewType

from airflow_provider_genesys.export.errors import InvalidInput

AUDIO = ("audio",)
"""The media that are exported unless a request says otherwise."""

AUTO = "auto"
"""The media format that leaves the choice to the connection's API."""


@dataclass(frozen=True, order=True)
class ExportWindow:
    """A half-open interval ``[start, end)``, kept in UTC and, as on the wire, in whole milliseconds.

    :param start: first instant of the window, aware.
    :param end: first instant after it, aware.
    :raises InvalidInput: for a naive or a reversed window.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise InvalidInput(f"window {self.start} to {self.end} is naive: give both times a zone, such as a final Z")
        object.__setattr__(self, "start", _utc(self.start))
        object.__setattr__(self, "end", _utc(self.end))
        if self.end <= self.start:
            raise InvalidInput(f"window {self} is empty or reversed: its end must come after its start")

    @classmethod
    def parse(cls, window: Mapping[str, str]) -> ExportWindow:
        """Read what :meth:`to_dict` wrote.

        :raises InvalidInput: where ``start`` or ``end`` is missing or no ISO 8601 time.
        """
        try:
            return cls(datetime.fromisoformat(window["start"]), datetime.fromisoformat(window["end"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"not a window: {window!r}; it has an ISO 8601 'start' and 'end'") from error

    def to_dict(self) -> dict[str, str]:
        """The window as XCom carries it."""
        return {"start": _iso(self.start), "end": _iso(self.end)}

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def __str__(self) -> str:
        return f"[{_iso(self.start)}, {_iso(self.end)})"


@dataclass(frozen=True)
class Organisation:
    """An API host and the OAuth client that speaks to it: whose budgets and requests these are."""

    host: str
    client_id: str

    def __str__(self) -> str:
        return f"{self.client_id}@{self.host}"


@dataclass(frozen=True)
class ExportRequest:
    """What is asked of Genesys Cloud: the same request always has the same ``key``.

    :param media_format: ``mp3``, ``wav`` or ``original``.
    :param filters: a JSON object; what it may hold is the API's to say.
    :param media: what kinds of recordings: of ``audio``, ``screen``, ``chat``, ``email`` and ``message``.
    :param conversations: ids; makes the request a part of its window: these conversations of it and no others.
    """

    organisation: Organisation
    window: ExportWindow
    media_format: str
    filters: Mapping[str, Any] = field(default_factory=dict)
    media: tuple[str, ...] = AUDIO
    conversations: tuple[str, ...] = field(default=(), repr=False)

    @cached_property
    def key(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        part = {"conversations": list(self.conversations)} if self.conversations else {}
        return canonical_key({**self._selection(), **self.window.to_dict(), **part})

    @property
    def whole(self) -> ExportRequest:
        """The request for the whole window, which this one may be a part of."""
        return replace(self, conversations=()) if self.conversations else self

    def __str__(self) -> str:
        part = f", {len(self.conversations)} conversations of it" if self.conversations else ""
        return f"{self.window}{part}"

    @property
    def selection_key(self) -> str:
        """The key of everything but the window: what plans and history are kept by."""
        return canonical_key(self._selection())

    def _selection(self) -> dict[str, Any]:
        return {
            "organisation": str(self.organisation),
            "media_format": self.media_format,
            "filters": dict(self.filters),
            **({} if self.media == AUDIO else {"media": list(self.media)}),
        }


@dataclass(frozen=True)
class Recording:
    """One file that a job offers.

    :param recording_id: the platform's id; where a recording comes as several files, the file's own name.
    :param url: presigned, therefore secret; None where the platform could not provide it.
    :param reason: why there is no URL, in the platform's words; None where it has none.
    :param conversation_id: the conversation it belongs to, where the API says so.
    :param media_type: what it is, as the platform declares it; None where it doesn't.
    :param extension: the ending of its key; None: that of the request's media format.
    :param metadata: the manifest's metadata for it.
    :param stored: where it lies already, where the platform delivers its recordings itself.
    :param overdue: the platform should have delivered it, and waiting any longer makes no sense.
    """

    recording_id: str
    url: str | None = field(repr=False)
    reason: str | None = None
    conversation_id: str | None = None
    media_type: str | None = None
    extension: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    stored: StoredObject | None = None
    overdue: bool = False


class JobStatus(StrEnum):
    """What a job's status means for us. ``RUNNING`` covers submitted, processing and every word not known here.

    ``READY``: it knows how many recordings it would export, has exported none, and does so only when it is told to.
    """

    RUNNING = "running"
    READY = "ready"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True)
class ExportJob:
    """One asynchronous export job, as one poll saw it.

    :param word: the platform's own word for its status.
    :param manifest_url: presigned, therefore secret; None until the job has completed.
    :param expires_at: when the first of the URLs ends, epoch seconds; None where the platform doesn't say.
    :param error: the platform's words on a failure; None for a job that failed without a word.
    :param url_seconds: how long its URLs live in all; None where that isn't known.
    :param size: how many recordings it holds, where it says so without listing them.
    """

    job_id: str
    status: JobStatus
    word: str = ""
    manifest_url: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    recordings: tuple[Recording, ...] = field(default=(), repr=False)
    error: str | None = None
    url_seconds: float | None = None
    size: int | None = None


@dataclass(frozen=True)
class Delivery:
    """What a completed job has the platform deliver by itself, into the bucket that is the destination.

    :param begun_at: when the job was made, epoch seconds of the platform's clock.
    :param conversations: those that the job looked at, and when each began, epoch seconds: where its recordings lie.
        More than the window's own, where the platform counts those too that were still going on when it began.
    :param own: those of them that belong to the window.
    :param recordings: how many the job looked at, whatever became of them.
    :param skipped: how many of them had been exported before, by this job or another, and are not exported again.
    :param failed: those that the platform failed to export, each with its reason.
    """

    job_id: str
    begun_at: float
    conversations: Mapping[str, float] = field(repr=False)
    own: tuple[str, ...] = field(repr=False)
    recordings: int
    skipped: int = 0
    failed: tuple[Recording, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Manifest:
    """What a job says that it contains: the source of truth of reconciliation.

    :param recordings: id and metadata of each, in the manifest's order; read anew by everyone who iterates, since a
        manifest may be larger than memory. An id that comes again is the same recording: its first metadata counts.
        None where the document lists them in no form that is known.
    """

    job_id: str
    recordings: Iterable[tuple[str, Mapping[str, Any]]] | None = field(repr=False)


SPAN = 60.0 + 2.0
"""Seconds that hold at most ``per_minute`` calls of a rate budget: a minute, and two for calls that reach the platform
unevenly."""


@dataclass(frozen=True)
class Reservation:
    """An answer of the rate budget.

    :param granted: whether a slot was reserved.
    :param wait: seconds until the reserved slot, or, where none was granted, until asking again makes sense.
    :param left: how many calls of the budget were not reserved then.
    """

    granted: bool
    wait: float
    left: int = 0


Version = NewType("Version", str)
"""A store's own word for one state of an object, by which it tells it from every other: opaque to all but the store."""


@dataclass(frozen=True)
class StoredObject:
    """An object of the archive.

    :param sha256: hexadecimal; None where the store doesn't keep it.
    :param checksum: the store's own word for the bytes, as a listing gives it back: an equal one proves the object
        unchanged. ``etag:…`` on S3, ``crc32c:…`` on Google Cloud Storage, ``md5:…`` on Azure, ``sha256:…`` on a disk.
    :param version: None where it isn't told, as by listings.
    :param stored_at: when it was put there, epoch seconds of the store's clock; None where nobody asked.
    """

    key: str
    size: int
    sha256: str | None = None
    source_etag: str | None = None
    checksum: str | None = None
    version: Version | None = field(default=None, compare=False)
    stored_at: float | None = field(default=None, compare=False)


class RecordingStatus(StrEnum):
    """What became of a recording. ``MISSING``: a conversation was recorded, and nothing came for it."""

    ARCHIVED = "archived"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True)
class ReceiptLine:
    """What the archive says of one recording.

    :param request_key: the request it was exported for: one receipt belongs to one request.
    :param checksum: the store's own word for the bytes, as :class:`StoredObject` has it; None in older receipts.
    :param reason: why it is absent; None for an archived one.
    :param metadata: the manifest's metadata for it.
    """

    recording_id: str
    status: RecordingStatus
    job_id: str
    request_key: str
    key: str | None = None
    size: int | None = None
    sha256: str | None = None
    checksum: str | None = None
    source_etag: str | None = None
    reason: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def conversation_id(self) -> str | None:
        """The conversation that it is about, where its API works by conversations: the manifest says it then."""
        if self.status is RecordingStatus.MISSING:
            return self.recording_id
        known = self.metadata.get("conversationId")
        return str(known) if known else None


Receipt = tuple[ReceiptLine, ...]


def canonical_key(value: Mapping[str, Any]) -> str:
    """SHA-256 of ``value`` as canonical JSON: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _utc(time: datetime) -> datetime:
    """A plain datetime of whole milliseconds: arithmetic on pendulum's loses a zone that isn't pendulum's own."""
    if type(time) is datetime and time.tzinfo is UTC and time.microsecond % 1000 == 0:
        return time  # as a ledger reads it, ten thousands at a time
    time = time.astimezone(UTC)
    whole = time.microsecond // 1000 * 1000
    return datetime(time.year, time.month, time.day, time.hour, time.minute, time.second, whole, UTC)


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds" if time.microsecond else "seconds").replace("+00:00", "Z")
