# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_genesys.archive.layout import receipt_key
from airflow_provider_genesys.archive.receipts import write_receipt
from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.model import (
    ExportRequest,
    ExportWindow,
    Organisation,
    ReceiptLine,
    RecordingStatus,
)
from airflow_provider_genesys.export.ports import Ledger
from airflow_provider_genesys.wiring import ledger
from tests.plugins.visitors import ApiServer, Webserver, web_server

ORGANISATION = Organisation("api.mypurecloud.com", "client")
MAY = datetime(2024, 5, 1, tzinfo=UTC)


def day_of_may(day: int, hours: tuple[int, int] = (0, 24)) -> ExportWindow:
    start = MAY + timedelta(days=day - 1)
    return ExportWindow(start + timedelta(hours=hours[0]), start + timedelta(hours=hours[1]))


def asked(day: int, hours: tuple[int, int] = (0, 24), **change: Any) -> ExportRequest:
    return replace(ExportRequest(ORGANISATION, day_of_may(day, hours), "mp3"), **change)


@dataclass(frozen=True)
class Records:
    """A ledger and an archive on this disk, which the web server knows by its environment."""

    ledger: Ledger
    archive: Path

    def put(self, request: ExportRequest, state: RequestState, **change: Any) -> Entry:
        """Bring a request into a state and let it go."""
        entry = self.ledger.acquire(request, "someone", 60.0)
        assert entry.lease is not None
        entry = self.ledger.save(entry.lease, replace(entry, state=state, **change))
        assert entry.lease is not None
        self.ledger.release(entry.lease)
        return entry

    def put_receipt(self, request: ExportRequest, **reasons: RecordingStatus) -> None:
        """Write the receipt of a request: recordings by id, with what became of them."""
        file = self.archive / receipt_key(request.window)
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            ReceiptLine(name, status, "job-1", request.key, reason=None if status == "archived" else f"why {name}")
            for name, status in reasons.items()
        ]
        file.write_bytes(b"".join(write_receipt(lines)))


def attempt(number: int = 0, status: str = "completed", **rest: Any) -> Attempt:
    return Attempt(number, 0, AttemptStatus(status), f"job-{number}", **rest)


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Records:
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")}
    monkeypatch.setenv("AIRFLOW_CONN_GENESYS_LEDGER", json.dumps(connection))
    monkeypatch.setenv("GENESYS_EXPORT_DESTINATION", (tmp_path / "archive").as_uri())
    return Records(ledger(), tmp_path / "archive")


@pytest.fixture(scope="session")
def server() -> ApiServer | Webserver:
    """Airflow's web server, on a migrated database."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    return web_server()
