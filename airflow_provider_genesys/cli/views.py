# SPDX-License-Identifier: Apache-2.0
"""What is shown of an entry: as JSON, whose keys programs rely on, and as rows for people.

Times are ISO 8601 in UTC, durations seconds; what is not known is null.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from airflow_provider_genesys.export.entry import Attempt, Entry

SHORT_KEY = 12

_COLUMNS = {
    "key": "KEY",
    "start": "START",
    "end": "END",
    "media_format": "FORMAT",
    "state": "STATE",
    "attempts": "ATTEMPTS",
    "job_id": "JOB",
    "job_status": "JOB STATUS",
    "held_by": "HELD BY",
    "held_seconds": "FOR ANOTHER",
}
_ATTEMPT_COLUMNS = {
    "generation": "GENERATION",
    "number": "NUMBER",
    "status": "STATUS",
    "job_id": "JOB",
    "polls": "POLLS",
    "recordings": "RECORDINGS",
    "submitted_at": "SUBMITTED",
    "ended_at": "ENDED",
    "expires_at": "EXPIRES",
    "reason": "REASON",
    "error": "ERROR",
}


def line(entry: Entry, now: float) -> dict[str, Any]:
    """One window of a list.

    :param now: the ledger's clock, epoch seconds.
    """
    request, current = entry.request, entry.current
    return {
        "key": request.key,
        "organisation": str(request.organisation),
        **request.window.to_dict(),
        "media_format": request.media_format,
        "filters": dict(request.filters),
        "state": entry.state.value,
        "attempts": len(entry.attempts),
        "job_id": current.job_id if current else None,
        "job_status": current.status.value if current else None,
        "held_by": entry.held_by or None,
        "held_until": _time(entry.held_until) if entry.held_by else None,
        "held_seconds": round(entry.held_until - now, 1) if entry.held_by else None,
        "error": entry.error or (current.error if current else "") or None,
    }


def whole(entry: Entry, parts: Iterable[Entry], now: float) -> dict[str, Any]:
    """Everything about one window: a line, with its attempts one by one, and a line for each of its parts."""
    return {
        **line(entry, now),
        "generation": entry.generation,
        "forced_by": entry.forced_by or None,
        "destinations": list(entry.destinations),
        "checked_at": _time(entry.checked_at),
        "media": list(entry.request.media),
        "conversations": len(entry.request.conversations) or None,
        "children": [window.to_dict() for window in entry.children],
        "parts": [line(part, now) for part in parts],
        "attempts": [_attempt(attempt) for attempt in entry.attempts],
    }


def budget(organisation: str, name: str, per_minute: int, spent: int) -> dict[str, Any]:
    """A rate budget. Calls are reserved ahead, too, so that more can be spent than a minute allows: none are left."""
    return {
        "organisation": organisation,
        "budget": name,
        "per_minute": per_minute,
        "spent": spent,
        "left": max(0, per_minute - spent),
    }


def row(shown: dict[str, Any]) -> dict[str, Any]:
    """A line as a row of a table, under its headings."""
    short = {**shown, "key": shown["key"][:SHORT_KEY], "held_seconds": _seconds(shown["held_seconds"])}
    return {heading: short[name] for name, heading in _COLUMNS.items()}


def attempt_row(shown: dict[str, Any]) -> dict[str, Any]:
    """An attempt as a row of a table, under its headings."""
    return {heading: shown[name] for name, heading in _ATTEMPT_COLUMNS.items()}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "generation": attempt.generation,
        "number": attempt.number,
        "status": attempt.status.value,
        "job_id": attempt.job_id,
        "replaces": attempt.replaces,
        "reason": attempt.reason or None,
        "error": attempt.error or None,
        "polls": attempt.polls,
        "recordings": attempt.recordings,
        "submitted_at": _time(attempt.submitted_at),
        "polled_at": _time(attempt.polled_at),
        "ended_at": _time(attempt.ended_at),
        "expires_at": _time(attempt.expires_at),
    }


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.0f} s"


def estimate_rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """An estimate as lines of a table, with what it rests on."""
    limits, assumptions = found["limits"], found["assumptions"]
    source = "learned from the ledger" if assumptions["seconds_per_recording_from"] == "ledger" else "assumed"
    numbers = ("days", "recordings", "windows", "jobs", "requests", "polls")
    return [
        *((name, f"{found[name]:,}") for name in numbers),
        ("bytes", f"{found['bytes'] / 1e9:,.1f} GB"),
        ("hours", f"{found['seconds'] / 3600:,.1f}"),
        ("hours of transfer alone", f"{found['transfer_seconds'] / 3600:,.1f}"),
        ("API", found["export_api"]),
        ("days counted one by one", f"{found['days_counted']:,}, by {found['asked']:,} requests"),
        ("seconds a recording", f"{assumptions['seconds_per_recording']:.3g}, {source}"),
        ("bytes a recording", f"{assumptions['bytes_per_recording']:,.0f}, assumed"),
        ("bytes a second", f"{assumptions['bytes_per_second']:,.0f}, assumed"),
        ("busy hours of a day", f"{assumptions['busy_hours']:g}, assumed"),
        ("requests and polls a minute", f"{limits['requests_per_minute']} and {limits['polls_per_minute']}"),
        ("days side by side", str(limits["runs_at_a_time"])),
    ]
