# SPDX-License-Identifier: Apache-2.0
"""Windows whose API's jobs take so many conversations and no more: a job for each part, by the rules of a window."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_genesys.export.errors import ExportFailed, Passing
from airflow_provider_genesys.export.leases import Held, Leases
from airflow_provider_genesys.export.model import AttemptStatus, Entry, ExportRequest, RequestState
from airflow_provider_genesys.export.submission import Submission
from tests.export.memory import FAILS, LOSES_ITS_ANSWER, calls_every, is_refused
from tests.export.orchestrator import DAY, ORGANISATION, World, asked, hours

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


def parts_of(world: World, request: ExportRequest = REQUEST) -> list[Entry]:
    found = [world.ledger.entry(key) for key in world.entry(request).parts]
    return [part for part in found if part]


def ended(submission: Submission, request: ExportRequest, status: AttemptStatus, error: str = "") -> None:
    """Write down the end of a request's job, as a poll would."""
    entry = submission.leases.hold(request)
    assert entry.current is not None
    attempt = replace(entry.current, status=status, error=error)
    submission.leases.save(replace(entry, attempts=(*entry.attempts[:-1], attempt)))


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
    assert [part.state for part in parts_of(world)] == [RequestState.OPEN, RequestState.FAILED, RequestState.OPEN]


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


# -- who stands for a job --------------------------------------------------------------------------------------------


def test_a_job_of_a_part_stands_for_that_part(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    found = submission.entries_of(str(ORGANISATION), ["job-3", "job-1", "job-1"])
    assert [entry.request for entry in found] == [parts_of(world)[2].request, parts_of(world)[0].request]


def test_a_job_of_a_part_of_before_stands_for_the_window_as_it_is_now(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    world.api.calls["early"] = hours(0, 1).start
    world.api.calls = dict(sorted(world.api.calls.items(), key=lambda call: call[1]))
    submission.ensure_job(REQUEST, "run")
    found = submission.entries_of(str(ORGANISATION), ["job-1"])
    assert [entry.request for entry in found] == [part.request for part in parts_of(world)]


def test_a_window_of_parts_is_one_window(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    (window,) = submission.windows_of(REQUEST)
    assert window.request == REQUEST
    assert [entry.request for entry in submission.jobs_of(window)] == [part.request for part in parts_of(world)]


def test_the_key_of_a_whole_window_is_what_it_always_was(world: World) -> None:
    part = replace(REQUEST, conversations=("one", "two"))
    assert part.key != replace(REQUEST, conversations=("one",)).key
    assert part.key != REQUEST.key
    assert part.whole.key == REQUEST.key
    assert replace(REQUEST, media=("audio", "screen")).key != REQUEST.key
