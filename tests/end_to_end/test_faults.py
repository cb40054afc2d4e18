# SPDX-License-Identifier: Apache-2.0
"""Every fault that the simulator knows ends with a whole archive, or with a clear failure and a true receipt."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_genesys.simulator import Fault
from airflow_provider_genesys.simulator.faults import KINDS
from tests.end_to_end import test_faults_of_bulk_jobs as bulk_jobs
from tests.end_to_end import test_faults_of_the_platform as platform
from tests.end_to_end.stage import Stage, assert_archive_is_whole, assert_receipts_are_true

HEALED = [
    Fault("expired_urls"),
    Fault("failed_jobs", times=3),
    Fault("silent_failures"),
    Fault("leaky_error"),
    Fault("slow_jobs", seconds=1.0),
    Fault("unknown_status", seconds=0.5),
    Fault("submit_lost"),
    Fault("submit_error_after"),
    Fault("id_only"),
    Fault("job_id_only"),
    Fault("missing_expires_at"),
    Fault("offset_times"),
    Fault("truncated_body"),
    Fault("wrong_length"),
    Fault("chunked_body", times=None),
    Fault("corrupt_body"),
    Fault("html_body", every=3),
    Fault("empty_body", every=3),
    Fault("storage_errors", every=2, times=2),
    Fault("storage_forbidden", every=5),
    Fault("slow_storage", every=6, seconds=1.0),
    Fault("no_ranges", times=None),
    Fault("changed_object", every=2),
    Fault("truncated_body", route="manifest"),
    Fault("html_body", route="manifest"),
    Fault("server_errors", every=2, times=2),
    Fault("server_errors", status=500),
    Fault("rate_limited", seconds=1),
    Fault("rate_limited", seconds=1, form="date"),
    Fault("dropped_connection"),
    Fault("invalid_json"),
    Fault("revoked_token", every=2, times=2),
    Fault("volume_down"),
    Fault("duplicate_ids", every=3),
]

FAILING = [
    Fault("failed_jobs", times=None),
    Fault("canceled_jobs"),
    Fault("expired_urls", times=None),
    Fault("submit_lost", times=None),
    Fault("forbidden", route="submit", times=None),
    Fault("missing_details", every=4, times=None),
    Fault("extra_details", every=4, times=None),
    Fault("hostile_urls", every=4, times=None),
    Fault("storage_gone", every=4, times=None),
    Fault("storage_forbidden", every=4, times=None),
]

OTHERWISE = {"null_urls", "hostile_ids", "hidden_division", "late_files", "late_recordings"}
"""Each in a test of its own, here and in the modules beside."""

OF_THE_STEPS = {"daily_limits", "details_lost", "stuck_batches"}
"""In the tests of operators and of ``api/``: a day's limit is hours, and their days are too small for a details job."""


def test_no_fault_is_forgotten() -> None:
    of_bulk_jobs = [fault for fault, *_ in bulk_jobs.HEALED]
    cases = [*platform.HEALED, *platform.UNAVAILABLE, *platform.MISSING, *platform.FAILING]
    of_the_platform = [fault for _, fault, *_ in cases]
    tested = {fault.kind for fault in [*HEALED, *FAILING, *of_bulk_jobs, *of_the_platform]}
    assert tested | OTHERWISE | OF_THE_STEPS == KINDS.keys()


@pytest.mark.parametrize("fault", HEALED, ids=lambda fault: f"{fault.kind}-{fault.route or fault.form or ''}")
def test_is_healed(stage: Callable[..., Stage], fault: Fault) -> None:
    world = stage()
    world.fail(fault)

    assert world.run() == "success"

    assert_archive_is_whole(world)


@pytest.mark.parametrize("fault", FAILING, ids=lambda fault: fault.kind)
def test_fails_the_day_with_a_true_receipt(stage: Callable[..., Stage], fault: Fault) -> None:
    world = stage()
    world.fail(fault)

    assert world.run() == "failed"

    assert_receipts_are_true(world)
    report = world.report()
    assert not report["complete"]
    assert report["missing"] or report["errors"]
    assert len(world.simulator.jobs) <= 4


def test_unavailable_recordings_are_reported(stage: Callable[..., Stage]) -> None:
    world = stage()
    world.fail(Fault("null_urls", every=4, times=None))

    assert world.run() == "success"

    assert_receipts_are_true(world)
    assert (world.report()["archived"], world.report()["unavailable"], world.report()["expected"]) == (9, 3, 12)
    assert {line["status"] for line in world.receipts()} == {"archived", "unavailable"}


def test_unavailable_recordings_fail_the_day_where_that_is_wanted(stage: Callable[..., Stage]) -> None:
    world = stage()
    world.fail(Fault("null_urls", every=4, times=None))

    assert world.run(on_unavailable="fail") == "failed"

    assert_receipts_are_true(world)
    assert world.report()["unavailable"] == 3


def test_hostile_ids_stay_inside_the_archive(stage: Callable[..., Stage]) -> None:
    world = stage()
    world.fail(Fault("hostile_ids", every=4, times=None))

    assert world.run() == "success"

    assert_receipts_are_true(world)
    assert world.report()["archived"] == world.report()["expected"] == 12
    assert sum(".." in line["recording_id"] for line in world.receipts()) == 3


def test_a_failed_window_is_begun_afresh_by_force_only(stage: Callable[..., Stage]) -> None:
    world = stage()
    world.fail(Fault("failed_jobs", times=None))
    assert world.run() == "failed"
    assert len(world.simulator.jobs) == 4
    world.fail()

    assert world.run() == "failed"
    assert len(world.simulator.jobs) == 4

    assert world.run(force=True) == "success"
    assert len(world.simulator.jobs) == 5
    assert_archive_is_whole(world)


def test_a_day_without_estimate_is_cut_in_blocks_of_six_hours(stage: Callable[..., Stage]) -> None:
    world = stage()
    world.fail(Fault("volume_down"))

    assert world.run() == "success"

    assert len(world.simulator.jobs) == 4
    assert_archive_is_whole(world)


def test_a_job_that_is_too_large_is_split_in_the_same_task(stage: Callable[..., Stage]) -> None:
    world = stage(volumes={"2024-05-01": 90}, record_limit=30)

    assert world.run() == "success"

    assert len(world.simulator.jobs) == 5
    assert world.report()["windows"] == 4
    assert_archive_is_whole(world)
