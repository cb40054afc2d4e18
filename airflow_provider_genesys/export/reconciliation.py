# SPDX-License-Identifier: Apache-2.0
"""The statement at the end of an interval: so many recordings were expected, so many are archived, these are missing.

What is expected comes from the archived manifests, what is there from the receipts; the ledger only names the jobs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_genesys.export.model import (
    AttemptStatus,
    Entry,
    ExportRequest,
    ExportWindow,
    Receipt,
    RecordingStatus,
)
from airflow_provider_genesys.export.ports import Archive


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

    def __str__(self) -> str:
        what = f"recording {self.recording_id!r}" if self.recording_id else "the whole window"
        return f"window {self.window}: {what} {self.status}: {self.reason}"


@dataclass(frozen=True)
class WindowBalance:
    """What one window comes to.

    :param expected: recordings that its manifests list.
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
    """The reconciliation of an interval."""

    interval: ExportWindow
    destination: str
    media_format: str
    windows: tuple[WindowBalance, ...] = field(default=())

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

    def to_dict(self) -> dict[str, Any]:
        """What ``reports/`` keeps."""
        return {
            "interval": self.interval.to_dict(),
            "destination": self.destination,
            "media_format": self.media_format,
            **self.counts(),
            "missing": [missing.to_dict() for missing in self.missing],
            "errors": self.errors,
            "by_window": [window.to_dict() for window in self.windows],
        }


def balance(entry: Entry, archive: Archive) -> WindowBalance:
    """Hold one window's receipt against the manifests of its jobs."""
    request, attempts = entry.request, len(entry.attempts)
    jobs = tuple(dict.fromkeys(attempt.job_id for attempt in entry.attempts if attempt.job_id))
    receipt = archive.receipt(request.window)
    if receipt is None:
        reason = entry.error or "it has no receipt: its tasks did not come that far"
        missing = Missing(request.window, None, jobs[-1] if jobs else None, "failed", reason)
        return WindowBalance(request.window, jobs=jobs, attempts=attempts, missing=(missing,))
    expected, errors = _expected(receipt, entry, archive)
    counts = {status: sum(line.status is status for line in receipt) for status in RecordingStatus}
    return WindowBalance(
        window=request.window,
        expected=len(expected),
        archived=counts[RecordingStatus.ARCHIVED],
        unavailable=counts[RecordingStatus.UNAVAILABLE],
        failed=counts[RecordingStatus.FAILED],
        jobs=jobs or tuple(dict.fromkeys(line.job_id for line in receipt)),
        attempts=attempts,
        missing=tuple(
            Missing(request.window, line.recording_id, line.job_id, line.status, line.reason or "no reason is known")
            for line in receipt
            if line.status is not RecordingStatus.ARCHIVED
        ),
        errors=(*errors, *_differences(expected, receipt, request)),
    )


def _expected(receipt: Receipt, entry: Entry, archive: Archive) -> tuple[set[str], list[str]]:
    """The recordings that the manifests of a window's jobs list, and what is wrong with those manifests.

    A manifest in no known form lists what the receipt has of its job: there is nothing else to hold it against.
    """
    expected: set[str] = set()
    errors: list[str] = []
    for job_id in dict.fromkeys([line.job_id for line in receipt] + _completed(entry)):
        manifest = archive.manifest(job_id)
        if manifest is None:
            errors.append(f"the manifest of job {job_id} is not in the archive")
        elif manifest.recordings is None:
            expected.update(line.recording_id for line in receipt if line.job_id == job_id)
        else:
            expected.update(manifest.recordings)
    return expected, errors


def _completed(entry: Entry) -> list[str]:
    """The job that the window was archived from last, which an empty receipt doesn't name.

    A job without recordings owes no manifest.
    """
    current = entry.current
    is_owed = current and current.status is AttemptStatus.COMPLETED and current.recordings != 0
    return [current.job_id] if current and current.job_id and is_owed else []


def _differences(expected: set[str], receipt: Receipt, request: ExportRequest) -> list[str]:
    stated = Counter(line.recording_id for line in receipt)
    found = {
        "are in a manifest, but not in the receipt": expected - stated.keys(),
        "are in the receipt, but in no manifest": stated.keys() - expected,
        "have several lines in the receipt": {one for one, lines in stated.items() if lines > 1},
        "belong to another request": {line.recording_id for line in receipt if line.request_key != request.key},
    }
    return [f"{len(ids)} recordings {what}, such as {min(ids)!r}" for what, ids in found.items() if ids]
