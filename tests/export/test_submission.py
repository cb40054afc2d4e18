# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_provider_genesys.export.entry import MAX_RESUBMISSIONS, Attempt, AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.errors import (
    ExportFailed,
    LeaseLost,
    NoAccess,
    OutcomeUnknown,
    Passing,
    Refused,
)
from airflow_provider_genesys.export.leases import Held, Leases
from airflow_provider_genesys.export.model import ExportRequest
from airflow_provider_genesys.export.ports import Submitter
from airflow_provider_genesys.export.submission import Submission
from tests.export.memory.fates import LOSES_ITS_ANSWER, Fate, is_refused, is_too_busy
from tests.export.orchestrator import DAY, World, asked, ended, hours
from tests.ledger.memory import MemoryLedger

REQUEST = asked()


class Died(Exception):
    """The process is gone: nothing after this happens."""


def another_process(world: World, owner: str = "ann") -> Submission:
    return Submission(world.api, world.ledger, Leases(world.ledger, owner, 300.0), world.clock.sleep)


def submitted(outcome: list[Entry] | Held) -> list[Entry]:
    assert isinstance(outcome, list)
    return outcome


class SlowApi(Submitter):
    """A platform that takes longer over a submission than a lease lasts, in real time."""

    def __init__(self) -> None:
        self.jobs = 0
        self.begun = threading.Event()

    def parts(self, request: ExportRequest) -> None:
        return None

    def submit(self, request: ExportRequest) -> str:
        self.jobs += 1
        self.begun.set()
        time.sleep(2.4)
        return f"job-{self.jobs}"


def job_ids(outcome: list[Entry] | Held) -> list[str | None]:
    return [entry.current.job_id if entry.current else None for entry in submitted(outcome)]


# -- one job ---------------------------------------------------------------------------------------------------------


def test_a_request_gets_one_job_whose_id_is_stored(world: World, submission: Submission) -> None:
    assert job_ids(submission.ensure_job(REQUEST)) == ["job-1"]
    (attempt,) = world.entry(REQUEST).attempts
    assert attempt == Attempt(0, 0, AttemptStatus.SUBMITTED, "job-1", submitted_at=world.clock())
    assert world.api.jobs["job-1"].request == REQUEST


@pytest.mark.parametrize("owner", ["ann", "bob"])
@pytest.mark.parametrize("status", [AttemptStatus.SUBMITTED, AttemptStatus.COMPLETED])
def test_whoever_asks_again_gets_the_same_job(
    world: World, submission: Submission, owner: str, status: AttemptStatus
) -> None:
    submission.ensure_job(REQUEST)
    ended(submission, REQUEST, status)
    assert job_ids(submission.ensure_job(REQUEST)) == ["job-1"]
    assert job_ids(another_process(world, owner).ensure_job(REQUEST)) == ["job-1"]
    assert world.api.asked["submit"] == 1


def test_two_requests_get_two_jobs(world: World, submission: Submission) -> None:
    assert job_ids(submission.ensure_job(asked(media_format="wav"))) == ["job-1"]
    assert job_ids(submission.ensure_job(asked(media_format="mp3"))) == ["job-2"]


def test_the_post_is_announced_in_the_ledger_before_it_is_made(world: World, submission: Submission) -> None:
    seen: list[tuple[AttemptStatus | None, bool]] = []

    def look() -> None:
        entry = another_process(world).leases.hold(REQUEST)
        seen.append((entry.current.status if entry.current else None, entry.lease is None))

    world.api.in_post = look
    submission.ensure_job(REQUEST)
    assert seen == [(AttemptStatus.SUBMITTING, True)]


# -- attempts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (AttemptStatus.FAILED, "worker aborted", "job job-1 failed: worker aborted"),
        (AttemptStatus.EXPIRED, "", "the presigned URLs of job job-1 expired"),
        (AttemptStatus.CANCELED, "", "job job-1 was canceled"),
    ],
)
def test_a_job_that_ended_badly_is_replaced_by_an_attempt_that_says_why(
    world: World, submission: Submission, status: AttemptStatus, error: str, reason: str
) -> None:
    submission.ensure_job(REQUEST)
    ended(submission, REQUEST, status, error)
    assert job_ids(submission.ensure_job(REQUEST)) == ["job-2"]
    attempt = world.entry(REQUEST).attempts[-1]
    assert (attempt.number, attempt.replaces, attempt.reason) == (1, "job-1", reason)


def test_a_window_has_three_resubmissions_however_many_processes_ask(world: World) -> None:
    for _ in range(1 + MAX_RESUBMISSIONS):
        process = another_process(world)
        process.ensure_job(REQUEST)
        ended(process, REQUEST, AttemptStatus.FAILED, "worker aborted")
    for owner in ("ann", "ann", "bob"):
        with pytest.raises(ExportFailed) as failure:
            another_process(world, owner).ensure_job(REQUEST)
        assert world.entry(REQUEST).held_by == "", "nobody need wait for a window that is lost"
        said = str(failure.value)
        assert said.startswith("window [2024-05-01T00:00:00Z, 2024-05-02T00:00:00Z) has used up its 3 resubmissions")
        assert "job job-4 failed: worker aborted" in said
        assert "force=true" in said
    assert world.api.asked["submit"] == 4
    assert world.entry(REQUEST).state is RequestState.FAILED
    world.ledger.acquire(REQUEST, "cid", 300.0)
    with pytest.raises(ExportFailed):
        another_process(world, "bob").ensure_job(REQUEST)


def test_a_completed_job_is_resubmitted_when_its_urls_ran_out(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    ended(submission, REQUEST, AttemptStatus.COMPLETED)
    assert job_ids(submission.resubmit(REQUEST, "storage answered 403")) == ["job-2"]
    first, second = world.entry(REQUEST).attempts
    assert (first.status, first.error) == (AttemptStatus.EXPIRED, "storage answered 403")
    assert (second.number, second.replaces) == (1, "job-1")


def test_a_resubmission_that_was_made_already_is_not_made_twice(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    ended(submission, REQUEST, AttemptStatus.COMPLETED)
    submission.resubmit(REQUEST, "storage answered 403")
    assert job_ids(submission.resubmit(REQUEST, "storage answered 403")) == ["job-2"]
    assert world.api.asked["submit"] == 2


def test_a_resubmission_of_what_another_holds_waits(world: World, submission: Submission) -> None:
    another_process(world, "bob").ensure_job(REQUEST)
    assert submission.resubmit(REQUEST, "storage answered 403") == Held("bob", 300.0)


# -- the split of what was too large ---------------------------------------------------------------------------------


def test_a_job_that_failed_without_a_word_is_split_in_four(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    ended(submission, REQUEST, AttemptStatus.FAILED)
    children = submitted(submission.ensure_job(REQUEST))
    assert [child.request.window for child in children] == [hours(n, n + 6) for n in (0, 6, 12, 18)]
    assert job_ids(children) == ["job-2", "job-3", "job-4", "job-5"]
    assert all(child.attempts[0].number == 0 for child in children), "each has a budget of its own"
    parent = world.entry(REQUEST)
    assert (parent.state, parent.children) == (RequestState.SPLIT, tuple(child.request.window for child in children))


def test_whoever_asks_for_a_split_window_gets_its_childrens_jobs(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    ended(submission, REQUEST, AttemptStatus.FAILED)
    submission.ensure_job(REQUEST)
    for process in (submission, another_process(world), another_process(world, "bob")):
        assert job_ids(process.ensure_job(REQUEST)) == ["job-2", "job-3", "job-4", "job-5"]
    assert world.api.asked["submit"] == 5


def test_a_split_goes_down_to_a_quarter_of_an_hour_and_then_resubmits(world: World, submission: Submission) -> None:
    request, lengths = REQUEST, []
    for _ in range(4):
        submission.ensure_job(request)
        lengths.append(request.window.length)
        ended(submission, request, AttemptStatus.FAILED)
        children = submitted(submission.ensure_job(request))
        request = children[0].request
        if len(children) == 1:
            break
    assert [length / timedelta(minutes=1) for length in lengths] == [24 * 60, 6 * 60, 90, 22.5]
    attempt = world.entry(request).attempts[-1]
    assert (attempt.number, attempt.reason) == (1, "job job-10 failed: without a word")


def test_a_child_that_another_submits_is_waited_for(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    ended(submission, REQUEST, AttemptStatus.FAILED)
    Leases(world.ledger, "bob", 50.0).hold(asked(hours(12, 18)))
    assert submission.ensure_job(REQUEST) == Held("bob", 50.0)
    world.clock.sleep(50.0)
    assert sorted(str(one) for one in job_ids(submission.ensure_job(REQUEST))) == ["job-2", "job-3", "job-4", "job-5"]


# -- a death in the middle, and lost answers -------------------------------------------------------------------------


def test_a_death_in_the_post_is_waited_out_and_then_counted_as_an_attempt(world: World) -> None:
    def die() -> None:
        raise Died

    world.api.in_post = die
    with pytest.raises(Died):
        another_process(world).ensure_job(REQUEST)
    world.api.in_post = lambda: None
    for owner in ("ann", "bob"):
        outcome = another_process(world, owner).ensure_job(REQUEST)
        assert outcome == Held("ann", 300.0), "even the next try of the same task waits: the POST may still arrive"
    world.clock.sleep(300.0)
    assert job_ids(another_process(world).ensure_job(REQUEST)) == ["job-2"]
    dead, alive = world.entry(REQUEST).attempts
    assert (dead.status, dead.job_id) == (AttemptStatus.SUBMITTING, None)
    assert (alive.number, alive.replaces) == (1, None)
    assert alive.reason == "the process that submitted it died before the job's id was stored"


def test_a_lost_answer_is_followed_by_a_tagged_attempt(world: World, submission: Submission) -> None:
    world.api.fates.append(LOSES_ITS_ANSWER)
    assert job_ids(submission.ensure_job(REQUEST)) == ["job-2"]
    lost, found = world.entry(REQUEST).attempts
    assert (lost.status, lost.number) == (AttemptStatus.UNKNOWN, 0)
    assert (found.number, found.reason) == (1, "the answer to its submission was lost")


def test_lost_answers_never_make_more_jobs_than_the_budget(world: World) -> None:
    world.api.usual_fate = LOSES_ITS_ANSWER
    for _ in range(3):
        with pytest.raises(ExportFailed, match="the answer to its submission was lost"):
            another_process(world).ensure_job(REQUEST)
    assert world.api.asked["submit"] == 1 + MAX_RESUBMISSIONS


def test_a_lost_answer_is_not_followed_at_once_where_the_platform_asks_for_a_long_wait(
    world: World, submission: Submission
) -> None:
    world.api.fates.append(Fate(raises=OutcomeUnknown("503", 3600.0)))
    with pytest.raises(OutcomeUnknown):
        submission.ensure_job(REQUEST)
    assert world.clock.slept == []
    assert job_ids(another_process(world).ensure_job(REQUEST)) == ["job-2"]
    assert world.entry(REQUEST).attempts[-1].number == 1


def test_a_takeover_during_the_post_is_told(world: World, submission: Submission) -> None:
    def take_over() -> None:
        world.clock.sleep(301.0)
        world.api.in_post = lambda: None
        another_process(world, "bob").ensure_job(REQUEST)

    world.api.in_post = take_over
    with pytest.raises(LeaseLost):
        submission.ensure_job(REQUEST)
    assert world.entry(REQUEST).attempts[-1].job_id == "job-2"


# -- the platform says no, or not yet --------------------------------------------------------------------------------


def test_a_platform_that_is_too_busy_is_asked_again_and_costs_no_budget(world: World, submission: Submission) -> None:
    world.api.fates.extend([is_too_busy(7.0), is_too_busy(), is_too_busy(0.0), is_too_busy()])
    assert job_ids(submission.ensure_job(REQUEST)) == ["job-1"]
    assert world.clock.slept == [7.0, 2.0, 0.0, 8.0]
    (attempt,) = world.entry(REQUEST).attempts
    assert (attempt.number, attempt.reason) == (0, "")
    assert attempt.submitted_at == world.clock()


def test_a_platform_that_stays_too_busy_costs_no_budget_however_often_the_task_is_tried(world: World) -> None:
    world.api.usual_fate = is_too_busy()
    for _ in range(4):
        with pytest.raises(Passing, match="could not be submitted in 5 tries: over the organisation's rate limit"):
            another_process(world).ensure_job(REQUEST)
    world.api.usual_fate = Fate()
    assert job_ids(another_process(world).ensure_job(REQUEST)) == ["job-1"]
    assert [attempt.number for attempt in world.entry(REQUEST).attempts] == [0]


def test_the_last_resubmission_may_be_postponed_too(world: World, submission: Submission) -> None:
    for _ in range(MAX_RESUBMISSIONS):
        submission.ensure_job(REQUEST)
        ended(submission, REQUEST, AttemptStatus.FAILED, "worker aborted")
    world.api.fates.append(is_too_busy())
    assert job_ids(submission.ensure_job(REQUEST)) == ["job-4"]
    last = world.entry(REQUEST).attempts[-1]
    assert (last.number, last.replaces, last.reason) == (3, "job-3", "job job-3 failed: worker aborted")


def test_a_platform_that_asks_for_a_long_wait_is_not_waited_for_in_a_task(world: World, submission: Submission) -> None:
    world.api.fates.append(is_too_busy(3600.0))
    with pytest.raises(Passing) as busy:
        submission.ensure_job(REQUEST)
    assert busy.value.retry_after == 3600.0
    assert world.clock.slept == []
    assert job_ids(another_process(world).ensure_job(REQUEST)) == ["job-1"]
    assert world.entry(REQUEST).attempts[-1].number == 0


def test_a_refusal_is_counted_and_told_in_the_platforms_words(world: World) -> None:
    world.api.usual_fate = is_refused(Refused("403: the permission is missing"))
    for _ in range(1 + MAX_RESUBMISSIONS):
        with pytest.raises(Refused, match="the permission is missing"):
            another_process(world).ensure_job(REQUEST)
    with pytest.raises(ExportFailed, match=r"it was refused: 403: the permission is missing.* force=true"):
        another_process(world).ensure_job(REQUEST)
    assert world.api.asked["submit"] == 1 + MAX_RESUBMISSIONS
    assert world.entry(REQUEST).attempts[1].reason == "it was refused: 403: the permission is missing"


def test_a_refusal_frees_the_window(world: World, submission: Submission) -> None:
    world.api.fates.append(is_refused(Refused("400")))
    with pytest.raises(Refused):
        submission.ensure_job(REQUEST)
    assert job_ids(another_process(world, "bob").ensure_job(REQUEST)) == ["job-1"]


def test_a_platform_that_cannot_be_spoken_to_costs_no_budget(world: World) -> None:
    world.api.usual_fate = is_refused(NoAccess("login was refused"))
    for _ in range(6):
        with pytest.raises(NoAccess, match="login was refused"):
            another_process(world).ensure_job(REQUEST)
    assert world.entry(REQUEST).held_by == ""
    world.api.usual_fate = Fate()
    assert job_ids(another_process(world, "bob").ensure_job(REQUEST)) == ["job-1"]
    assert [attempt.number for attempt in world.entry(REQUEST).attempts] == [0]


# -- force -----------------------------------------------------------------------------------------------------------


def test_force_begins_the_budget_afresh_once_for_each_run(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    ended(submission, REQUEST, AttemptStatus.COMPLETED)
    assert job_ids(submission.ensure_job(REQUEST, "run 1")) == ["job-2"]
    assert job_ids(submission.ensure_job(REQUEST, "run 1")) == ["job-2"]
    assert job_ids(another_process(world).ensure_job(REQUEST, "run 1")) == ["job-2"]
    assert job_ids(another_process(world).ensure_job(REQUEST)) == ["job-2"]
    assert job_ids(another_process(world).ensure_job(REQUEST, "run 2")) == ["job-3"]
    assert [(one.generation, one.number) for one in world.entry(REQUEST).attempts] == [(0, 0), (1, 0), (2, 0)]


def test_force_mends_a_window_whose_budget_is_used_up(world: World, submission: Submission) -> None:
    world.api.usual_fate = LOSES_ITS_ANSWER
    with pytest.raises(ExportFailed):
        submission.ensure_job(REQUEST)
    world.api.usual_fate = Fate()
    (entry,) = submitted(submission.ensure_job(REQUEST, "run 1"))
    assert (entry.state, entry.error, entry.generation) == (RequestState.OPEN, "", 1)
    assert entry.current is not None
    assert (entry.current.number, entry.current.reason, entry.current.replaces) == (0, "", None)


def test_force_waits_for_whoever_has_the_window(world: World, submission: Submission) -> None:
    another_process(world, "bob").ensure_job(REQUEST)
    assert submission.ensure_job(REQUEST, "run 1") == Held("bob", 300.0)
    assert world.entry(REQUEST).generation == 0


def test_force_takes_a_split_back_and_tries_the_whole_window_again(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    ended(submission, REQUEST, AttemptStatus.FAILED)
    submission.ensure_job(REQUEST)
    (entry,) = submitted(submission.ensure_job(REQUEST, "run 1"))
    assert (entry.request.window, entry.state, entry.children) == (DAY, RequestState.OPEN, ())


@pytest.mark.parametrize("force_run", ["run 1", ""])
def test_force_means_the_children_of_a_later_split_too(world: World, submission: Submission, force_run: str) -> None:
    """The wait for a job, which finds that it failed, doesn't say which run it belongs to."""
    for run in ("", "run 1"):
        submission.ensure_job(REQUEST, run)
        ended(submission, REQUEST, AttemptStatus.FAILED)
        first_jobs = job_ids(submission.ensure_job(REQUEST, run and force_run))
    again = submission.ensure_job(REQUEST, force_run)
    assert job_ids(again) == first_jobs == ["job-7", "job-8", "job-9", "job-10"]
    assert {(entry.generation, entry.forced_by) for entry in submitted(again)} == {(1, "run 1")}


# -- restoring -------------------------------------------------------------------------------------------------------


def test_a_window_that_the_ledger_forgot_is_restored_and_free(world: World, submission: Submission) -> None:
    submission.restore(REQUEST, "job-77", "s3://calls")
    entry = world.entry(REQUEST)
    assert (entry.state, entry.destinations, entry.held_by) == (RequestState.ARCHIVED, ("s3://calls",), "")
    assert entry.current is not None
    assert (entry.current.job_id, entry.current.status) == ("job-77", AttemptStatus.EXPIRED)


def test_what_another_is_at_work_on_is_not_restored(world: World, submission: Submission) -> None:
    Leases(world.ledger, "bob", 50.0).hold(REQUEST)
    submission.restore(REQUEST, "job-77", "s3://calls")
    assert world.entry(REQUEST).attempts == ()


def test_an_archived_window_that_is_wanted_again_has_a_budget_of_its_own(world: World, submission: Submission) -> None:
    for _ in range(1 + MAX_RESUBMISSIONS):
        submission.ensure_job(REQUEST)
        ended(submission, REQUEST, AttemptStatus.FAILED, "worker aborted")
    entry = submission.leases.hold(REQUEST)
    submission.leases.save(replace(entry, state=RequestState.ARCHIVED))
    (entry,) = submitted(submission.ensure_job(REQUEST))
    assert entry.current is not None
    assert (entry.state, entry.current.number, entry.current.job_id) == (RequestState.OPEN, 0, "job-5")


def test_a_post_that_is_slower_than_its_lease_is_not_made_twice() -> None:
    api, ledger = SlowApi(), MemoryLedger(time.time)
    ann, bob = (Submission(api, ledger, Leases(ledger, owner, 1.0)) for owner in ("ann", "bob"))
    with ThreadPoolExecutor(1) as thread:
        outcome = thread.submit(ann.ensure_job, REQUEST)
        assert api.begun.wait(5.0)
        time.sleep(1.5)
        assert isinstance(bob.ensure_job(REQUEST), Held)
        assert job_ids(outcome.result()) == ["job-1"]
    assert job_ids(bob.ensure_job(REQUEST)) == ["job-1"]
