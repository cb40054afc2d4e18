# SPDX-License-Identifier: Apache-2.0
"""Backfills as people make them, by the command of each Airflow."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from typing import NamedTuple

from airflow_provider_genesys.versions import IS_AIRFLOW_3
from dev.stack.dotenv import ROOT
from tests.stack.view import DAG, View

COMMAND_SECONDS = 120
WINDOWS_OF_A_DAY = 4
BESIDE = timedelta(days=3)
"""What a run by hand covers on Airflow 2, for the scheduler and the workers: the backfill's command needs neither."""

ALONE = {"AIRFLOW__CORE__EXECUTOR": "SequentialExecutor", "GENESYS_EXPORT_MAX_RECORDINGS_PER_JOB": "5000"}
"""The command with an executor of its own, since it hangs with Celery's; a day is one window, since it is slow."""


class Interval(NamedTuple):
    """What a run exports, in how many windows."""

    start: datetime
    end: datetime
    windows: int


def days(start: datetime, count: int, windows: int) -> list[Interval]:
    """Days in a row."""
    starts = [start + timedelta(days=day) for day in range(count)]
    return [Interval(each, each + timedelta(days=1), windows) for each in starts]


def begin(view: View, start: datetime, count: int) -> list[Interval]:
    """Begin a backfill of days; on Airflow 2 also a run by hand of those that follow.

    Airflow 2's command does the scheduler's work itself. It ends with its database, and is called again then.

    :return: what will have been exported.
    """
    first, last = (f"{day:%Y-%m-%d}" for day in (start, start + timedelta(days=count - 1)))
    if IS_AIRFLOW_3:
        dates = ("--from-date", first, "--to-date", last)
        _airflow(view, "backfill", "create", "--dag-id", DAG, "--max-active-runs", "3", *dates)
        return days(start, count, WINDOWS_OF_A_DAY)
    end = start + timedelta(days=count)
    beside = Interval(end, end + BESIDE, BESIDE.days * WINDOWS_OF_A_DAY)
    conf = {"start": beside.start.isoformat(), "end": beside.end.isoformat()}
    _airflow(view, "dags", "trigger", "--conf", json.dumps(conf), DAG)
    view.system.run("backfill", f"airflow dags backfill --start-date {first} --end-date {last} {DAG}", ALONE)
    return [*days(start, count, 1), beside]


def has_ended(view: View) -> bool:
    """Whether the command has, and every run of the DAG."""
    command = view.system.processes.get("backfill")
    return all(run.state in ("success", "failed") for run in view.runs()) and (command is None or command.poll() == 0)


def _airflow(view: View, *words: str) -> None:
    """A command that must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *words],
        env=view.system.environment(),
        cwd=ROOT,
        capture_output=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode()[-3000:] + done.stderr.decode()[-3000:]
