# SPDX-License-Identifier: Apache-2.0
"""``airflow dags backfill`` over three days on 2.11, with default settings. Airflow 3 needs its scheduler for that."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_genesys.versions import IS_AIRFLOW_3
from tests.end_to_end.stage import FAST, Stage, assert_receipts_are_true

pytestmark = pytest.mark.skipif(IS_AIRFLOW_3, reason="only Airflow 2 backfills by a command that runs the tasks")

FIRST = datetime(2024, 7, 1, tzinfo=UTC)
"""No other test has runs of its days: a backfill leaves those alone that are there."""


def test_three_days_end_green(stage: Callable[..., Stage]) -> None:
    world = stage(volumes={"2024-07-01": 12, "2024-07-02": 0, "2024-07-03": 8})

    done = backfill(world, "2024-07-01", "2024-07-03", GENESYS_EXPORT_MAX_RECORDINGS_PER_JOB="10")

    assert done.returncode == 0, done.stdout.decode()[-3000:]
    reports = [world.report(FIRST + timedelta(days=days)) for days in range(3)]
    assert [report["archived"] for report in reports] == [12, 0, 8]
    assert [report["windows"] for report in reports] == [4, 0, 1]
    assert all(report["complete"] for report in reports)
    assert_receipts_are_true(world)


def test_a_backfill_that_would_hang_fails_at_once(stage: Callable[..., Stage]) -> None:
    world = stage()

    done = backfill(world, "2024-05-11", "2024-05-11", AIRFLOW__SCHEDULER__SCHEDULE_AFTER_TASK_EXECUTION="True")

    assert done.returncode != 0
    assert not world.simulator.stats.requests
    logs = Path(os.environ["AIRFLOW_HOME"]).glob("logs/**/task_id=plan_windows/*.log")
    assert any("SCHEDULE_AFTER_TASK_EXECUTION=False" in log.read_text() for log in logs)


def backfill(world: Stage, start: str, end: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Backfill by the command line, with Airflow's own default executor."""
    params = {f"GENESYS_EXPORT_{name.upper()}": str(value) for name, value in FAST.items()}
    own = {
        "GENESYS_EXPORT_DESTINATION": world.archive.as_uri(),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    dates = ["--start-date", start, "--end-date", end]
    return subprocess.run(
        [sys.executable, "-m", "airflow", "dags", "backfill", *dates, "genesys_recordings_export"],
        env={**os.environ, **params, **own, **environment},
        capture_output=True,
        timeout=480,
        check=False,
    )
