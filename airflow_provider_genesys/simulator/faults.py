# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, and when.

A fault names a kind, which of the kind's subjects it strikes (``every``) and how often each of them (``times``). What
the numbers count depends on the kind's subject:

============ ======================================== ==========================================================
subject      ``every=k`` strikes                      ``times=n`` is
============ ======================================== ==========================================================
window       each k-th window of a client, counted in only the first n jobs for the window
             the order in which they are first
             submitted
recording    the k-th, 2k-th, ... recording of each   only the first n jobs for the window that lists it
             UTC day, in order of start
download     the same recordings                      only the first n GETs of the recording (or manifest)
route        each k-th request to each route          only the first n requests that are struck, on each route
request      each k-th API request, whatever its      only the first n requests that are struck
             route
conversation the k-th, 2k-th, ... call of each UTC    only the first n requests for the conversation: those that
             day, and the chat or e-mail after it     the kind speaks of
media        the recordings of the same conversations nothing: it lasts while the fault stands, or, with
                                                      ``until``, until that Unix time
submission   each k-th submission of its kind by a    only the first n submissions that are struck
             client
organisation the whole organisation                   nothing: it lasts while the fault stands
============ ======================================== ==========================================================

``times=None`` (``null`` in JSON) is always. What strikes a window, a recording or the conversations of a batch request
is settled when the job is submitted; faults that are set later leave it alone. Where several faults strike one download
or request, the first of the list wins.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

ROUTES = (
    *("token", "volume", "submit", "poll"),
    *("details_query", "details_submit", "details_poll", "details_results", "availability"),
    *("batch_submit", "batch_poll", "recordings", "metadata", "settings", "retention"),
    *("bulk_submit", "bulk_poll", "bulk_execute", "bulk_delete", "bulk_list", "bulk_failed"),
    *("queues", "queue", "wrap_up_codes", "wrap_up_code", "users", "user"),
    *("integrations", "integration", "oauth_client", "role", "divisions", "organisation"),
)
DOWNLOADS = ("recording", "manifest")
STATUSES = (500, 502, 503, 504)
RETRY_AFTER_FORMS = ("seconds", "date", "absent")


class SpecError(ValueError):
    """A universe or fault is described wrongly."""


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    :param subject: what it strikes; see the module's table.
    :param meaning: one line for people.
    :param arguments: what the kind takes besides ``every`` and ``times``, with defaults.
    """

    subject: str
    meaning: str
    arguments: Mapping[str, Any]


def _kind(subject: str, meaning: str, **arguments: Any) -> Kind:
    return Kind(subject, meaning, arguments)


LEAK = "Cannot write export, last try was {url}"

KINDS: dict[str, Kind] = {
    # the life of a job
    "expired_urls": _kind("window", "presigned URLs live `seconds` from completion", seconds=0.0),
    "failed_jobs": _kind("window", "the job fails, with `message` as its error", message="Export worker aborted"),
    "silent_failures": _kind("window", "the job fails without any error"),
    "leaky_error": _kind("window", "the job fails, its error has a presigned URL at {url}", message=LEAK),
    "canceled_jobs": _kind("window", "the job is canceled"),
    "slow_jobs": _kind("window", "the job takes `seconds` longer", seconds=30.0),
    "unknown_status": _kind("window", "status `message` for `seconds` first", message="transcoding", seconds=2.0),
    # the answers about a job
    "submit_lost": _kind("window", "the job exists, but the connection closes without an answer"),
    "submit_error_after": _kind("window", "the job exists, but the answer is 504"),
    "id_only": _kind("window", "the answer to the submission has `id` and no `jobId`"),
    "job_id_only": _kind("window", "the answer to the submission has `jobId` and no `id`"),
    "missing_expires_at": _kind("window", "the completed job has no `expiresAt`"),
    "offset_times": _kind("window", "times end in `+00:00` rather than `Z`"),
    # what a job lists
    "null_urls": _kind("recording", "the recording's url is null: transcoding failed"),
    "missing_details": _kind("recording", "in the manifest, absent from jobDetails"),
    "extra_details": _kind("recording", "in jobDetails, absent from the manifest"),
    "duplicate_ids": _kind("recording", "listed twice, in manifest and jobDetails"),
    "hostile_ids": _kind("recording", "the id is a path: ../../etc/passwd-..."),
    "hostile_urls": _kind("recording", "the url is that of a cloud's metadata service"),
    # downloads
    "truncated_body": _kind("download", "right Content-Length, half the body, connection closed", route="recording"),
    "wrong_length": _kind("download", "half the body, with half the Content-Length", route="recording"),
    "chunked_body": _kind("download", "whole body, without Content-Length", route="recording"),
    "corrupt_body": _kind("download", "right length and ETag, one byte changed", route="recording"),
    "html_body": _kind("download", "200 and a page of HTML", route="recording"),
    "xml_body": _kind("download", "200 and an error in XML", route="recording"),
    "json_body": _kind("download", "200 and an error in JSON", route="recording"),
    "empty_body": _kind("download", "200 and nothing", route="recording"),
    "storage_errors": _kind("download", "503 SlowDown", route="recording"),
    "storage_forbidden": _kind("download", "403 AccessDenied, though not expired", route="recording"),
    "storage_gone": _kind("download", "404 NoSuchKey", route="recording"),
    "no_ranges": _kind("download", "200 and the whole body, whatever range was asked for", route="recording"),
    "changed_object": _kind("download", "another object: its ETag, and 412 to If-Match", route="recording"),
    "slow_storage": _kind("download", "`seconds` before the first byte", seconds=5.0, route="recording"),
    # API requests
    "server_errors": _kind("route", "`status` instead of an answer, nothing done", status=503, route=None),
    "volume_down": _kind("route", "503 on volume, for ever", status=503, route="volume"),
    "rate_limited": _kind(
        "route", "429, Retry-After by `form`: seconds, date, absent", seconds=1, form="seconds", route=None
    ),
    "daily_limits": _kind("route", "429, Retry-After of `seconds`, no inin-ratelimit", seconds=7200, route=None),
    "dropped_connection": _kind("route", "connection closed, nothing done", route=None),
    "invalid_json": _kind("route", "done, but the answer's JSON is cut in half", route=None),
    "forbidden": _kind("route", "403, permission missing", route=None),
    "revoked_token": _kind("request", "401, the token that was valid is revoked", route=None),
    # the published API: batch requests
    "batch_lost": _kind("submission", "the batch exists, but the connection closes without an answer"),
    "empty_discovery": _kind("submission", "0 of 0 results until the end, `seconds` later", seconds=10.0),
    "growing_discovery": _kind("submission", "n of n results while n grows, `seconds` longer", seconds=10.0),
    "stuck_batches": _kind("submission", "0 of 0 results, in progress for ever"),
    "foreign_batches": _kind("submission", "403 for its reader, as if another client had submitted it"),
    "expired_results": _kind("submission", "result URLs live `seconds`", seconds=0.0),
    "nothing_comes": _kind("conversation", "no result for the conversation in a batch, nor an error"),
    "batch_errors": _kind("conversation", "errors with `message` in a batch", message="Recording is not retrievable"),
    # the published API: recordings of a conversation
    "transcoding": _kind("conversation", "202, recordings without mediaUris"),
    "transcoding_empty": _kind("conversation", "202, no body"),
    "late_recordings": _kind(
        "media", "nobody knows of the call yet, in either API: not counted nor listed", until=None
    ),
    "archived_media": _kind("media", "fileState ARCHIVED, no media", until=None),
    "restoring_media": _kind("media", "fileState RESTORING, no media", until=None),
    "deleted_media": _kind("media", "fileState DELETED, no media"),
    "sensitive_recordings": _kind("media", "silently left out: redacted for want of viewSensitiveData"),
    # the published API: the organisation
    "hidden_division": _kind("organisation", "conversations of the division `message` are not seen", message="South"),
    "details_lost": _kind("submission", "the details job exists, but the connection closes without an answer"),
    "failed_details": _kind("submission", "the details job fails with `message`", message="Query timed out"),
    # the published API: bulk jobs
    "bulk_lost": _kind("submission", "the bulk job exists, but the connection closes without an answer"),
    "bulk_failed": _kind("submission", "the bulk job fails with `message`", message="conversation query timed out"),
    "late_delivery": _kind("submission", "objects arrive `seconds` later than they would", seconds=30.0),
    "late_files": _kind("submission", "the last file of several of a recording arrives `seconds` later", seconds=30.0),
    "failed_exports": _kind("media", "the recording fails in bulk jobs, and is listed among their failed ones"),
}
SUBMISSIONS: dict[str, str] = {
    "batch_lost": "batch",
    "empty_discovery": "batch",
    "growing_discovery": "batch",
    "stuck_batches": "batch",
    "foreign_batches": "batch",
    "expired_results": "batch",
    "details_lost": "details",
    "failed_details": "details",
    "bulk_lost": "bulk",
    "bulk_failed": "bulk",
    "late_delivery": "bulk",
    "late_files": "bulk",
}
FOREVER = frozenset({"volume_down"}) | {
    name for name, kind in KINDS.items() if kind.subject in ("media", "organisation")
}
# Without a token there is no permission to miss, and none to revoke.
NEEDS_A_TOKEN = frozenset({"forbidden", "revoked_token"})


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong. Arguments that are not given have the kind's defaults.

    :param kind: a key of :data:`KINDS`.
    :param every: strikes each k-th subject.
    :param times: only the first n occurrences; None: always.
    :param seconds: a duration, where the kind has one.
    :param status: HTTP status: 500, 502, 503 or 504.
    :param route: one of :data:`ROUTES`, None for all; for downloads recording or manifest.
    :param message: the platform's words.
    :param form: ``seconds``, ``date`` or ``absent``, of Retry-After.
    :param until: Unix time at which it passes by itself, where the kind may; None: it lasts.
    :raises SpecError: an unknown kind, an argument that the kind has not, or a wrong value.
    """

    kind: str
    every: int = 1
    times: int | None = 1
    seconds: float | None = None
    status: int | None = None
    route: str | None = None
    message: str | None = None
    form: str | None = None
    until: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SpecError(f"unknown fault kind {self.kind!r}. Known are: {', '.join(KINDS)}")
        arguments = KINDS[self.kind].arguments
        for name in ("seconds", "status", "route", "message", "form", "until"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, arguments.get(name))
            elif name not in arguments:
                raise SpecError(f"a fault {self.kind} takes no {name}")
        if self.kind in FOREVER:
            object.__setattr__(self, "times", None)
        for name, wrong in self._checks().items():
            if wrong:
                raise SpecError(f"{name} of a fault {self.kind} cannot be {getattr(self, name)!r}")

    def _checks(self) -> dict[str, bool]:
        routes = DOWNLOADS if self.subject == "download" else ROUTES
        return {
            "every": type(self.every) is not int or self.every < 1,
            "times": self.times is not None and (type(self.times) is not int or self.times < 0),
            "seconds": self.seconds is not None and not _is_duration(self.seconds),
            "status": self.status not in (None, *STATUSES),
            "route": self.route not in (None, *routes),
            "message": not isinstance(self.message, str | None),
            "form": self.form not in (None, *RETRY_AFTER_FORMS),
            "until": self.until is not None and not _is_duration(self.until),
        }

    @classmethod
    def from_json(cls, value: object) -> Fault:
        """Make a fault of a JSON object.

        :raises SpecError: not an object, an unknown key or kind, a wrong value.
        """
        if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
            raise SpecError(f'a fault must be an object with a "kind", not {value!r}')
        unknown = sorted(value.keys() - {each.name for each in fields(cls)})
        if unknown:
            raise SpecError(f"unknown setting of a fault {value['kind']}: {', '.join(unknown)}")
        return cls(**value)

    @property
    def subject(self) -> str:
        """What the fault strikes; see the module's table."""
        return KINDS[self.kind].subject

    def lasts(self, occurrence: int) -> bool:
        """Whether the subject's n-th occurrence, from 0, is still struck."""
        return self.times is None or occurrence < self.times

    def picks(self, ordinal: int) -> bool:
        """Whether the n-th subject, from 0, is one of those struck."""
        return (ordinal + 1) % self.every == 0


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


class FaultPlan:
    """Says what strikes whom, and keeps count of it. A new list of faults is a new plan."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        self._seen: Counter[tuple[int, str]] = Counter()

    def for_job(self, window: int, attempt: int) -> tuple[Fault, ...]:
        """Faults of a new job, those of its recordings included.

        :param window: ordinal of the job's window among the client's windows, from 0.
        :param attempt: number of jobs that the window had before.
        """
        return tuple(
            fault
            for fault in self.faults
            if fault.lasts(attempt)
            and (fault.subject == "recording" or (fault.subject == "window" and fault.picks(window)))
        )

    def for_download(self, route: str, name: str, ordinal: int) -> Fault | None:
        """Fault of one GET, if any.

        :param route: recording or manifest.
        :param name: what is fetched, unique within the simulator.
        :param ordinal: the recording's position in its day, from 0; 0 for a manifest.
        """
        for number, fault in enumerate(self.faults):
            if fault.subject != "download" or fault.route != route:
                continue
            occurrence = self._seen[number, name]
            if (route == "manifest" or fault.picks(ordinal)) and fault.lasts(occurrence):
                self._seen[number, name] += 1
                return fault
        return None

    def for_request(self, route: str) -> Fault | None:
        """Fault of one API request to a route, if any."""
        struck = None
        for number, fault in enumerate(self.faults):
            if fault.subject not in ("route", "request") or fault.route not in (None, route):
                continue
            if route == "token" and fault.kind in NEEDS_A_TOKEN:
                continue
            key = (number, route if fault.subject == "route" else "")
            ordinal = self._seen[key]
            self._seen[key] += 1
            if struck is None and fault.picks(ordinal) and fault.lasts(ordinal // fault.every):
                struck = fault
        return struck

    def for_submission(self, what: str, client: str) -> Fault | None:
        """Fault of one submission, if any.

        :param what: ``batch``, ``details`` or ``bulk``.
        :param client: OAuth client that submits.
        """
        struck = None
        for number, fault in enumerate(self.faults):
            if SUBMISSIONS.get(fault.kind) != what:
                continue
            ordinal = self._seen[number, client]
            self._seen[number, client] += 1
            if struck is None and fault.picks(ordinal) and fault.lasts(ordinal // fault.every):
                struck = fault
        return struck

    def for_conversation(self, name: str, ordinal: int, kinds: Collection[str]) -> Fault | None:
        """Fault of one request for a conversation, if any.

        :param name: the conversation's id.
        :param ordinal: position of its call in its day, from 0.
        :param kinds: those that the request may meet.
        """
        for number, fault in enumerate(self.faults):
            if fault.kind in kinds and fault.picks(ordinal) and fault.lasts(self._seen[number, name]):
                self._seen[number, name] += 1
                return fault
        return None

    def media_faults(self, ordinal: int, now: float) -> frozenset[str]:
        """Kinds of fault that stand against a conversation's recordings.

        :param ordinal: position of its call in its day, from 0.
        :param now: Unix time.
        """
        return frozenset(fault.kind for fault in self._standing(now) if fault.picks(ordinal))

    def late(self, now: float) -> tuple[int, ...]:
        """Which calls are not there yet at a Unix time: of each UTC day, each k-th of any of these numbers."""
        return tuple(sorted({fault.every for fault in self._standing(now) if fault.kind == "late_recordings"}))

    def _standing(self, now: float) -> Iterator[Fault]:
        """The faults of recordings that have not passed."""
        return (
            fault for fault in self.faults if fault.subject == "media" and (fault.until is None or now < fault.until)
        )

    def hidden_divisions(self) -> frozenset[str]:
        """Names of the divisions that nobody sees."""
        return frozenset(fault.message or "" for fault in self.faults if fault.kind == "hidden_division")


def describe_kinds() -> str:
    """The table of fault kinds, for people."""
    lines = []
    for name, kind in KINDS.items():
        arguments = ", ".join(f"{key}={value!r}" for key, value in kind.arguments.items())
        lines.append(f"{name:20} {kind.subject:12} {kind.meaning}{f'  ({arguments})' if arguments else ''}")
    return "\n".join(lines)
