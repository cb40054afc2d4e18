# SPDX-License-Identifier: Apache-2.0
"""All that is known of a day's windows: from the ledger their jobs and attempts, from receipts what is missing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_genesys.cli import views
from airflow_provider_genesys.export.entry import Entry, RequestState, Standing
from airflow_provider_genesys.export.errors import ExportError
from airflow_provider_genesys.export.model import ExportWindow, ReceiptLine, RecordingStatus
from airflow_provider_genesys.export.ports import Ledger
from airflow_provider_genesys.wiring import receipt_reader

logger = logging.getLogger(__name__)

MOST_MISSING = 200
"""Recordings of a window that are named one by one; of more the receipt tells."""

_DAY = 86_400.0

Lines = Callable[[ExportWindow], Iterator[ReceiptLine] | None]


def windows_of(
    ledger: Ledger, day: ExportWindow, selection_key: str, destinations: Iterable[str]
) -> list[dict[str, Any]]:
    """A day's windows, each as ``python -m airflow_provider_genesys show`` has it, with what its receipt lacks.

    :param destinations: URIs of archives in which receipts are looked for.
    """
    faults: list[str] = []
    readers = _readers(destinations, faults)
    standings = ledger.standings(day.start.timestamp() - _DAY, day.end.timestamp())
    return [
        _window(ledger, standing, lambda entry: _receipt(entry, readers, faults))
        for standing in standings
        if standing.request.window.end > day.start and standing.request.selection_key == selection_key
    ]


def _window(ledger: Ledger, standing: Standing, receipt: Callable[[Entry], dict[str, Any]]) -> dict[str, Any]:
    entry = ledger.entry(standing.request.key)
    known = entry or Entry(
        standing.request,
        standing.state,
        destinations=standing.destinations,
        error=standing.error,
        checked_at=standing.checked_at,
    )
    now = ledger.now()
    return {
        **views.whole(known, (), now),
        "parts": [views.whole(part, (), now) for part in map(ledger.entry, known.parts) if part is not None],
        "is_compacted": entry is None,
        "receipt": None if known.state is RequestState.SPLIT else receipt(known),
    }


def _readers(destinations: Iterable[str], faults: list[str]) -> list[Lines]:
    readers = []
    for destination in destinations:
        with _told(faults):
            readers.append(receipt_reader(destination))
    return readers


def _receipt(entry: Entry, readers: Iterable[Lines], faults: Iterable[str]) -> dict[str, Any]:
    """What a window's receipt lacks, wherever it lies; ``unread`` says why there is none to be read."""
    faults = list(faults)
    for reader in readers:
        with _told(faults):
            found = _lacking(reader(entry.request.window), entry.request.key)
            if found is not None:
                return found
    return {"unread": "; ".join(faults) or "none in the archives that this web server knows"}


@contextmanager
def _told(faults: list[str]) -> Iterator[None]:
    """Go on after what fails for reasons of a store's or its connection's, having told them."""
    try:
        yield
    except (ExportError, AirflowException) as error:
        faults.append(str(error))
    except Exception as error:  # a client's own words may quote what is secret
        logger.warning("An archive could not be read: %s", type(error).__name__)
        faults.append(f"the archive could not be read: {type(error).__name__}")


def _lacking(lines: Iterator[ReceiptLine] | None, request_key: str) -> dict[str, Any] | None:
    """The counts of a receipt of this request, and the recordings that it lacks; None for no receipt, or another's."""
    if lines is None:
        return None
    counts = dict.fromkeys(RecordingStatus, 0)
    missing: list[dict[str, Any]] = []
    for line in lines:
        if line.request_key != request_key:
            return None
        counts[line.status] += 1
        if line.status is not RecordingStatus.ARCHIVED and len(missing) < MOST_MISSING:
            missing.append(
                {"recording_id": line.recording_id, "status": line.status, "reason": line.reason, "job_id": line.job_id}
            )
    return {"counts": counts, "missing": missing}
