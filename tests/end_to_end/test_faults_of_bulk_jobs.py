# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with bulk jobs ends with a whole archive, or with a clear failure and a true receipt."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from airflow_provider_genesys.simulator import Fault
from tests.end_to_end.stage import Stage, assert_archive_is_whole, assert_receipts_are_true
from tests.end_to_end.ways import BULK
from tests.waiting import until

HEALED = [
    (Fault("bulk_lost"), 1),
    (Fault("bulk_failed", message="the bucket could not be reached"), 2),
    (Fault("bulk_failed"), 5),
    (Fault("late_delivery", seconds=4.0), 1),
    (Fault("failed_details"), 4),
    (Fault("rate_limited", form="absent", seconds=1, times=2), 1),
    (Fault("revoked_token", every=2, times=3), 1),
    (Fault("server_errors", every=3, times=3, route="bulk_poll"), 1),
    (Fault("dropped_connection", route="bulk_execute"), 1),
    (Fault("invalid_json", route="bulk_submit"), 1),
    (Fault("forbidden", route="queues", times=None), 1),
]


@pytest.mark.parametrize(("fault", "jobs"), HEALED, ids=lambda value: getattr(value, "kind", ""))
def test_is_healed(stage: Callable[..., Stage], fault: Fault, jobs: int) -> None:
    world = stage(BULK, volumes={"2024-05-01": 24})
    world.fail(fault)

    assert world.run() == "success"

    assert_archive_is_whole(world)
    assert world.jobs == jobs, "not one surplus job; without an estimate a day is cut in four"


@pytest.mark.parametrize("route", ["bulk_submit", "bulk_execute", "bulk_poll"])
def test_a_permission_that_is_missing_fails_the_day_and_exports_nothing(
    stage: Callable[..., Stage], route: str
) -> None:
    world = stage(BULK)
    world.fail(Fault("forbidden", route=route, times=None))

    assert world.run() == "failed"

    assert not world.report()["complete"]
    assert world.jobs <= 1


def test_the_jobs_of_administrators_are_waited_for(stage: Callable[..., Stage]) -> None:
    world = stage(BULK, foreign_bulk_jobs=2, foreign_bulk_seconds=8.0)

    assert world.run() == "success"

    assert_archive_is_whole(world)
    assert world.jobs == 1


def test_what_was_exported_into_another_bucket_is_named_with_its_date(stage: Callable[..., Stage]) -> None:
    world = stage(BULK)
    assert world.run() == "success"
    for name in world.files():
        (world.archive / name).unlink()

    assert world.run(force=True) == "success"

    report = world.report()
    assert (report["archived"], report["unavailable"]) == (0, report["expected"])
    assert all("it was exported before, on 20" in line["reason"] for line in world.receipts())


def test_files_that_come_when_the_day_is_done_are_taken_in_by_the_next_run(stage: Callable[..., Stage]) -> None:
    ahead = [0.0]
    world = stage(BULK, clock=lambda: time.time() + ahead[0], volumes={"2024-05-01": 24})
    world.fail(Fault("late_files", seconds=3600.0))
    assert world.run() == "success"
    assert_receipts_are_true(world)
    assert world.report()["complete"], "what nobody announced is not missed"
    on_time = world.report()["archived"]
    assert on_time < len(world.sources())

    ahead[0] = 3600.0
    until(lambda: len(list(world.archive.rglob("day=01/*/*/*.ogg"))) == len(world.sources()))
    assert world.run() == "success"

    assert_archive_is_whole(world)
    assert world.jobs == 1


def test_a_job_that_counts_too_many_is_discarded_and_its_window_split(stage: Callable[..., Stage]) -> None:
    """The estimate counts conversations, the job recordings."""
    world = stage(BULK, volumes={"2024-05-01": 40})

    assert world.run(max_recordings_per_job=41) == "success"

    assert_archive_is_whole(world)
    assert (world.report()["windows"], world.jobs) == (4, 5)
