# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.errors import LeaseLost, NoAccess, Passing, Refused
from airflow_provider_genesys.export.following import Following, Progress, Wait
from airflow_provider_genesys.export.leases import Leases
from airflow_provider_genesys.export.model import SPAN, ExportRequest, JobStatus
from airflow_provider_genesys.export.pace import Pace
from airflow_provider_genesys.export.submission import Submission
from tests.export.memory.fates import COMPLETES, FAILS, FAILS_SILENTLY, IS_CANCELED, Fate
from tests.export.orchestrator import ORGANISATION, World, asked, hours

REQUEST = asked()
LEASE = 300.0


def follower(world: World, owner: str = "ann", polls_per_minute: int = 20) -> Following:
    leases = Leases(world.ledger, owner, LEASE)
    return Following(world.api, world.ledger, leases, Pace(polls_per_minute=polls_per_minute))


def submitted(world: World, *fates: Fate, owner: str = "ann") -> None:
    """Submit a window for each fate: the first hour, the second hour."""
    leases = Leases(world.ledger, owner, LEASE)
    for number, fate in enumerate(fates):
        world.api.fates.append(fate)
        request = asked(hours(number, number + 1)) if len(fates) > 1 else REQUEST
        Submission(world.api, world.ledger, leases, world.clock.sleep).ensure_job(request)


def entries(world: World) -> list[Entry]:
    """As every step of a wait reads them."""
    submission = Submission(world.api, world.ledger, Leases(world.ledger, "reader", LEASE))
    return submission.lookup.entries_of(str(ORGANISATION), list(world.api.jobs))


def polls(world: World) -> int:
    return world.api.asked["job"]


def attempt(world: World) -> Attempt:
    current = world.entry(REQUEST).current
    assert current is not None
    return current


# -- when -----------------------------------------------------------------------------------------------------------


def test_the_first_poll_comes_after_the_base_delay_and_not_before(world: World) -> None:
    submitted(world, COMPLETES)
    following = follower(world)
    assert following.step(entries(world)) == Progress(Wait.RUNNING, 15.0)
    world.clock.sleep(14.9)
    assert following.step(entries(world)).wait is Wait.RUNNING
    assert polls(world) == 0
    world.clock.sleep(0.1)
    assert following.step(entries(world)) == Progress(Wait.COMPLETED)
    assert polls(world) == 1


def test_polls_back_off_up_to_the_longest_delay(world: World) -> None:
    submitted(world, replace(COMPLETES, seconds=5000.0))
    following, times = follower(world), [world.clock()]
    while (progress := following.step(entries(world))).wait is Wait.RUNNING:
        if len(times) <= polls(world):
            times.append(world.clock())
        world.clock.sleep(progress.seconds)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps[0] == 15.0
    assert all(15.0 <= gap <= 180.0 for gap in gaps)
    assert all(gap <= 15.0 * 2**number for number, gap in enumerate(gaps))
    assert max(gaps) > 120.0
    assert 5000 / 180 < polls(world) < 70, "a fixed interval of 15 s would be 333 polls"


def test_a_restarted_wait_goes_on_where_the_last_one_was(world: World) -> None:
    submitted(world, replace(COMPLETES, seconds=500.0))
    world.clock.sleep(15.0)
    first = follower(world).step(entries(world))
    again = follower(world).step(entries(world))
    assert polls(world) == 1
    assert again == first
    assert again.seconds > 0
    assert attempt(world).polls == 1


def test_a_wait_looks_in_often_enough_to_keep_its_lease(world: World) -> None:
    submitted(world, replace(COMPLETES, seconds=500.0))
    following = Following(world.api, world.ledger, Leases(world.ledger, "ann", 30.0), Pace(poll_interval=100.0))
    assert following.step(entries(world)) == Progress(Wait.RUNNING, 10.0)
    assert world.entry(REQUEST).held_until == world.clock() + 30.0


def test_a_poll_that_the_budget_does_not_grant_is_not_made(world: World) -> None:
    submitted(world, COMPLETES)
    world.clock.sleep(15.0)
    assert world.ledger.reserve(str(ORGANISATION), "polls", 1).granted
    following = follower(world, polls_per_minute=1)
    progress = following.step(entries(world))
    assert (progress.wait, polls(world)) == (Wait.RUNNING, 0)
    assert 0 < progress.seconds <= SPAN
    world.clock.sleep(progress.seconds)
    assert following.step(entries(world)).wait is Wait.COMPLETED


def test_many_jobs_never_exceed_the_organisations_budget(world: World) -> None:
    submitted(world, *[replace(COMPLETES, seconds=90.0)] * 12)
    following, made = follower(world, polls_per_minute=5), list[tuple[float, int]]()
    while (progress := following.step(entries(world))).wait is Wait.RUNNING:
        made.append((world.clock(), polls(world)))
        world.clock.sleep(progress.seconds)
    for now, count in made:
        before = max((n for time, n in made if time <= now - 60.0), default=0)
        assert count - before <= 5
    assert polls(world) >= 12


def test_a_poll_is_reserved_ahead_and_made_in_its_slot(world: World) -> None:
    submitted(world, COMPLETES)
    world.clock.sleep(15.0)
    assert world.ledger.reserve(str(ORGANISATION), "polls", 1).granted
    following = follower(world, polls_per_minute=1)
    world.clock.sleep(SPAN - 40.0)
    assert following.step(entries(world), ahead=60.0) == Progress(Wait.RUNNING, 40.0, reserved=True)
    world.clock.sleep(30.0)
    assert following.step(entries(world), ahead=60.0) == Progress(Wait.RUNNING, 10.0, reserved=True)
    assert not world.ledger.reserve(str(ORGANISATION), "polls", 1, within=60.0).granted, "taken once, and only once"
    world.clock.sleep(10.0)
    assert following.step(entries(world), ahead=60.0) == Progress(Wait.COMPLETED)


def test_a_slot_that_was_missed_is_given_up(world: World) -> None:
    submitted(world, COMPLETES)
    world.clock.sleep(15.0)
    assert world.ledger.reserve(str(ORGANISATION), "polls", 1).granted
    world.clock.sleep(SPAN - 40.0)
    following = follower(world, polls_per_minute=1)
    following.step(entries(world), ahead=60.0)
    world.clock.sleep(45.0)
    progress = following.step(entries(world), ahead=60.0)
    assert (progress, polls(world)) == (Progress(Wait.RUNNING, SPAN - 5.0, reserved=True), 0)


def test_the_likelier_job_may_reserve_further_ahead(world: World) -> None:
    submitted(world, replace(COMPLETES, seconds=1000.0), COMPLETES)
    following = follower(world, polls_per_minute=1)
    world.clock.sleep(15.0)
    known = entries(world)
    following.step(known[:1], ahead=60.0)  # polled, and running: not likely to be done soon
    assert polls(world) == 1
    world.clock.sleep(30.0)
    older = following.step(known[:1], ahead=60.0)
    never_polled = following.step(known[1:], ahead=60.0)
    assert (older.reserved, never_polled.reserved) == (False, True)


def test_who_finds_everything_reserved_comes_back_while_it_lasts(world: World) -> None:
    submitted(world, COMPLETES, COMPLETES, COMPLETES)
    world.clock.sleep(15.0)
    following, known = follower(world, polls_per_minute=1), entries(world)
    following.step(known[:1], ahead=2 * SPAN)
    following.step(known[1:2], ahead=2 * SPAN)
    following.step(known[2:], ahead=SPAN)
    backs = {following.step(known[2:], ahead=SPAN).seconds for _ in range(50)}
    assert len(backs) > 10, "not all at one moment"
    assert all(SPAN <= back <= 2 * SPAN for back in backs)


def test_the_first_poll_is_learned_from_jobs_of_the_same_size(world: World) -> None:
    submitted(world, COMPLETES)
    for seconds in (100.0, 110.0, 120.0, 130.0, 140.0):
        world.ledger.record_duration(str(ORGANISATION), 24, seconds)
        world.ledger.record_duration(str(ORGANISATION), 5000, 1800.0)
    world.ledger.record_volume(REQUEST.selection_key, REQUEST.window, 24)
    following = follower(world)
    assert following.step(entries(world)) == Progress(Wait.RUNNING, LEASE / 3)
    world.clock.sleep(129.9)
    following.step(entries(world))
    assert polls(world) == 0
    world.clock.sleep(0.2)
    assert following.step(entries(world)) == Progress(Wait.COMPLETED)
    assert polls(world) == 1


def test_a_job_of_unknown_size_is_polled_after_the_base_delay(world: World) -> None:
    submitted(world, COMPLETES)
    for _ in range(9):
        world.ledger.record_duration(str(ORGANISATION), 24, 100.0)
    assert follower(world).step(entries(world)) == Progress(Wait.RUNNING, 15.0)


def test_what_a_job_took_is_remembered_once(world: World) -> None:
    submitted(world, COMPLETES)
    world.clock.sleep(15.0)
    following = follower(world)
    following.step(entries(world))
    following.step(entries(world))
    following.poll(following.leases.hold(REQUEST))
    assert list(world.ledger.durations(str(ORGANISATION))) == [(24, 7.5)]


def test_a_poll_that_comes_hours_late_teaches_nothing(world: World) -> None:
    submitted(world, COMPLETES)
    world.clock.sleep(7200.0)
    assert follower(world).step(entries(world)) == Progress(Wait.COMPLETED)
    assert list(world.ledger.durations(str(ORGANISATION))) == []


# -- who -------------------------------------------------------------------------------------------------------------


def test_whoever_does_not_hold_the_window_never_polls(world: World) -> None:
    submitted(world, COMPLETES)
    bob = follower(world, "bob")
    for _ in range(19):
        world.clock.sleep(15.0)
        assert bob.step(entries(world)) == Progress(Wait.RUNNING, 15.0)
    assert polls(world) == 0


def test_a_window_is_taken_over_when_its_lease_ran_out(world: World) -> None:
    submitted(world, COMPLETES)
    bob = follower(world, "bob")
    world.clock.sleep(LEASE - 0.5)
    assert bob.step(entries(world)) == Progress(Wait.RUNNING, 0.5)
    world.clock.sleep(0.5)
    assert bob.step(entries(world)) == Progress(Wait.COMPLETED)
    assert world.entry(REQUEST).held_by == "bob"


def test_a_job_that_another_saw_complete_is_complete(world: World) -> None:
    submitted(world, COMPLETES)
    world.clock.sleep(15.0)
    follower(world).step(entries(world))
    assert follower(world, "bob").step(entries(world)) == Progress(Wait.COMPLETED)
    assert polls(world) == 1


def test_a_window_that_another_archived_is_done(world: World) -> None:
    submitted(world, COMPLETES)
    leases = Leases(world.ledger, "ann", LEASE)
    leases.save(replace(leases.hold(REQUEST), state=RequestState.ARCHIVED))
    assert follower(world, "bob").step(entries(world)) == Progress(Wait.COMPLETED)


@pytest.mark.parametrize("status", [AttemptStatus.FAILED, AttemptStatus.EXPIRED, AttemptStatus.UNKNOWN])
def test_a_bad_end_is_the_holders_to_mend_until_its_lease_runs_out(world: World, status: AttemptStatus) -> None:
    submitted(world, COMPLETES)
    leases = Leases(world.ledger, "ann", LEASE)
    entry = leases.hold(REQUEST)
    leases.save(replace(entry, attempts=(replace(attempt(world), status=status),)))
    assert follower(world, "ann").step(entries(world)) == Progress(Wait.ATTENTION)
    assert follower(world, "bob").step(entries(world)) == Progress(Wait.RUNNING, 15.0)
    world.clock.sleep(LEASE)
    assert follower(world, "bob").step(entries(world)) == Progress(Wait.ATTENTION)


def test_a_submission_under_way_is_waited_for_even_by_its_own_orchestrator(world: World) -> None:
    submitted(world, COMPLETES)
    leases = Leases(world.ledger, "ann", LEASE)
    entry = leases.hold(REQUEST)
    second = Attempt(1, 0, AttemptStatus.SUBMITTING)
    leases.save(replace(entry, attempts=(*entry.attempts, second)), exclusive=True)
    for owner in ("ann", "bob"):
        assert follower(world, owner).step(entries(world)) == Progress(Wait.RUNNING, 15.0)
    world.clock.sleep(LEASE)
    assert follower(world, "ann").step(entries(world)) == Progress(Wait.ATTENTION)


def test_a_window_that_another_has_archived_meanwhile_is_not_kept_from_anybody(world: World) -> None:
    submitted(world, COMPLETES)
    following, seen = follower(world), entries(world)
    following.step(seen)
    world.clock.sleep(LEASE)
    bob = Leases(world.ledger, "bob", LEASE)
    entry = bob.hold(REQUEST)
    ended = tuple(replace(one, status=AttemptStatus.COMPLETED) for one in entry.attempts)
    bob.release(bob.save(replace(entry, attempts=ended, state=RequestState.ARCHIVED)))
    assert following.step(seen) == Progress(Wait.RUNNING)
    assert following.step(entries(world)) == Progress(Wait.COMPLETED)
    assert world.entry(REQUEST).held_by == ""


def test_a_lease_that_is_lost_during_a_poll_keeps_the_answer_out_of_the_ledger(world: World) -> None:
    submitted(world, COMPLETES)
    world.clock.sleep(15.0)
    following, known = follower(world), entries(world)
    job = world.api.job

    def slow_job(request: ExportRequest, job_id: str) -> object:
        world.clock.sleep(LEASE + 1)
        Leases(world.ledger, "bob", LEASE).hold(REQUEST)
        return job(request, job_id)

    world.api.job = slow_job  # type: ignore[method-assign, assignment]
    assert following.step(known).wait is Wait.RUNNING
    assert attempt(world).status is AttemptStatus.SUBMITTED


def test_a_job_that_was_replaced_meanwhile_is_not_polled(world: World) -> None:
    submitted(world, COMPLETES)
    known = entries(world)
    leases = Leases(world.ledger, "ann", LEASE)
    entry = leases.hold(REQUEST)
    leases.save(replace(entry, attempts=(*entry.attempts, Attempt(1, 0, AttemptStatus.SUBMITTED, "job-2"))))
    world.clock.sleep(15.0)
    assert follower(world).step(known).wait is Wait.RUNNING
    assert polls(world) == 0


# -- what a poll says ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fate", "status", "error"),
    [
        (FAILS, AttemptStatus.FAILED, "worker aborted"),
        (FAILS_SILENTLY, AttemptStatus.FAILED, ""),
        (IS_CANCELED, AttemptStatus.CANCELED, "canceled by an administrator"),
    ],
)
def test_a_bad_end_asks_for_attention_at_once_and_is_kept_in_the_platforms_words(
    world: World, fate: Fate, status: AttemptStatus, error: str
) -> None:
    submitted(world, fate)
    world.clock.sleep(15.0)
    assert follower(world).step(entries(world)) == Progress(Wait.ATTENTION)
    known = attempt(world)
    assert (known.status, known.error, known.polls, known.ended_at) == (status, error, 1, world.clock())


def test_a_completed_job_is_kept_with_what_it_holds_and_when_it_ends(world: World) -> None:
    submitted(world, COMPLETES)
    world.clock.sleep(15.0)
    follower(world).step(entries(world))
    known = attempt(world)
    assert (known.status, known.recordings) == (AttemptStatus.COMPLETED, 24)
    assert known.expires_at == world.api.jobs["job-1"].expires_at


def test_a_job_that_the_platform_forgot_asks_for_attention(world: World) -> None:
    submitted(world, COMPLETES)
    world.clock.sleep(15.0)
    known = entries(world)
    world.api.vanish("job-1")
    assert follower(world).step(known) == Progress(Wait.ATTENTION)
    assert attempt(world).error == "Recording job job-1 not found."


def test_an_unknown_status_is_waited_out(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    submitted(world, replace(COMPLETES, seconds=40.0, until_then="transcoding"))
    following = follower(world)
    world.clock.sleep(15.0)
    assert following.step(entries(world)).wait is Wait.RUNNING
    assert "job-1 is transcoding" in caplog.text
    world.clock.sleep(180.0)
    assert following.step(entries(world)).wait is Wait.COMPLETED


@pytest.mark.parametrize(("retry_after", "seconds"), [(None, 15.0), (3.0, 15.0), (90.0, 90.0)])
def test_a_passing_fault_stays_inside(world: World, retry_after: float | None, seconds: float) -> None:
    submitted(world, COMPLETES)
    world.clock.sleep(15.0)
    world.api.poll_faults.append(Passing("503", retry_after))
    following = follower(world)
    assert following.step(entries(world)) == Progress(Wait.RUNNING, seconds)
    assert attempt(world).polls == 0
    world.clock.sleep(seconds)
    assert following.step(entries(world)) == Progress(Wait.COMPLETED)


@pytest.mark.parametrize("error", [Refused("403: the permission is missing"), NoAccess("login was refused")])
def test_a_final_no_is_raised(world: World, error: Refused) -> None:
    submitted(world, COMPLETES)
    world.clock.sleep(15.0)
    world.api.poll_faults.append(error)
    with pytest.raises(type(error), match=str(error)):
        follower(world).step(entries(world))


def test_jobs_are_done_together_and_fail_alone(world: World) -> None:
    submitted(world, COMPLETES, replace(COMPLETES, seconds=60.0), replace(FAILS, seconds=100.0))
    following = follower(world)
    world.clock.sleep(15.0)
    progress = following.step(entries(world))
    assert (progress.wait, polls(world)) == (Wait.RUNNING, 3)
    world.clock.sleep(70.0)
    assert following.step(entries(world)).wait is Wait.RUNNING
    world.clock.sleep(180.0)
    assert following.step(entries(world)) == Progress(Wait.ATTENTION)


def test_a_poll_of_what_has_no_job_is_refused(world: World) -> None:
    entry = Leases(world.ledger, "ann", LEASE).hold(REQUEST)
    with pytest.raises(LeaseLost, match="has no job to poll"):
        follower(world).poll(entry)


def test_a_later_poll_of_a_completed_job_keeps_the_time_of_its_end(world: World) -> None:
    submitted(world, COMPLETES)
    world.clock.sleep(15.0)
    following = follower(world)
    following.step(entries(world))
    ended_at = attempt(world).ended_at
    world.clock.sleep(60.0)
    _, job = following.poll(following.leases.hold(REQUEST))
    assert job.status is JobStatus.COMPLETED
    assert (attempt(world).ended_at, attempt(world).polls) == (ended_at, 2)
