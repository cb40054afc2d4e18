# SPDX-License-Identifier: Apache-2.0
"""Whatever goes wrong on the way, every recording comes in the end, or what is lost is named."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from airflow_provider_genesys.export.coordinator import Pending
from airflow_provider_genesys.export.errors import ExportFailed, Passing, Refused, UrlsExpired
from tests.export.memory.fates import COMPLETES, FAILS, FAILS_SILENTLY, IS_CANCELED, LOSES_ITS_ANSWER, SLOW, is_too_busy
from tests.export.orchestrator import ALL, DAY, World, asked, calls_made, report_of

REQUEST = asked()


def test_a_failed_job_is_replaced_on_the_way(world: World) -> None:
    world.api.fates.extend([FAILS, FAILS])
    assert world.export(REQUEST) == ALL
    assert report_of(world)["attempts"] == 3
    assert [attempt.replaces for attempt in world.entry(REQUEST).attempts] == [None, "job-1", "job-2"]


def test_a_window_whose_jobs_all_fail_is_lost_and_named_until_force(world: World) -> None:
    world.api.usual_fate = FAILS
    with pytest.raises(ExportFailed, match="force=true"):
        world.export(REQUEST)
    with pytest.raises(ExportFailed, match="force=true"):
        world.export(REQUEST)
    assert world.api.asked["submit"] == 4
    report = world.coordinator().reconcile(REQUEST, [DAY])
    assert not report.is_complete
    assert [str(one) for one in report.missing] == [
        f"window {DAY}: the whole window failed: job job-4 failed: worker aborted"
    ]
    world.api.usual_fate = COMPLETES
    assert world.export(REQUEST, force_run="run 2") == ALL
    assert report_of(world)["complete"]


def test_a_job_that_was_too_large_is_split_and_followed_by_every_later_step(world: World) -> None:
    world.api.fates.append(replace(FAILS_SILENTLY, seconds=48 * 3600.0))
    assert world.export(REQUEST) == ALL
    assert report_of(world) == {
        "expected": 24,
        "archived": 24,
        "unavailable": 0,
        "failed": 0,
        "windows": 4,
        "jobs": 4,
        "attempts": 4,
        "complete": True,
    }
    before = calls_made(world)
    bob = world.coordinator("bob")
    assert bob.submit(REQUEST) == ["job-2", "job-3", "job-4", "job-5"]
    assert world.export(REQUEST, coordinator=bob) == ALL
    assert calls_made(world) == before


def test_one_lost_child_of_a_split_does_not_keep_the_others_waiting(world: World) -> None:
    world.api.fates.append(FAILS_SILENTLY)
    ann = world.coordinator()
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    world.archive.faults["call-7"].append(Refused("404 NoSuchKey"))
    with pytest.raises(ExportFailed, match="call-7"):
        ann.retrieve(job_ids)
    report = world.coordinator().reconcile(REQUEST, [DAY])
    assert (report.archived, report.failed) == (23, 1)


def test_a_failed_child_does_not_keep_a_resubmitted_one_from_being_waited_for(world: World) -> None:
    world.api.fates.append(FAILS_SILENTLY)
    ann = world.coordinator()
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    world.archive.faults["call-1"].append(Refused("404 NoSuchKey"))
    world.archive.faults["call-7"].append(UrlsExpired("403"))
    outcome = ann.retrieve(job_ids)
    assert isinstance(outcome, Pending)
    world.archive.faults["call-1"].append(Refused("404 NoSuchKey"))
    with pytest.raises(ExportFailed, match="call-1"):
        ann.retrieve(world.wait(ann, outcome.job_ids))
    assert len(world.archive.objects) == 23


def test_a_fault_that_may_pass_is_what_a_retry_is_for(world: World) -> None:
    """Of two failures, the one that a retry may mend is raised."""
    world.api.fates.append(FAILS_SILENTLY)
    ann = world.coordinator()
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    world.archive.faults["call-1"].append(Refused("404 NoSuchKey"))
    world.archive.faults["call-7"].extend([Passing("503")] * 3)
    with pytest.raises(Passing, match="call-7"):
        ann.retrieve(job_ids)


def test_lost_answers_and_a_busy_platform_end_with_every_recording(world: World) -> None:
    world.api.fates.extend([is_too_busy(30.0), LOSES_ITS_ANSWER, is_too_busy(), FAILS])
    assert world.export(REQUEST) == ALL
    assert [attempt.number for attempt in world.entry(REQUEST).attempts] == [0, 1, 2]


def test_a_canceled_job_ends_the_wait_and_is_submitted_again_by_whoever_clears_the_submission(world: World) -> None:
    world.api.fates.append(IS_CANCELED)
    with pytest.raises(ExportFailed, match=r"job job-1 .* was canceled .*: canceled by an administrator. Clear"):
        world.export(REQUEST)
    with pytest.raises(ExportFailed, match="was canceled"):
        world.coordinator().retrieve(["job-1"])
    assert world.api.asked["submit"] == 1
    assert world.export(REQUEST) == ALL
    assert world.entry(REQUEST).attempts[-1].reason == "job job-1 was canceled"


def test_a_job_that_vanished_is_replaced(world: World) -> None:
    ann = world.coordinator()
    job_ids = world.submit(ann, REQUEST)
    world.api.vanish("job-1")
    assert world.retrieve(ann, world.wait(ann, job_ids)) == ALL


@pytest.mark.parametrize("lives", [0.0, 299.0])
def test_urls_that_are_dead_on_arrival_are_replaced_within_the_budget(world: World, lives: float) -> None:
    world.api.fates.extend([replace(COMPLETES, lives=lives)] * 3)
    assert world.export(REQUEST) == ALL
    assert report_of(world)["attempts"] == 4
    assert [attempt.reason for attempt in world.entry(REQUEST).attempts][1:] == [
        f"the presigned URLs of job job-{n} expired" for n in (1, 2, 3)
    ]


def test_urls_that_always_die_use_up_the_budget_whatever_is_cleared(world: World) -> None:
    world.api.usual_fate = replace(COMPLETES, lives=10.0)
    for _ in range(3):
        with pytest.raises(ExportFailed, match="presigned URLs of job job-4 expired"):
            world.export(REQUEST)
    assert world.api.asked["submit"] == 4


def test_urls_that_run_out_midway_cost_one_more_job_and_no_recording_twice(world: World) -> None:
    world.archive.faults["call-9"].append(UrlsExpired("storage answered 403"))
    ann = world.coordinator()
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    pending = ann.retrieve(job_ids)
    assert isinstance(pending, Pending)
    assert pending.job_ids == ["job-1", "job-2"]
    assert world.retrieve(ann, world.wait(ann, pending.job_ids)) == ALL
    assert Counter(world.archive.fetched).most_common(2)[0] == ("call-9", 2)
    assert report_of(world)["complete"]


def test_a_retrieval_that_comes_too_early_is_told_to_wait(world: World) -> None:
    world.api.fates.append(SLOW)
    ann = world.coordinator()
    assert ann.retrieve(world.submit(ann, REQUEST)) == Pending(["job-1"])
    assert world.archive.fetched == []


def test_the_retriever_polls_within_the_budget_too(world: World) -> None:
    ann = world.coordinator(polls_per_minute=1)
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    before = world.clock()
    assert ann.retrieve(job_ids) == ALL
    assert world.clock() - before >= 60.0


def test_a_budget_that_is_reserved_for_minutes_ahead_is_not_waited_for_in_a_task(world: World) -> None:
    ann = world.coordinator(polls_per_minute=1)
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    for _ in range(4):
        world.ledger.reserve(str(REQUEST.organisation), "polls", 1, within=1e6)
    with pytest.raises(Passing, match="poll budget is reserved for minutes ahead"):
        ann.retrieve(job_ids)
