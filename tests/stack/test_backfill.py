# SPDX-License-Identifier: Apache-2.0
"""A backfill of seven days while one part of the system after the other is killed: every recording, once."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_genesys.simulator import universe_from
from tests.end_to_end.ways import GUIDE
from tests.stack.backfills import WINDOWS_OF_A_DAY, Interval, begin, has_ended
from tests.stack.conftest import UNIVERSE
from tests.stack.faults import FAULTS, Fault
from tests.stack.view import View

START = datetime(2024, 5, 1, tzinfo=UTC)
DAYS = 7
SECONDS_TO_END = 900
POLLS_A_MINUTE = 20
RETRIEVED_AT_A_TIME = 4
"""Windows: ``max_active_tis_per_dag`` in the DAG, and one of the backfill's command on Airflow 2."""

FAULTS_IN_RETRIEVALS = 3
"""The worker's, the store's, PostgreSQL's."""

CUT_SUBMISSIONS = 3
"""A worker has four tasks, of which one was in a recording: so many may have died between a POST and its job's id."""


def test_seven_days_are_archived_once_whatever_is_killed(view: View) -> None:
    view.until("the run of the last complete day", lambda: view.tasks("submit_export"))
    wanted = begin(view, START, DAYS)

    for fault in FAULTS:
        _strike(view, fault)
    view.until("the end of the backfill", lambda: has_ended(view), SECONDS_TO_END)

    starts = view.system.starts
    assert {starts[name] for name in ("postgres", "redis", "seaweedfs")} == {2}
    assert min(starts["airflow-scheduler"], starts["airflow-triggerer"]) >= 2
    assert starts["airflow-worker-1"] + starts["airflow-worker-2"] >= 3
    runs = view.runs()
    assert {run.state for run in runs} == {"success"}
    assert {run.start for run in runs if run.kind == "backfill"} == {START + timedelta(days=day) for day in range(DAYS)}
    wanted += [Interval(run.start, run.end, WINDOWS_OF_A_DAY) for run in runs if run.kind == "scheduled"]
    _assert_every_recording_is_archived_once(view, wanted)
    _assert_reports_are_true(view, wanted)
    _assert_little_was_asked_for_again(view, wanted)
    _assert_nothing_secret_is_written_down(view)


def _strike(view: View, fault: Fault) -> None:
    """Do it in the middle of the backfill's work, and see that work goes on."""

    def moment() -> Any:
        return any(run.kind == "backfill" and run.state == "running" for run in view.runs()) and fault.moment(view)

    found = view.until(f"the moment for this: {fault.name}", moment)
    print(f"{datetime.now(UTC):%H:%M:%S} {fault.name}")
    fault.strike(view, found)
    struck = datetime.now(UTC)
    view.until(f"work that began after this: {fault.name}", lambda: view.has_done_something_since(struck))


def _assert_every_recording_is_archived_once(view: View, wanted: list[Interval]) -> None:
    truth = _truth(wanted)
    stored = view.archived("recordings")
    archived = {key.removeprefix("recordings/").removesuffix(".mp3"): body for key, body in stored.items()}
    assert {name: (len(body), hashlib.sha256(body).hexdigest()) for name, body in archived.items()} == truth
    lines = [json.loads(line) for receipt in view.archived("receipts").values() for line in receipt.splitlines()]
    assert sorted(line["key"] for line in lines) == sorted(stored)
    assert {line["recording_id"]: (line["size"], line["sha256"]) for line in lines} == truth
    assert {line["status"] for line in lines} == {"archived"}


def _assert_reports_are_true(view: View, wanted: list[Interval]) -> None:
    reports = {key: json.loads(report) for key, report in view.archived("reports").items()}
    assert reports.keys() == {f"reports/{each.start:%Y%m%dT%H%M%SZ}_{each.end:%Y%m%dT%H%M%SZ}.json" for each in wanted}
    for interval, report in zip(sorted(wanted), [reports[key] for key in sorted(reports)], strict=True):
        calls = UNIVERSE["calls_per_day"] * (interval.end - interval.start).days
        assert {name: report[name] for name in ("expected", "archived", "unavailable", "failed", "windows")} == {
            "expected": calls,
            "archived": calls,
            "unavailable": 0,
            "failed": 0,
            "windows": interval.windows,
        }
        assert (report["complete"], report["missing"], report["errors"]) == (True, [], [])


def _assert_little_was_asked_for_again(view: View, wanted: list[Interval]) -> None:
    stats = view.simulated("stats")
    jobs = Counter((job["dateFrom"], job["dateTo"]) for job in view.simulated("jobs"))
    windows = sum(interval.windows for interval in wanted)
    fetched, polls = Counter(stats["completed"]), stats["requests"]["poll"]
    again = {name for name, times in fetched.items() if times > 1}
    receipts = view.archived("receipts").values()
    hit = sum(any(json.loads(line)["recording_id"] in again for line in each.splitlines()) for each in receipts)
    print(f"{windows} windows, {jobs.total()} jobs, {polls} polls, {stats['rate_limited']} times 429")
    print(f"{fetched.total()} downloads of {len(fetched)} recordings; some of them again in {hit} windows")
    assert stats["rate_limited"] == 0
    assert polls > POLLS_A_MINUTE  # so that the limit was one
    assert len(jobs) == windows
    assert jobs.total() <= windows + CUT_SUBMISSIONS
    assert hit <= RETRIEVED_AT_A_TIME * FAULTS_IN_RETRIEVALS


def _assert_nothing_secret_is_written_down(view: View) -> None:
    """Neither in logs nor in databases; a manifest is the platform's own."""
    issued = {secret for secrets in view.simulated("issued").values() for secret in secrets}
    assert view.system.secrets["GENESYS_CLIENT_SECRET"] in issued
    written = {
        path: set(re.findall(r"[0-9a-f]{32,}", path.read_bytes().decode("latin-1")))
        for path in view.system.home.rglob("*")
        if path.is_file() and "seaweedfs-data" not in path.parts
    }
    assert any(written.values())
    assert not {str(path) for path, words in written.items() if words & issued}


def _truth(wanted: list[Interval]) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of every recording that is wanted, by id, as the platform holds it."""
    universe = universe_from(UNIVERSE)
    truth: dict[str, tuple[int, str]] = {}
    for interval in wanted:
        for day in range(int(interval.start.timestamp()) // 86_400, int(interval.end.timestamp()) // 86_400):
            truth |= GUIDE.truth(universe, day)
    return truth
