# SPDX-License-Identifier: Apache-2.0
"""Windows whose API's jobs take so many conversations and no more: a job for each part, by the rules of a window."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC

import pytest

from airflow_provider_genesys.export.coordinator import Pending
from airflow_provider_genesys.export.entry import AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.errors import ExportFailed, Passing, UrlsExpired
from airflow_provider_genesys.export.leases import Held, Leases
from airflow_provider_genesys.export.model import ExportJob, ExportRequest, Receipt
from airflow_provider_genesys.export.submission import Submission
from tests.export.memory.archive import MemoryArchive, with_status
from tests.export.memory.fates import COMPLETES, FAILS, LOSES_ITS_ANSWER, Fate, is_refused
from tests.export.memory.platform import calls_every
from tests.export.orchestrator import DAY, World, asked, ended, hours, parts_of
from tests.ledger.memory import MemoryLedger

REQUEST = asked()
LOT = 10


class Died(Exception):
    """The process is gone: nothing after this happens."""


@pytest.fixture(autouse=True)
def world(world: World) -> World:
    """A platform whose jobs take ten conversations, with 24 of them on the day."""
    world.api.calls = calls_every(60, DAY)
    world.api.lot = LOT
    return world


def another_process(world: World, owner: str = "ann") -> Submission:
    return Submission(world.api, world.ledger, Leases(world.ledger, owner, 300.0), world.clock.sleep)


def job_ids(outcome: list[Entry] | Held) -> list[str | None]:
    assert isinstance(outcome, list)
    return [entry.current.job_id if entry.current else None for entry in outcome]


# -- submission ------------------------------------------------------------------------------------------------------


def test_a_window_gets_a_job_for_each_lot_of_its_conversations(world: World, submission: Submission) -> None:
    assert job_ids(submission.ensure_job(REQUEST)) == ["job-1", "job-2", "job-3"]
    window = world.entry(REQUEST)
    assert (window.state, window.attempts, len(window.parts)) == (RequestState.SPLIT, (), 3)
    asked_for = [world.api.jobs[f"job-{n}"].request for n in (1, 2, 3)]
    assert [len(request.conversations) for request in asked_for] == [10, 10, 4]
    assert {one for request in asked_for for one in request.conversations} == {f"of-{one}" for one in world.api.calls}
    assert [part.request for part in parts_of(world)] == asked_for


@pytest.mark.parametrize("owner", ["ann", "bob"])
def test_whoever_asks_again_gets_the_same_jobs_without_looking_again(
    world: World, submission: Submission, owner: str
) -> None:
    submission.ensure_job(REQUEST)
    world.api.calls["late"] = hours(3, 4).start
    assert job_ids(another_process(world, owner).ensure_job(REQUEST)) == ["job-1", "job-2", "job-3"]
    assert (world.api.asked["parts"], world.api.asked["submit"]) == (1, 3)


def test_a_window_without_recordings_has_no_job(world: World, submission: Submission) -> None:
    world.api.calls.clear()
    assert submission.ensure_job(REQUEST) == []
    assert world.entry(REQUEST).parts == ()


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_death_in_a_post_costs_that_part_an_attempt_and_no_other(world: World, nth: int) -> None:
    def die() -> None:
        if world.api.asked["submit"] == nth:
            raise Died

    world.api.in_post = die
    with pytest.raises(Died):
        another_process(world).ensure_job(REQUEST)
    world.api.in_post = lambda: None
    world.clock.sleep(301.0)
    assert len(job_ids(another_process(world, "bob").ensure_job(REQUEST))) == 3
    assert len(world.api.jobs) == 4
    assert sorted(len(part.attempts) for part in parts_of(world)) == [1, 1, 2]


def test_a_death_before_the_window_knows_its_parts_costs_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = another_process(world)
    with monkeypatch.context() as dying:
        dying.setattr(submission.ledger, "save", lambda *_, **__: (_ for _ in ()).throw(Died))
        with pytest.raises(Died):
            submission.ensure_job(REQUEST)
    assert world.entry(REQUEST).parts == ()
    assert job_ids(another_process(world).ensure_job(REQUEST)) == ["job-1", "job-2", "job-3"]


def test_each_part_has_a_budget_of_its_own(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    second = parts_of(world)[1].request
    for _ in range(3):
        ended(submission, second, AttemptStatus.FAILED, "worker aborted")
        submission.ensure_job(REQUEST)
    ended(submission, second, AttemptStatus.FAILED, "worker aborted")
    with pytest.raises(ExportFailed, match="10 conversations of it has used up its 3 resubmissions"):
        submission.ensure_job(REQUEST)
    assert [part.state for part in parts_of(world)] == [
        RequestState.OPEN,
        RequestState.FAILED,
        RequestState.OPEN,
    ]


def test_a_part_that_fails_without_a_word_is_not_split_by_time(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    ended(submission, parts_of(world)[0].request, AttemptStatus.FAILED)
    assert job_ids(submission.ensure_job(REQUEST)) == ["job-4", "job-2", "job-3"]
    assert parts_of(world)[0].children == ()


def test_a_lost_answer_is_made_good_in_its_part(world: World, submission: Submission) -> None:
    world.api.fates.append(LOSES_ITS_ANSWER)
    assert job_ids(submission.ensure_job(REQUEST)) == ["job-2", "job-3", "job-4"]


def test_a_limit_of_hours_keeps_the_jobs_that_there_are(world: World, submission: Submission) -> None:
    world.api.fates.append(FAILS)
    world.api.fates.append(is_refused(Passing("daily limit", 7200.0)))
    with pytest.raises(Passing) as raised:
        submission.ensure_job(REQUEST)
    assert raised.value.retry_after == 7200.0
    assert world.clock.slept == []
    assert job_ids(submission.ensure_job(REQUEST)) == ["job-1", "job-2", "job-3"]


def test_force_looks_for_conversations_anew_and_begins_every_part_afresh(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    world.api.calls["late"] = hours(23.5, 24).start
    assert job_ids(submission.ensure_job(REQUEST, "run")) == ["job-4", "job-5", "job-6"]
    assert job_ids(another_process(world).ensure_job(REQUEST, "run")) == ["job-4", "job-5", "job-6"]
    assert "of-late" in parts_of(world)[2].request.conversations


def test_parts_that_the_ledger_forgot_are_looked_for_again(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    submission.leases.release(submission.leases.hold(parts_of(world)[1].request))
    assert world.ledger.forget(world.entry(REQUEST).parts[1])
    assert job_ids(submission.ensure_job(REQUEST)) == ["job-1", "job-4", "job-3"]
    assert world.api.asked["parts"] == 2


# -- resubmission ----------------------------------------------------------------------------------------------------


def test_only_what_is_still_wanted_is_asked_for_again(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    part = parts_of(world)[0].request
    ended(submission, part, AttemptStatus.COMPLETED)
    assert job_ids(submission.resubmit(part, "storage answered 403", ("of-call-3",))) == ["job-4"]
    assert world.api.jobs["job-4"].request.conversations == ("of-call-3",)
    (first, second) = parts_of(world)[0].attempts
    assert (first.status, second.replaces, second.number) == (AttemptStatus.EXPIRED, "job-1", 1)


def test_what_was_replaced_meanwhile_is_not_replaced_twice(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    part = parts_of(world)[0].request
    ended(submission, part, AttemptStatus.COMPLETED)
    submission.resubmit(part, "storage answered 403", ("of-call-3",))
    assert job_ids(submission.resubmit(part, "storage answered 403", ("of-call-3",))) == ["job-4"]


def test_a_job_that_left_something_out_says_so_in_the_next_attempt(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    part = parts_of(world)[0].request
    ended(submission, part, AttemptStatus.COMPLETED)
    submission.resubmit(part, "nothing came for of-call-3", ("of-call-3",), AttemptStatus.WANTING)
    assert parts_of(world)[0].attempts[-1].reason == "job job-1 left something out: nothing came for of-call-3"


def test_the_key_of_a_whole_window_is_what_it_always_was(world: World) -> None:
    part = replace(REQUEST, conversations=("one", "two"))
    assert part.key != replace(REQUEST, conversations=("one",)).key
    assert part.key != REQUEST.key
    assert part.whole.key == REQUEST.key
    assert replace(REQUEST, media=("audio", "screen")).key != REQUEST.key


# -- retrieval -------------------------------------------------------------------------------------------------------


def test_a_day_of_parts_from_its_plan_to_its_report(world: World) -> None:
    ann = world.coordinator()
    assert ann.plan(REQUEST, UTC, 5000) == [DAY]
    job_ids = world.submit(ann, REQUEST)
    assert job_ids == ["job-1", "job-2", "job-3"]
    assert world.retrieve(ann, world.wait(ann, job_ids)) == {"archived": 24}
    report = ann.reconcile(REQUEST, [DAY])
    assert report.is_complete
    assert report.counts() == {
        "expected": 24,
        "archived": 24,
        "unavailable": 0,
        "failed": 0,
        "windows": 1,
        "jobs": 3,
        "attempts": 3,
        "complete": True,
    }
    assert world.entry(REQUEST).state is RequestState.ARCHIVED
    assert {part.state for part in parts_of(world)} == {RequestState.ARCHIVED}
    assert {line.request_key for line in receipt_of(world)} == {REQUEST.key}
    assert {line.job_id for line in receipt_of(world)} == set(job_ids)


def test_what_is_archived_already_asks_for_nothing(world: World) -> None:
    archived(world)
    asked_before = dict(world.api.asked)
    bob = world.coordinator("bob")
    assert world.submit(bob, REQUEST) == ["job-1", "job-2", "job-3"]
    assert world.retrieve(bob, world.wait(bob, ["job-1", "job-2", "job-3"])) == {"archived": 24}
    assert dict(world.api.asked) == asked_before


def test_a_window_without_recordings_is_archived_by_its_submission(world: World) -> None:
    world.api.calls.clear()
    ann = world.coordinator()
    assert world.submit(ann, REQUEST) == []
    assert world.retrieve(ann, world.wait(ann, [])) == {}
    assert receipt_of(world) == ()
    report = ann.reconcile(REQUEST, [DAY])
    assert (report.is_complete, report.expected) == (True, 0)
    assert world.submit(world.coordinator("bob"), REQUEST) == []
    assert world.api.asked["parts"] == 1


def test_an_archive_elsewhere_gets_the_window_from_the_same_jobs(world: World) -> None:
    archived(world)
    elsewhere = MemoryArchive(world.api, "s3://elsewhere")
    bob = world.coordinator("bob", elsewhere)
    job_ids = world.submit(bob, REQUEST)
    assert world.retrieve(bob, world.wait(bob, job_ids)) == {"archived": 24}
    assert world.api.asked["submit"] == 3
    assert world.entry(REQUEST).destinations == ("s3://calls", "s3://elsewhere")


def test_a_ledger_that_forgot_everything_is_told_by_the_receipt_and_never_takes_a_part_for_the_whole(
    world: World,
) -> None:
    archived(world)
    world.ledger = MemoryLedger(world.clock)
    bob = world.coordinator("bob")
    job_ids = world.submit(bob, REQUEST)
    assert world.retrieve(bob, world.wait(bob, job_ids)) == {"archived": 24}
    assert world.api.asked["submit"] == 3
    world.archive.empty()
    assert len(world.submit(bob, REQUEST)) == 3
    assert world.api.asked["submit"] == 6


def test_urls_that_ran_out_are_asked_for_again_for_what_is_still_missing_only(world: World) -> None:
    ann = world.coordinator()
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    world.archive.faults["call-13"].append(UrlsExpired("storage answered 403"))
    pending = ann.retrieve(job_ids)
    assert pending == Pending(["job-1", "job-2", "job-3", "job-4"])
    assert world.api.jobs["job-4"].request.conversations == tuple(f"of-call-{n}" for n in range(13, 20))
    assert with_status(receipt_of(world), "archived") == [f"call-{n}" for n in (*range(13), *range(20, 24))]
    assert world.retrieve(ann, world.wait(ann, pending.job_ids)) == {"archived": 24}
    assert Counter(world.archive.fetched).most_common(1) == [("call-13", 2)]
    assert ann.reconcile(REQUEST, [DAY]).is_complete


def test_urls_of_a_short_life_are_used_for_the_first_half_of_it(world: World) -> None:
    world.api.usual_fate = Fate(lives=120.0)
    world.api.url_seconds = 120.0
    ann = world.coordinator()
    assert world.retrieve(ann, world.wait(ann, world.submit(ann, REQUEST))) == {"archived": 24}
    assert world.api.asked["submit"] == 3


def test_a_job_that_fails_is_replaced_beside_the_others(world: World) -> None:
    world.api.fates.extend([COMPLETES, FAILS])
    ann = world.coordinator()
    assert world.retrieve(ann, world.wait(ann, world.submit(ann, REQUEST))) == {"archived": 24}
    assert ann.reconcile(REQUEST, [DAY]).counts()["attempts"] == 4


def test_a_window_some_of_whose_jobs_have_not_completed_is_not_proven_by_what_came(world: World) -> None:
    world.api.fates.extend([COMPLETES, replace(COMPLETES, seconds=600.0)])
    ann = world.coordinator()
    job_ids = world.submit(ann, REQUEST)
    world.clock.sleep(60.0)
    for job_id in ("job-1", "job-3"):
        ann.follow([job_id])
    assert isinstance(ann.retrieve(job_ids), Pending)
    assert Counter(line.status.value for line in receipt_of(world)) == {"archived": 14, "missing": 10}
    assert not ann.reconcile(REQUEST, [DAY]).is_complete
    assert world.submit(world.coordinator("bob"), REQUEST) == job_ids
    assert world.retrieve(ann, world.wait(ann, job_ids)) == {"archived": 24}
    assert len(world.archive.fetched) == 24


# -- what does not come ----------------------------------------------------------------------------------------------


def test_a_conversation_for_which_nothing_comes_is_missing_and_fails_the_day(world: World) -> None:
    world.api.silent = {"of-call-3"}
    ann = world.coordinator()
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    with pytest.raises(ExportFailed, match=r"such as conversation 'of-call-3' of job job-1: .* nothing came"):
        ann.retrieve(job_ids)
    report = ann.reconcile(REQUEST, [DAY])
    assert not report.is_complete
    assert (report.expected, report.archived, report.failed) == (24, 23, 1)
    assert report.errors == []
    assert [(one.recording_id, one.status) for one in report.missing] == [("of-call-3", "missing")]


def test_who_tries_again_asks_for_what_is_missing_and_nothing_else(world: World) -> None:
    world.api.silent = {"of-call-3"}
    ann = world.coordinator()
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    with pytest.raises(ExportFailed):
        ann.retrieve(job_ids)
    world.api.silent = set()
    bob = world.coordinator("ann")
    assert world.retrieve(bob, world.wait(bob, world.submit(bob, REQUEST))) == {"archived": 24}
    assert world.api.jobs["job-4"].request.conversations == ("of-call-3",)
    assert parts_of(world)[0].attempts[-1].reason.startswith("job job-1 left something out")
    assert ann.reconcile(REQUEST, [DAY]).is_complete
    assert len(world.archive.fetched) == 24


def test_what_never_comes_uses_up_the_budget_of_its_part(world: World) -> None:
    world.api.silent = {"of-call-3"}
    ann = world.coordinator()
    job_ids = world.submit(ann, REQUEST)
    for _ in range(4):
        with pytest.raises(ExportFailed, match="nothing came for it"):
            world.retrieve(ann, world.wait(ann, job_ids))
    with pytest.raises(ExportFailed, match="has used up its 3 resubmissions"):
        world.retrieve(ann, world.wait(ann, job_ids))
    assert world.api.asked["submit"] == 6
    assert with_status(receipt_of(world), "missing") == ["of-call-3"]


def test_what_the_platform_could_not_provide_stays_so_when_others_are_asked_for_again(world: World) -> None:
    world.api.fates.append(Fate(unavailable=frozenset({"call-2"})))
    world.archive.faults["call-5"].append(UrlsExpired("storage answered 403"))
    ann = world.coordinator()
    assert world.retrieve(ann, world.wait(ann, world.submit(ann, REQUEST))) == {"archived": 23, "unavailable": 1}
    assert "of-call-2" not in world.api.jobs["job-4"].request.conversations
    report = ann.reconcile(REQUEST, [DAY])
    assert (report.is_complete, report.unavailable) == (True, 1)


def test_force_brings_every_recording_again(world: World) -> None:
    archived(world)
    bob = world.coordinator("bob")
    assert world.retrieve(bob, world.wait(bob, world.submit(bob, REQUEST, "run"))) == {"archived": 24}
    assert len(world.archive.fetched) == 48
    assert {line.job_id for line in receipt_of(world)} == {"job-4", "job-5", "job-6"}
    assert world.submit(bob, REQUEST, "run") == ["job-4", "job-5", "job-6"]
    assert world.submit(bob, REQUEST) == ["job-4", "job-5", "job-6"]
    assert world.api.asked["submit"] == 6


# -- several orchestrators, and deaths -------------------------------------------------------------------------------


def test_two_orchestrators_share_the_jobs_and_the_downloads(world: World) -> None:
    ann, bob = world.coordinator("ann"), world.coordinator("bob")
    job_ids = world.submit(ann, REQUEST)
    assert world.submit(bob, REQUEST) == job_ids
    world.wait(ann, job_ids)
    assert isinstance(bob.retrieve(job_ids), Held)
    assert world.retrieve(ann, job_ids) == {"archived": 24}
    assert world.retrieve(bob, job_ids) == {"archived": 24}
    assert len(world.archive.fetched) == 24


def test_who_finds_a_part_held_gives_the_window_back(world: World) -> None:
    ann, bob = world.coordinator("ann"), world.coordinator("bob")
    job_ids = world.submit(ann, REQUEST)
    world.clock.sleep(290.0)
    world.wait(ann, job_ids)
    world.clock.sleep(290.0)
    world.ledger.acquire(parts_of(world)[1].request, "ann", 300.0)
    world.clock.sleep(20.0)
    assert isinstance(bob.retrieve(job_ids), Held)
    assert world.entry(REQUEST).held_by == ""


def test_a_death_in_the_middle_is_made_good_from_the_same_jobs(world: World) -> None:
    ann = world.coordinator()
    job_ids = world.wait(ann, world.submit(ann, REQUEST))

    def die(recording_id: str) -> None:
        if recording_id == "call-15":
            raise Died

    world.archive.before_fetch = die
    with pytest.raises(Died):
        ann.retrieve(job_ids)
    world.archive.before_fetch = lambda recording_id: None
    world.clock.sleep(301.0)
    bob = world.coordinator("bob")
    assert world.retrieve(bob, world.wait(bob, job_ids)) == {"archived": 24}
    assert (world.api.asked["submit"], len(world.archive.fetched)) == (3, 24)


def test_a_limit_of_hours_ends_the_polls_and_keeps_what_came(world: World) -> None:
    ann = world.coordinator()
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    asked_before = world.api.asked["job"]
    job = world.api.job

    def limited(request: ExportRequest, job_id: str) -> ExportJob:
        if job_id == "job-1":
            return job(request, job_id)
        world.api.asked["job"] += 1
        raise Passing("daily limit", 7200.0)

    world.api.job = limited  # type: ignore[method-assign]
    with pytest.raises(Passing) as raised:
        ann.retrieve(job_ids)
    assert raised.value.retry_after == 7200.0
    assert world.api.asked["job"] - asked_before == 2
    assert Counter(line.status.value for line in receipt_of(world)) == {"archived": 10, "missing": 14}


def test_planning_waits_until_the_platform_knows_what_was_recorded(world: World) -> None:
    world.api.available = DAY.end.timestamp() - 60
    with pytest.raises(Passing, match="which is before the end of") as raised:
        world.coordinator().plan(REQUEST, UTC, 5000)
    assert raised.value.retry_after == 300.0
    world.api.available = DAY.end.timestamp()
    assert world.coordinator().plan(REQUEST, UTC, 5000) == [DAY]


def archived(world: World) -> None:
    """Let Ann archive the day."""
    ann = world.coordinator()
    assert world.retrieve(ann, world.wait(ann, world.submit(ann, REQUEST))) == {"archived": 24}


def receipt_of(world: World) -> Receipt:
    receipt = world.archive.receipt(DAY)
    assert receipt is not None
    return receipt
