# SPDX-License-Identifier: Apache-2.0
"""The steps of an export whose jobs are few at a time, wait to be started, and deliver by themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout

from airflow_provider_genesys.operators.recordings import (
    PlanExportOperator,
    ReconcileExportOperator,
    RetrieveRecordingsOperator,
)
from airflow_provider_genesys.sensors.recordings import ExportJobSensor
from airflow_provider_genesys.simulator import Fault
from airflow_provider_genesys.versions import DateTimeTrigger
from tests.rig import PACE, WINDOW, Rig, context_of, deferral, run
from tests.waiting import until

BULK = {"export_api": "bulk", "integration_id": "simulated-integration"}
QUICK: dict[str, Any] = {
    "details_job_seconds": 0,
    "bulk_pending_seconds": 0.2,
    "bulk_processing_seconds": 0.2,
    "delivery_seconds": 0.2,
}


@pytest.fixture
def bulk(rig: Callable[..., Rig], tmp_path: Path) -> Callable[..., Rig]:
    """Builds a rig whose platform delivers into the archive itself."""

    def build(**universe: Any) -> Rig:
        return rig(extra=BULK, deliver_to=str(tmp_path / "archive"), **{**QUICK, **universe})

    return build


def jobs(platform: Rig) -> list[dict[str, Any]]:
    """What the simulator knows of bulk jobs."""
    found: list[dict[str, Any]] = requests.get(f"{platform.simulator.url}/_simulator/bulk_jobs", timeout=5).json()
    return found


def planning(**arguments: Any) -> PlanExportOperator:
    return PlanExportOperator(task_id="plan", timezone="UTC", settle_minutes=0, **PACE, **arguments)


def waiting(job_ids: list[str], **arguments: Any) -> ExportJobSensor:
    return ExportJobSensor(task_id="wait", job_ids=job_ids, deferrable=True, **PACE, **arguments)


def retrieving(platform: Rig, job_ids: list[str]) -> RetrieveRecordingsOperator:
    return RetrieveRecordingsOperator(task_id="retrieve", job_ids=job_ids, destination=platform.destination, **PACE)


def delivered(platform: Rig) -> set[str]:
    """The keys of the files that have arrived of the day's own recordings."""
    files = platform.archive.rglob("day=01/*/*/*.ogg")
    return {file.relative_to(platform.archive).as_posix() for file in files}


def receipt(platform: Rig) -> list[dict[str, Any]]:
    (file,) = (platform.archive / "receipts").iterdir()
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_day_is_delivered_and_reconciled(bulk: Callable[..., Rig]) -> None:
    platform, context = bulk(), context_of()
    (window,) = planning().execute(context)
    job_ids = run(platform.submitting(window=window, media_format="auto"), context)
    counts = run(retrieving(platform, run(waiting(job_ids), context)), context)
    lines = receipt(platform)
    assert counts == {"archived": len(lines)}
    assert all((platform.archive / line["key"]).stat().st_size == line["size"] for line in lines)
    assert platform.simulator.stats.completed == {}, "nothing was downloaded"
    reconciling = ReconcileExportOperator(
        task_id="reconcile", windows=[window], destination=platform.destination, verify=True, **PACE
    )
    assert run(reconciling, context)["archived"] == len(lines)


def test_a_delivery_is_awaited_without_a_worker_slot(bulk: Callable[..., Rig]) -> None:
    platform, context = bulk(delivery_seconds=6.0), context_of()
    job_ids = run(waiting(run(platform.submitting(media_format="auto"), context)), context)
    task = retrieving(platform, job_ids)
    deferred = deferral(lambda: task.execute(context))
    assert isinstance(deferred.trigger, DateTimeTrigger)
    assert deferred.trigger.moment - datetime.now(UTC) < timedelta(seconds=PACE["max_poll_interval"])
    assert deferred.kwargs is not None
    assert deferred.kwargs["deadline"] > time.time() + 3600
    assert not (platform.archive / "receipts").exists()
    assert run(task, context)["archived"] == len(receipt(platform))


def test_files_that_come_after_the_receipt_are_taken_in_by_the_reconciliation(bulk: Callable[..., Rig]) -> None:
    platform, context = bulk(faults=[Fault("late_files", seconds=4.0)]), context_of()
    job_ids = run(waiting(run(platform.submitting(media_format="auto"), context)), context)
    before, came = run(retrieving(platform, job_ids), context)["archived"], delivered(platform)
    until(lambda: delivered(platform) - came)

    reconciling = ReconcileExportOperator(
        task_id="reconcile", windows=[WINDOW], destination=platform.destination, **PACE
    )
    counts = run(reconciling, context)

    assert counts["archived"] == len(delivered(platform)) > before
    assert {line["key"] for line in receipt(platform)} == delivered(platform)
    assert platform.simulator.stats.bulk_jobs == 1


def test_a_third_job_is_awaited_without_a_worker_slot_and_costs_no_attempt(bulk: Callable[..., Rig]) -> None:
    platform, context = bulk(foreign_bulk_jobs=2, foreign_bulk_seconds=1.5), context_of()
    task = platform.submitting(media_format="auto")
    deferred = deferral(lambda: task.execute(context))
    assert isinstance(deferred.trigger, DateTimeTrigger)
    assert platform.simulator.stats.bulk_jobs == 0
    run(task, context)
    assert platform.simulator.stats.bulk_jobs == 1


def test_a_sensor_that_gives_up_leaves_no_job_ready(bulk: Callable[..., Rig]) -> None:
    platform, context = bulk(), context_of()
    job_ids = run(platform.submitting(media_format="auto"), context)
    time.sleep(0.3)
    timeout = {"job_ids": job_ids, "status": "timeout"}
    with pytest.raises(AirflowSensorTimeout):
        waiting(job_ids).execute_complete(context, timeout)
    assert [job["state"] for job in jobs(platform)] == ["CANCELLED"]


# -- the dry run -----------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_exactly_and_exports_nothing(bulk: Callable[..., Rig]) -> None:
    platform, context = bulk(), context_of()
    (forecast,) = run(planning(dry_run=True), context)
    assert forecast["window"] == WINDOW
    assert forecast["exact"] is True
    assert [job["state"] for job in jobs(platform)] == ["CANCELLED"]
    job_ids = run(waiting(run(platform.submitting(media_format="auto"), context)), context)
    assert platform.simulator.stats.bulk_jobs == 2
    assert jobs(platform)[-1]["exported"] == forecast["recordings"]
    assert job_ids == [jobs(platform)[-1]["id"]]


def test_a_dry_run_waits_for_slots_and_counts_no_window_twice(bulk: Callable[..., Rig]) -> None:
    platform = bulk(volumes={"2024-05-01": 8}, foreign_bulk_jobs=1, foreign_bulk_seconds=600, bulk_pending_seconds=0.0)
    task = planning(dry_run="true", max_recordings_per_job=4)
    counted = run(task, context_of())
    assert len(counted) >= 4
    assert platform.simulator.stats.bulk_jobs == len(counted)


def test_a_dry_run_of_another_api_says_that_it_estimates(rig: Callable[..., Rig]) -> None:
    platform = rig()
    forecast = run(planning(dry_run=True, media_format="mp3"), context_of())
    assert forecast == [{"window": WINDOW, "recordings": 12, "exact": False}]
    assert not platform.simulator.jobs


def test_what_a_dry_run_returns_can_not_be_exported(bulk: Callable[..., Rig]) -> None:
    platform, context = bulk(), context_of()
    (forecast,) = run(planning(dry_run=True), context)
    with pytest.raises(AirflowFailException, match="not a window"):
        platform.submitting(window=forecast, media_format="auto").execute(context)


def test_a_window_that_counts_too_many_is_split(bulk: Callable[..., Rig]) -> None:
    platform, context = bulk(volumes={"2024-05-01": 40}), context_of()
    job_ids = run(platform.submitting(media_format="auto"), context)
    done = run(waiting(job_ids, max_recordings_per_job="20"), context)
    assert len(done) == 4
    assert sum(run(retrieving(platform, done), context).values()) >= 40
    assert [job["state"] for job in jobs(platform)] == ["CANCELLED", *["FULFILLED"] * 4]
