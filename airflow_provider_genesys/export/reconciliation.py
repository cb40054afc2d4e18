# SPDX-License-Identifier: Apache-2.0
"""The statement at the end of an interval: so many recordings were expected, so many are archived, these are missing.

What is expected comes from the archived manifests, what is there from the receipts; the ledger only names the jobs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_genesys.export.entry import AttemptStatus, Entry
from airflow_provider_genesys.export.errors import NoReceipt
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, ReceiptLine, RecordingStatus
from airflow_provider_genesys.export.ports import Archive
from airflow_provider_genesys.export.statement import LACKING


@dataclass(frozen=True)
class Missing:
    """A recording that is not archived, or a whole window (``recording_id`` None), and why."""

    window: ExportWindow
    recording_id: str | None
    job_id: str | None
    status: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "window": self.window.to_dict(),
            "recording_id": self.recording_id,
            "job_id": self.job_id,
            "status": self.status,
            "reason": self.reason,
        }

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Missing:
        """Read it back from a report."""
        return cls(**{**value, "window": ExportWindow.parse(value["window"])})

    def __str__(self) -> str:
        what = f"recording {self.recording_id!r}" if self.recording_id else "the whole window"
        return f"window {self.window}: {what} {self.status}: {self.reason}"


@dataclass(frozen=True)
class WindowBalance:
    """What one window comes to.

    :param expected: recordings that its manifests list, and conversations for which nothing came.
    :param failed: those of them that are not archived, and not known to be unavailable.
    :param errors: what does not add up.
    """

    window: ExportWindow
    expected: int = 0
    archived: int = 0
    unavailable: int = 0
    failed: int = 0
    jobs: tuple[str, ...] = ()
    attempts: int = 0
    missing: tuple[Missing, ...] = ()
    errors: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            **self.window.to_dict(),
            "expected": self.expected,
            "archived": self.archived,
            "unavailable": self.unavailable,
            "failed": self.failed,
            "jobs": list(self.jobs),
            "attempts": self.attempts,
            "errors": list(self.errors),
        }


@dataclass(frozen=True)
class Report:
    """The reconciliation of an interval.

    :param verified: how many objects were held against their receipts; None where that was not asked for.
    :param rechecks: what rechecks of the interval have found, oldest first.
    """

    interval: ExportWindow
    destination: str
    media_format: str
    windows: tuple[WindowBalance, ...] = field(default=())
    verified: int | None = None
    rechecks: tuple[Mapping[str, Any], ...] = ()

    @property
    def expected(self) -> int:
        return sum(window.expected for window in self.windows)

    @property
    def archived(self) -> int:
        return sum(window.archived for window in self.windows)

    @property
    def unavailable(self) -> int:
        return sum(window.unavailable for window in self.windows)

    @property
    def failed(self) -> int:
        return sum(window.failed for window in self.windows)

    @property
    def missing(self) -> list[Missing]:
        return [missing for window in self.windows for missing in window.missing]

    @property
    def errors(self) -> list[str]:
        return [f"window {window.window}: {error}" for window in self.windows for error in window.errors]

    @property
    def is_complete(self) -> bool:
        """Whether every expected recording is archived, or known to be unavailable at the platform."""
        lost = [missing for missing in self.missing if missing.status != RecordingStatus.UNAVAILABLE]
        return not lost and not self.errors and self.expected == self.archived + self.unavailable

    def counts(self) -> dict[str, Any]:
        """What XCom carries: counts only."""
        return {
            "expected": self.expected,
            "archived": self.archived,
            "unavailable": self.unavailable,
            "failed": self.failed,
            "windows": len(self.windows),
            "jobs": sum(len(window.jobs) for window in self.windows),
            "attempts": sum(window.attempts for window in self.windows),
            "complete": self.is_complete,
        }

    def outcome(self) -> dict[str, Any]:
        """The interval and what came of it: what is told to others than the run itself. No ids."""
        return {
            **self.interval.to_dict(),
            "expected": self.expected,
            "archived": self.archived,
            "unavailable": self.unavailable,
            "failed": self.failed,
        }

    def to_dict(self) -> dict[str, Any]:
        """What ``reports/`` keeps."""
        return {
            "interval": self.interval.to_dict(),
            "destination": self.destination,
            "media_format": self.media_format,
            **self.counts(),
            "verified": self.verified,
            "rechecks": [dict(one) for one in self.rechecks],
            "missing": [missing.to_dict() for missing in self.missing],
            "errors": self.errors,
            "by_window": [window.to_dict() for window in self.windows],
        }


def what_is_missing(report: Mapping[str, Any], shown: int) -> str:
    """A report in words, for whoever has to mend something.

    :param report: as :meth:`Report.to_dict` has it.
    :param shown: how many faults are named at most.
    """
    faults = [*report["errors"], *(str(Missing.parse(missing)) for missing in report["missing"])]
    if len(faults) > shown:
        faults[shown:] = [f"and {len(faults) - shown} more, which the report names"]
    counts = ", ".join(f"{what} {report[what]}" for what in ("expected", "archived", "unavailable", "failed"))
    interval = ExportWindow.parse(report["interval"])
    return "\n  ".join([f"the export of {interval} is incomplete ({counts}):", *faults])


def balance(entry: Entry, by: Sequence[Entry], archive: Archive) -> WindowBalance:
    """Hold one window's receipt against the manifests of its jobs.

    :param by: the entries whose jobs bring the window's recordings: its own, or those of its parts.
    """
    window, attempts = entry.request.window, sum(len(one.attempts) for one in by)
    jobs = tuple(dict.fromkeys(attempt.job_id for one in by for attempt in one.attempts if attempt.job_id))
    try:
        found = _taken_down(archive.lines(window), entry.request)
    except NoReceipt as error:
        reason = next((one.error for one in (entry, *by) if one.error), str(error))
        missing = Missing(window, None, jobs[-1] if jobs else None, "failed", reason)
        return WindowBalance(window, jobs=jobs, attempts=attempts, missing=(missing,))
    expected, errors = _expected(found, by, archive)
    return WindowBalance(
        window=window,
        expected=len(expected),
        archived=found.counts[RecordingStatus.ARCHIVED],
        unavailable=found.counts[RecordingStatus.UNAVAILABLE],
        failed=sum(found.counts[status] for status in LACKING),
        jobs=tuple(dict.fromkeys((*jobs, *found.ids))),
        attempts=attempts,
        missing=tuple(found.missing),
        errors=(*errors, *_differences(expected, found)),
    )


def lines_of(requests: Iterable[ExportRequest], archive: Archive) -> Iterator[tuple[ExportRequest, ReceiptLine]]:
    """Every line of the requests' receipts, with its request. What has no receipt has no lines."""
    for request in requests:
        with suppress(NoReceipt):
            yield from ((request, line) for line in archive.lines(request.window) or ())


def verified(report: Report, requests: Iterable[ExportRequest], archive: Archive) -> Report:
    """The report, with an error for every archived recording that is not stored as its receipt says.

    All windows are looked at together: listings go through the archive once.
    """
    windows = {}
    lines = []
    for request, line in lines_of(requests, archive):
        if line.status is RecordingStatus.ARCHIVED:
            windows[line.key] = request.window
            lines.append(replace(line, metadata={}))
    errors: defaultdict[ExportWindow, list[str]] = defaultdict(list)
    for line, fault in archive.verify(lines):
        errors[windows[line.key]].append(f"recording {line.recording_id!r}: {line.key} {fault}")
    balances = tuple(replace(balance, errors=(*balance.errors, *errors[balance.window])) for balance in report.windows)
    return replace(report, windows=balances, verified=len(lines))


@dataclass
class _Found:
    """What a receipt comes to.

    :param ids: of recordings, by job, in the receipt's order.
    :param silent: ids of conversations for which nothing came, which no manifest lists.
    :param conversations: ids of those of which something is archived.
    """

    counts: Counter[RecordingStatus] = field(default_factory=Counter)
    ids: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    all_ids: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    conversations: set[str | None] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    missing: list[Missing] = field(default_factory=list)


def _taken_down(lines: Iterator[ReceiptLine] | None, request: ExportRequest) -> _Found:
    if lines is None:
        raise NoReceipt("it has no receipt: its tasks did not come that far")
    found = _Found()
    for line in lines:
        found.counts[line.status] += 1
        if line.status is RecordingStatus.MISSING:
            found.silent.add(line.recording_id)
        else:
            found.ids[line.job_id].add(line.recording_id)
        if line.recording_id in found.all_ids:
            found.repeated.add(line.recording_id)
        found.all_ids.add(line.recording_id)
        if line.request_key != request.key:
            found.foreign.add(line.recording_id)
        if line.status is RecordingStatus.ARCHIVED:
            found.conversations.add(line.conversation_id)
        else:
            reason = line.reason or "no reason is known"
            found.missing.append(Missing(request.window, line.recording_id, line.job_id, line.status, reason))
    return found


def _expected(found: _Found, by: Sequence[Entry], archive: Archive) -> tuple[set[str], list[str]]:
    """The recordings that the manifests of a window's jobs list, and what is wrong with those manifests.

    A manifest in no known form lists what the receipt has of its job: there is nothing else to hold it against.
    """
    expected = set(found.silent)
    errors: list[str] = []
    for job_id in dict.fromkeys([*found.ids, *(job_id for one in by for job_id in _completed(one))]):
        manifest = archive.manifest(job_id)
        if manifest is None:
            errors.append(f"the manifest of job {job_id} is not in the archive")
        elif manifest.recordings is None:
            expected.update(found.ids.get(job_id, ()))
        else:
            expected.update(
                recording_id
                for recording_id, metadata in manifest.recordings
                if recording_id in found.all_ids or not _was_told_anew(metadata, found)
            )
    return expected, errors


def _was_told_anew(metadata: Mapping[str, Any], found: _Found) -> bool:
    """Whether a recording that a job could not provide came by a later one, perhaps as several files."""
    return (
        "reason" in metadata
        and bool(metadata.get("conversationId"))
        and metadata["conversationId"] in found.conversations
    )


def _completed(entry: Entry) -> list[str]:
    """The job that the window was archived from last, which an empty receipt doesn't name.

    A job without recordings owes no manifest.
    """
    current = entry.current
    is_owed = current and current.status is AttemptStatus.COMPLETED and current.recordings != 0
    return [current.job_id] if current and current.job_id and is_owed else []


def _differences(expected: set[str], found: _Found) -> list[str]:
    differences = {
        "are in a manifest, but not in the receipt": expected - found.all_ids,
        "are in the receipt, but in no manifest": found.all_ids - expected,
        "have several lines in the receipt": found.repeated,
        "belong to another request": found.foreign,
    }
    return [f"{len(ids)} recordings {what}, such as {min(ids)!r}" for what, ids in differences.items() if ids]
