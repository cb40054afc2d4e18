# SPDX-License-Identifier: Apache-2.0
"""Jobs that are few at a time, wait to be started, and can be found again: what bulk jobs are to the domain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_genesys.export.entry import AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.errors import LeaseLost, NotYet
from airflow_provider_genesys.export.following import Following, Wait
from airflow_provider_genesys.export.leases import Leases
from airflow_provider_genesys.export.model import ExportRequest
from airflow_provider_genesys.export.pace import Pace
from airflow_provider_genesys.export.submission import Submission
from tests.export.memory.fates import COMPLETES, LOSES_ITS_ANSWER, is_refused
from tests.export.memory.platform import MemoryJob
from tests.export.orchestrator import World, asked, hours

REQUEST = asked()
SLOW = replace(COMPLETES, seconds=3600.0)


@pytest.fixture
def world(world: World) -> World:
    """A platform whose jobs are two at a time."""
    world.api.jobs_at_a_time = 2
    return world


def orchestrator(world: World, owner: str) -> Submission:
    return Submission(world.api, world.ledger, Leases(world.ledger, owner, 300.0), world.clock.sleep)


def job_of(world: World, request: ExportRequest = REQUEST) -> MemoryJob:
    current = world.entry(request).current
    assert current is not None
    assert current.job_id is not None
    return world.api.jobs[current.job_id]


def attempts(world: World, request: ExportRequest = REQUEST) -> list[tuple[int, AttemptStatus, str | None]]:
    return [(one.number, one.status, one.job_id) for one in world.entry(request).attempts]


class Killed(Exception):
    """The process is gone: nothing after this happens."""


# -- orphans ---------------------------------------------------------------------------------------------------------


def test_a_job_whose_answer_was_lost_is_found_and_adopted(world: World, submission: Submission) -> None:
    world.api.fates.append(LOSES_ITS_ANSWER)
    submission.ensure_job(REQUEST)
    assert attempts(world) == [(0, AttemptStatus.SUBMITTED, "job-1")], "no retry was used"
    assert list(world.api.jobs) == ["job-1"]


def test_the_job_of_a_process_that_was_killed_inside_its_post_is_adopted(world: World, submission: Submission) -> None:
    def die() -> None:
        raise Killed

    world.api.in_post = die
    with pytest.raises(Killed):
        submission.ensure_job(REQUEST)
    world.api.in_post = lambda: None
    world.clock.sleep(301.0)
    orchestrator(world, "bob").ensure_job(REQUEST)
    assert attempts(world) == [(0, AttemptStatus.SUBMITTED, "job-1")]
    assert world.api.asked["submit"] == 1


def test_what_was_never_made_is_looked_for_in_vain_and_made(world: World, submission: Submission) -> None:
    world.api.fates.append(replace(LOSES_ITS_ANSWER, makes_job=False))
    submission.ensure_job(REQUEST)
    assert attempts(world) == [(0, AttemptStatus.UNKNOWN, None), (1, AttemptStatus.SUBMITTED, "job-1")]
    assert world.api.asked["orphan"] == 1


def test_nobody_looks_for_an_orphan_where_none_can_be(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    orchestrator(world, "bob").ensure_job(asked(hours(0, 6)))
    assert world.api.asked["orphan"] == 0


def test_a_job_of_the_requests_that_arrived_is_no_orphan(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    entry = submission.leases.hold(REQUEST)
    assert entry.current is not None
    failed = replace(entry.current, status=AttemptStatus.FAILED, error="conversation query timed out")
    submission.leases.save(replace(entry, attempts=(failed,)))
    world.api.fates.append(replace(LOSES_ITS_ANSWER, makes_job=False))
    submission.ensure_job(REQUEST)
    assert attempts(world)[-1] == (2, AttemptStatus.SUBMITTED, "job-2")


# -- slots -----------------------------------------------------------------------------------------------------------


def test_a_third_job_is_not_asked_for_while_two_are_followed(world: World) -> None:
    for owner, request in (("ann", asked(hours(0, 1))), ("bob", asked(hours(1, 2)))):
        orchestrator(world, owner).ensure_job(request)
    with pytest.raises(NotYet, match="waits for one of the organisation's 2 jobs to end"):
        orchestrator(world, "cid").ensure_job(REQUEST)
    assert world.api.asked["submit"] == 2
    assert attempts(world) == [], "waiting is no attempt"
    world.clock.sleep(301.0)
    orchestrator(world, "cid").ensure_job(REQUEST)
    assert attempts(world) == [(0, AttemptStatus.SUBMITTED, "job-3")], "what nobody follows holds nobody up"


def test_a_job_that_the_platform_refuses_for_others_waits_and_costs_no_attempt(
    world: World, submission: Submission
) -> None:
    for number in range(5):
        world.api.fates.append(is_refused(NotYet("an administrator's jobs are under way")))
        with pytest.raises(NotYet):
            submission.ensure_job(REQUEST)
        assert attempts(world) == [(0, AttemptStatus.POSTPONED, None)], number
    submission.ensure_job(REQUEST)
    assert attempts(world) == [(0, AttemptStatus.SUBMITTED, "job-1")]


def test_many_windows_are_exported_two_at_a_time(world: World) -> None:
    world.api.usual_fate = replace(COMPLETES, prepares=30.0, seconds=100.0)
    runs = [(asked(hours(n, n + 1)), world.coordinator(owner=f"run {n}")) for n in range(6)]
    jobs: dict[str, list[str]] = {}
    waited = 0
    while any(request.key not in jobs or world.entry(request).state is RequestState.OPEN for request, _ in runs):
        for request, run in runs:
            if request.key not in jobs:
                try:
                    jobs[request.key] = world.submit_once(run, request)
                except NotYet:
                    waited += 1
                    continue
            if run.follow(jobs[request.key]).wait is Wait.COMPLETED:
                run.retrieve(jobs[request.key])
        world.clock.sleep(15.0)
    assert waited > 6
    assert len(world.api.jobs) == 6, "each has one job, and no attempt was spent on waiting"
    assert all(len(attempts(world, request)) == 1 for request, _ in runs)


# -- a job that is ready ---------------------------------------------------------------------------------------------


def test_a_job_that_is_ready_is_started_once_and_followed_to_its_end(world: World) -> None:
    world.api.fates.append(replace(COMPLETES, prepares=60.0, seconds=600.0))
    assert sum(world.export(REQUEST).values()) == 24
    assert world.api.asked["start"] == 1
    assert world.api.asked["discard"] == 0


def test_a_job_that_is_ready_and_too_large_is_discarded_and_its_window_split(world: World) -> None:
    coordinator = world.coordinator(max_recordings_per_job=10)
    assert sum(world.export(REQUEST, coordinator=coordinator).values()) == 24
    assert world.api.jobs["job-1"].discarded
    assert world.entry(REQUEST).state is RequestState.SPLIT
    assert len(world.api.jobs) == 5
    assert world.api.asked["start"] == 4
    assert not world.api.ready(), "no job is left waiting"


def test_a_window_that_can_not_be_split_is_exported_however_large(world: World) -> None:
    request = asked(hours(0, 0.25))
    world.api.calls |= {f"more-{n}": request.window.start for n in range(20)}
    assert world.export(request, coordinator=world.coordinator(max_recordings_per_job=10)) == {"archived": 21}
    assert world.api.asked["discard"] == 0


def test_a_start_for_which_there_is_no_slot_is_tried_again(world: World) -> None:
    coordinator = world.coordinator()
    job_ids = world.submit(coordinator, REQUEST)
    for number in range(2):
        world.api.submit(asked(hours(number, number + 1)))
        world.api.start(f"job-{number + 2}")
        world.api.jobs[f"job-{number + 2}"].fate = SLOW
    world.clock.sleep(60.0)
    assert coordinator.follow(job_ids).wait is Wait.RUNNING
    assert job_of(world).started_at is None
    world.wait(coordinator, job_ids)
    assert job_of(world).started_at is not None
    assert attempts(world) == [(0, AttemptStatus.COMPLETED, "job-1")]


def test_who_dies_after_a_start_has_not_started_twice(world: World) -> None:
    coordinator = world.coordinator()
    job_ids = world.submit(coordinator, REQUEST)
    world.clock.sleep(30.0)
    coordinator.follow(job_ids)
    world.wait(world.coordinator(), job_ids)
    assert world.api.asked["start"] == 1


def test_who_dies_before_a_discard_has_split_the_window_all_the_same(world: World) -> None:
    def die(job_id: str) -> None:
        raise LeaseLost("as good as dead")

    coordinator = world.coordinator(max_recordings_per_job=10)
    job_ids = world.submit(coordinator, REQUEST)
    world.clock.sleep(30.0)
    discard, world.api.discard = world.api.discard, die  # type: ignore[method-assign]
    coordinator.follow(job_ids)
    world.api.discard = discard  # type: ignore[method-assign]
    assert attempts(world) == [(0, AttemptStatus.FAILED, "job-1")]
    assert world.retrieve(coordinator, world.wait(coordinator, job_ids)) == {"archived": 24}
    assert world.api.jobs["job-1"].started_at is None, "it exported nothing"


def test_a_ready_job_is_running_to_whoever_only_reads(world: World) -> None:
    submission = orchestrator(world, "ann")
    submission.ensure_job(REQUEST)
    following = Following(world.api, world.ledger, submission.leases, Pace())
    entry: Entry = submission.leases.hold(REQUEST)
    polled, job = following.poll(entry)
    assert (job.word, job.size) == ("ready", 24)
    assert polled.current is not None
    assert polled.current.status is AttemptStatus.SUBMITTED
