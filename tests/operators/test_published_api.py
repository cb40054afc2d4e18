# SPDX-License-Identifier: Apache-2.0
"""The operators over the published API: several jobs a window, none for an empty one, and waits of hours."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_genesys.operators.recordings import (
    PlanExportOperator,
    ReconcileExportOperator,
    RetrieveRecordingsOperator,
)
from airflow_provider_genesys.sensors.recordings import ExportJobSensor
from airflow_provider_genesys.simulator import Fault
from airflow_provider_genesys.versions import DateTimeTrigger
from tests.rig import PACE, WINDOW, Rig, context_of, deferral, resumed, run

Build = Callable[..., Rig]


@pytest.fixture
def batch(rig: Build) -> Build:
    """A rig whose organisation has the published API."""

    def build(**universe: Any) -> Rig:
        platform = rig(**universe)
        platform.speak("batch")
        return platform

    return build


def submitting(platform: Rig, **arguments: Any) -> Any:
    return platform.submitting(media_format=None, **arguments)


def retrieving(platform: Rig, job_ids: Any) -> RetrieveRecordingsOperator:
    return RetrieveRecordingsOperator(task_id="retrieve", job_ids=job_ids, destination=platform.destination, **PACE)


def planning(**arguments: Any) -> PlanExportOperator:
    return PlanExportOperator(task_id="plan", settle_minutes=0, timezone="UTC", **{**PACE, **arguments})


def test_a_window_has_a_job_for_every_hundred_conversations_and_one_receipt(batch: Build) -> None:
    platform = batch(volumes={"2024-05-01": 120})
    context = context_of()
    job_ids = submitting(platform).execute(context)
    assert job_ids == [one.batch_id for one in platform.simulator.batches]
    assert [len(one.asked) for one in platform.simulator.batches] == [100, 20]
    sensor = ExportJobSensor(task_id="wait", job_ids=job_ids, deferrable=True, **PACE)
    assert run(sensor, context) == job_ids
    counts = run(retrieving(platform, job_ids), context)
    assert counts.keys() == {"archived"}
    (receipt,) = (platform.archive / "receipts").iterdir()
    assert len(receipt.read_text().splitlines()) == counts["archived"]
    reconcile = ReconcileExportOperator(task_id="reconcile", windows=[WINDOW], destination=platform.destination, **PACE)
    assert run(reconcile, context)["complete"] is True


def test_a_window_without_recordings_has_no_job_and_is_archived(batch: Build) -> None:
    platform = batch(volumes={"2024-05-01": 0})
    context = context_of()
    assert submitting(platform).execute(context) == []
    assert run(ExportJobSensor(task_id="wait", job_ids=[], deferrable=True, **PACE), context) == []
    assert run(retrieving(platform, []), context) == {}
    (receipt,) = (platform.archive / "receipts").iterdir()
    assert receipt.read_bytes() == b""


@pytest.mark.parametrize("media_format", [None, "original"])
def test_what_was_recorded_is_kept_as_it_is_unless_a_format_is_said(batch: Build, media_format: str | None) -> None:
    platform = batch()
    job_ids = platform.submitting(media_format=media_format).execute(context_of())
    assert job_ids == [one.batch_id for one in platform.simulator.batches]


def test_mp3_makes_no_job_at_the_platform(batch: Build) -> None:
    platform = batch()
    context = context_of()
    job_ids = platform.submitting(media_format="mp3").execute(context)
    assert len(job_ids) == 1
    assert job_ids[0].startswith("conversations-")
    run(ExportJobSensor(task_id="wait", job_ids=job_ids, deferrable=True, **PACE), context)
    run(retrieving(platform, job_ids), context)
    assert platform.simulator.batches == ()
    assert {one.suffix for one in (platform.archive / "recordings").iterdir()} == {".mp3"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"filters": {"queue": "claims"}}, "filters has 'queue': the published API's are queueId"),
        ({"filters": {"action": "DELETE"}}, "filters has 'action'"),
        ({"media": ["video"]}, "media must be one or more of audio"),
        ({"media": ["screen"], "media_format": "mp3"}, "one of audio alone"),
    ],
)
def test_nonsense_is_refused_before_any_request(batch: Build, arguments: dict[str, Any], complaint: str) -> None:
    platform = batch()
    for task in (platform.submitting(**{"media_format": None, **arguments}), planning(**arguments)):
        with pytest.raises(AirflowFailException, match=complaint):
            task.execute(context_of())
    assert platform.asked_for() == {}


@pytest.mark.parametrize(("include_numbers", "digits"), [(False, 2), (True, 11)])
def test_numbers_are_masked_in_receipts_unless_the_connection_says_otherwise(
    batch: Build, include_numbers: bool, digits: int
) -> None:
    platform = batch()
    platform._connect(include_numbers=include_numbers)
    context = context_of()
    job_ids = submitting(platform).execute(context)
    run(retrieving(platform, run(ExportJobSensor(task_id="w", job_ids=job_ids, **PACE), context)), context)
    (receipt,) = (platform.archive / "receipts").iterdir()
    for line in receipt.read_text().splitlines():
        metadata = json.loads(line)["metadata"]
        assert sum(one.isdigit() for one in metadata["ani"]) == digits


# -- waits of hours --------------------------------------------------------------------------------------------------


def hours_of(deferred: Any) -> float:
    assert isinstance(deferred.trigger, DateTimeTrigger)
    assert deferred.method_name == "execute_again"
    return float((deferred.trigger.moment - datetime.now(UTC)).total_seconds() / 3600)


def test_planning_waits_for_a_data_lake_that_trails(batch: Build) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    platform = batch(availability_lag_seconds=90_000)
    context = context_of(start=today - timedelta(days=1), end=today)
    deferred = deferral(lambda: planning().execute(context))
    assert 0.05 < hours_of(deferred) <= 1.0
    assert set(platform.asked_for()) == {"token", "availability"}


def test_a_window_whose_data_the_lake_has_not_is_not_submitted(batch: Build) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    platform = batch(availability_lag_seconds=90_000)
    window = {"start": (today - timedelta(days=1)).isoformat(), "end": today.isoformat()}
    deferral(lambda: submitting(platform, window=window).execute(context_of()))
    assert platform.simulator.batches == ()


def test_a_sensor_whose_polls_are_refused_for_hours_is_deferred_until_then(batch: Build) -> None:
    platform = batch()
    context = context_of()
    job_ids = submitting(platform).execute(context)
    platform.simulator.faults = [Fault("daily_limits", route="batch_poll", seconds=7200)]
    sensor = ExportJobSensor(task_id="wait", job_ids=job_ids, deferrable=True, **PACE)
    time.sleep(PACE["poll_interval"])  # then the first poll is due
    deferred = deferral(lambda: sensor.execute(context))
    assert 1.9 < hours_of(deferred) <= 2.0
    assert resumed(sensor, deferred, context, deferred.trigger.moment) == job_ids


def test_a_sensor_in_a_worker_is_deferred_as_well_rather_than_asked_again(batch: Build) -> None:
    platform = batch()
    context = context_of()
    job_ids = submitting(platform).execute(context)
    platform.simulator.faults = [Fault("daily_limits", route="batch_poll", seconds=7200)]
    sensor = ExportJobSensor(task_id="wait", job_ids=job_ids, deferrable=False, **PACE)
    time.sleep(PACE["poll_interval"])
    deferred = deferral(lambda: sensor.poke(context))
    assert 1.9 < hours_of(deferred) <= 2.0
    assert platform.asked_for()["batch_poll"] == 1


@pytest.mark.parametrize("route", ["batch_poll", "details_submit"])
def test_a_retrieval_that_meets_a_limit_of_hours_is_deferred_until_then(batch: Build, route: str) -> None:
    platform = batch()
    context = context_of()
    job_ids = run(ExportJobSensor(task_id="w", job_ids=submitting(platform).execute(context), **PACE), context)
    platform.simulator.faults = [Fault("daily_limits", route=route, seconds=7200)]
    task = retrieving(platform, job_ids)
    deferred = deferral(lambda: task.execute(context))
    assert 1.9 < hours_of(deferred) <= 2.0
    assert resumed(task, deferred, context, deferred.trigger.moment).keys() == {"archived"}
