# SPDX-License-Identifier: Apache-2.0
"""Requests, and what becomes of their entries."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Entry, Lease, RequestState
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.export.ports import Ledger

ORGANISATION = Organisation("api.mypurecloud.com", "client")
DAY = datetime(2024, 5, 1, tzinfo=UTC)
AT_ONCE = 0.0
"""Lease seconds of a lease that has run out as soon as it is given."""

ATTEMPT = Attempt(
    number=1,
    generation=2,
    status=AttemptStatus.EXPIRED,
    job_id="job 1",
    reason="the URLs of job 0 ran out",
    replaces="job 0",
    polls=17,
    recordings=4999,
    error="Überlast – “try again”; DROP TABLE",
    submitted_at=1714521600.123456,
    polled_at=1714521601.25,
    ended_at=1714521602.5,
    expires_at=1714608000.75,
)


def hours(start: int, end: int) -> ExportWindow:
    return ExportWindow(DAY + timedelta(hours=start), DAY + timedelta(hours=end))


def asked(window: ExportWindow | None = None, **filters: Any) -> ExportRequest:
    return ExportRequest(ORGANISATION, window or hours(0, 24), "mp3", filters)


def held(entry: Entry) -> Lease:
    assert entry.lease is not None
    return entry.lease


def as_read(entry: Entry) -> Entry:
    """What another reader sees of an entry."""
    return replace(entry, lease=None)


def in_state(ledger: Ledger, request: ExportRequest, state: RequestState, **change: Any) -> Entry:
    """Bring a request into a state and let it go."""
    entry = ledger.acquire(request, "ann", 100.0)
    entry = ledger.save(held(entry), replace(entry, state=state, **change))
    ledger.release(held(entry))
    return replace(entry, lease=None, held_by="", held_until=0.0)
