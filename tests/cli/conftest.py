# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_genesys.cli.definition import parser
from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.export.ports import Ledger
from airflow_provider_genesys.wiring import ledger
from tests.rig import SECRET

ORGANISATION = Organisation("api.mypurecloud.com", "client")
CONNECTION = {
    "conn_type": "genesys",
    "host": ORGANISATION.host,
    "login": ORGANISATION.client_id,
    "password": SECRET,
    "extra": {"requests_per_minute": 200, "polls_per_minute": 10},
}


@dataclass(frozen=True)
class Answer:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        return [line.split() for line in self.out.splitlines()]


@dataclass
class Desk:
    """A ledger on SQLite with what a test puts into it, and somebody who types commands."""

    ledger: Ledger
    capture: pytest.CaptureFixture[str]

    def put(self, day: int, *attempts: Attempt, media_format: str = "mp3", **state: Any) -> Entry:
        """An entry for a day of May 2024, held by nobody."""
        window = ExportWindow.parse({"start": f"2024-05-{day:02}T00:00:00Z", "end": f"2024-05-{day + 1:02}T00:00:00Z"})
        request = ExportRequest(
            state.pop("organisation", ORGANISATION),
            window,
            media_format,
            conversations=state.pop("conversations", ()),
        )
        acquired = self.ledger.acquire(request, "someone", 60.0)
        assert acquired.lease is not None
        saved = self.ledger.save(acquired.lease, replace(acquired, attempts=attempts, **state))
        assert saved.lease is not None
        self.ledger.release(saved.lease)
        return self.entry(acquired.request.key)

    def hold(self, entry: Entry, owner: str = "export/backfill[3]", seconds: float = 300.0) -> None:
        assert self.ledger.acquire(entry.request, owner, seconds).lease is not None

    def entry(self, key: str) -> Entry:
        found = self.ledger.entry(key)
        assert found is not None
        return found

    def type(self, *words: str) -> Answer:
        """Type a command, in this process."""
        arguments = parser("genesys").parse_args(words)
        self.capture.readouterr()
        try:
            arguments.func(arguments)
            code = 0
        except SystemExit as end:
            code = int(str(end.code))
        said = self.capture.readouterr()
        return Answer(code, said.out, said.err)


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def desk(ledger_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    monkeypatch.setenv("AIRFLOW_CONN_GENESYS_LEDGER", json.dumps({"conn_type": "sqlite", "host": str(ledger_file)}))
    monkeypatch.setenv("AIRFLOW_CONN_GENESYS_DEFAULT", json.dumps(CONNECTION))
    return Desk(ledger(), capsys)


def attempt(number: int = 0, status: str = "submitted", job_id: str | None = "job-1", **rest: Any) -> Attempt:
    return Attempt(number, rest.pop("generation", 0), AttemptStatus(status), job_id, **rest)


ARCHIVED, FAILED, SPLIT = RequestState.ARCHIVED, RequestState.FAILED, RequestState.SPLIT


def run(*words: str, module: str = "airflow_provider_genesys", **environment: str) -> subprocess.CompletedProcess[str]:
    """Type a command, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", module, *words], capture_output=True, text=True, env={**os.environ, **environment}
    )
