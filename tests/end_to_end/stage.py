# SPDX-License-Identifier: Apache-2.0
"""A simulated organisation, a ledger and an archive for one test, and the DAG between them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_provider_genesys.simulator import Fault, Simulator
from tests.airflow_versions import dag_bag, run_dag
from tests.conftest import ROOT
from tests.end_to_end.ways import Way

DAY = datetime(2024, 5, 1, tzinfo=UTC)
SECRET = "a-client-secret-that-is-easy-to-grep"
FAST = {"poll_interval": 0.1, "max_poll_interval": 0.5, "settle_minutes": 0, "lease_seconds": 5}
QUICK_WORLD: dict[str, Any] = {
    "clients": {"tester": SECRET},
    "job_seconds": 0.1,
    "silent_failure_seconds": 0.1,
    "requests_per_minute": None,
    "polls_per_minute": None,
    "audio_bytes": 6000,
    "batch_seconds": 0.1,
    "details_job_seconds": 0,
    "bulk_pending_seconds": 0.1,
    "bulk_processing_seconds": 0.1,
    "delivery_seconds": 0.1,
}


@dataclass
class Stage:
    """One test's world.

    :param archive: the archive's directory.
    :param way: the API that is spoken, and the format that is asked for.
    :param environment: connections, as Airflow reads them from the environment.
    """

    simulator: Simulator
    archive: Path
    ledger: Path
    way: Way
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, day: datetime = DAY, **params: Any) -> str:
        """Run the DAG for one day in this process, without Airflow's retries; the DAG run's state."""
        return _run("genesys_recordings_export", day + timedelta(days=1), self.conf(params))

    def recheck(self, date: datetime = DAY + timedelta(days=7), **params: Any) -> str:
        """Run the recheck DAG for the day, as :meth:`run` runs the daily one.

        :param date: the run's logical date: a run of its own for each.
        """
        day = {"start": DAY.isoformat(), "end": (DAY + timedelta(days=1)).isoformat()}
        return _run("genesys_recordings_recheck", date, {**self.conf(params), **day})

    def conf(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"destination": self.archive.as_uri(), "media_format": self.way.media_format, **FAST, **params}

    @contextmanager
    def process(self, day: datetime = DAY, **params: Any) -> Iterator[subprocess.Popen[bytes]]:
        """The same run in a process of its own, which may be killed."""
        command = [sys.executable, "-m", "airflow", "dags", "test", "--conf", json.dumps(self.conf(params))]
        date = (day + timedelta(days=1)).strftime("%Y-%m-%d")
        with subprocess.Popen(
            [*command, "genesys_recordings_export", date],
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                kill(process)

    def report(self, day: datetime = DAY) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.archive / f"reports/{_period(day)}.json").read_text())
        return found

    def receipts(self) -> list[dict[str, Any]]:
        files = sorted((self.archive / "receipts").glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def files(self) -> set[str]:
        """Every file below the archive, hidden ones included."""
        return {str(path.relative_to(self.archive)) for path in self.archive.rglob("*") if path.is_file()}

    def sources(self, day: datetime = DAY) -> dict[str, tuple[int, str]]:
        """The truth: size and SHA-256 of every recording of a day, by id, as the platform holds it."""
        return self.way.truth(self.simulator.universe, int(day.timestamp()) // 86_400)

    @property
    def jobs(self) -> int:
        """How many jobs the platform has made."""
        return self.way.jobs(self.simulator)

    def empty(self) -> None:
        """Let somebody remove everything from the archive, but for what the platform has delivered there."""
        for name in self.files():
            if not (self.way.delivers and _is_delivered(name)):
                (self.archive / name).unlink()

    def were_fetched(self, times: int) -> bool:
        """Whether each file was downloaded so often; none ever is that is delivered."""
        return set(self.downloads().values()) == (set() if self.way.delivers else {times})

    def downloads(self) -> Counter[str]:
        return Counter(self.simulator.stats.completed)

    def fail(self, *faults: Fault) -> None:
        self.simulator.faults = faults


def _run(dag_id: str, date: datetime, conf: Mapping[str, Any]) -> str:
    dag = dag_bag(ROOT / "dags").dags[dag_id]
    for task in dag.tasks:
        task.retries = 0
    return str(run_dag(dag, date, conf).state)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for a process and its children."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def assert_receipts_are_true(stage: Stage) -> None:
    """What a receipt calls archived is there, whole, as the platform sent it; nothing else lies in the archive."""
    truth = stage.sources()
    kept = set()
    for line in stage.receipts():
        if line["status"] != "archived":
            assert line["reason"]
            assert not line.get("key")
            continue
        body = (stage.archive / line["key"]).read_bytes()
        kept.add(line["key"])
        digest = hashlib.sha256(body).hexdigest()
        assert (len(body), None if stage.way.delivers else digest) == (line["size"], line["sha256"])
        if line["recording_id"] in truth:
            assert (len(body), digest) == truth[line["recording_id"]]
    documents = ("manifests/", "receipts/", "reports/", "index/")
    recordings = {name for name in stage.files() if not name.startswith(documents)}
    if stage.way.delivers:  # of the day before as well, where a call went on at midnight
        assert all(_is_delivered(name) for name in recordings)
        assert recordings >= kept
    else:
        assert recordings == kept


def assert_archive_is_whole(stage: Stage, day: datetime = DAY) -> None:
    """Every recording of the day is archived, and the report says so."""
    assert_receipts_are_true(stage)
    truth = stage.sources(day)
    assert {line["recording_id"] for line in stage.receipts() if line["status"] == "archived"} == truth.keys()
    report = stage.report(day)
    assert (report["expected"], report["archived"], report["complete"]) == (len(truth), len(truth), True)


def _is_delivered(name: str) -> bool:
    return "/conversation_id=" in name


def _period(day: datetime) -> str:
    return f"{day:%Y%m%dT%H%M%SZ}_{day + timedelta(days=1):%Y%m%dT%H%M%SZ}"
