# SPDX-License-Identifier: Apache-2.0
"""Whole stories: plan, submit, follow, retrieve, reconcile, with everything that can come between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest

from airflow_provider_genesys.export.coordinator import Coordinator, Pace, Pending
from airflow_provider_genesys.export.entry import RequestState
from airflow_provider_genesys.export.errors import ExportFailed, InvalidInput, NoAccess, Passing, Refused, UrlsExpired
from airflow_provider_genesys.export.following import Wait
from airflow_provider_genesys.export.leases import Held
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow
from airflow_provider_genesys.export.planning import blocks
from airflow_provider_genesys.export.ports import Ledger
from airflow_provider_genesys.export.turns import Turns
from tests.export.memory.archive import MemoryArchive, with_status
from tests.export.memory.clock import Clock
from tests.export.memory.fates import COMPLETES, FAILS, FAILS_SILENTLY, IS_CANCELED, LOSES_ITS_ANSWER, is_too_busy
from tests.export.orchestrator import DAY, World, asked, hours, new_world
from tests.ledger.memory import MemoryLedger

REQUEST = asked()
ALL = {"archived": 24}
SLOW = replace(COMPLETES, seconds=600.0)


class Killed(BaseException):
    """A SIGKILL."""


def calls_made(world: World) -> int:
    return world.api.asked.total()


def report_of(world: World, windows: list[ExportWindow] | None = None) -> dict[str, Any]:
    return world.coordinator().reconcile(REQUEST, [DAY] if windows is None else windows).counts()


# -- the whole story -------------------------------------------------------------------------------------------------


def test_a_day_from_its_plan_to_its_report(world: World) -> None:
    coordinator = world.coordinator()
    windows = coordinator.plan(REQUEST, UTC, max_recordings_per_job=10)
    assert windows == blocks(DAY, timedelta(hours=6))
    counts = sum((world.export(asked(window)) for window in windows), Counter[str]())
    report = coordinator.reconcile(REQUEST, windows)
    assert counts == ALL
    assert report.is_complete
    assert report.counts() == {
        "expected": 24,
        "archived": 24,
        "unavailable": 0,
        "failed": 0,
        "windows": 4,
        "jobs": 4,
        "attempts": 4,
        "complete": True,
    }
    assert world.archive.reports[DAY]["expected"] == 24
    assert sorted(world.archive.objects) == sorted(f"recordings/call-{n}.mp3" for n in range(24))
    assert Counter(world.archive.fetched).most_common(1)[0][1] == 1


def test_a_repetition_makes_no_call_at_all_but_for_an_estimate(world: World) -> None:
    windows = world.coordinator().plan(REQUEST, UTC, 10)
    for window in windows:
        world.export(asked(window))
    before, fetched = calls_made(world), len(world.archive.fetched)
    for owner in ("ann", "bob"):
        again = world.coordinator(owner)
        assert again.plan(REQUEST, UTC, 10) == windows
        for window in windows:
            job_ids = again.submit(asked(window))
            assert isinstance(job_ids, list)
            assert again.follow(job_ids).wait is Wait.COMPLETED
            assert again.retrieve(again.current_jobs(job_ids)) == {"archived": 6}
        assert again.reconcile(REQUEST, windows).is_complete
    assert (calls_made(world), len(world.archive.fetched)) == (before, fetched)


def test_an_empty_day_needs_nothing_and_is_asked_for_again(world: World) -> None:
    calls, world.api.calls = world.api.calls, {}
    assert world.coordinator().plan(REQUEST, UTC, 10) == []
    assert report_of(world, [])["complete"]
    world.api.calls = calls
    assert world.coordinator().plan(REQUEST, UTC, 100) == [DAY]


def test_an_empty_window_among_others_is_archived_as_empty(world: World) -> None:
    world.api.calls = {"call-0": DAY.start}
    windows = [hours(0, 6), hours(6, 12)]
    assert [world.export(asked(window)) for window in windows] == [{"archived": 1}, {}]
    assert report_of(world, windows)["complete"]
    before = calls_made(world)
    assert world.export(asked(hours(6, 12)), coordinator=world.coordinator("bob")) == {}
    assert calls_made(world) == before


# -- planning --------------------------------------------------------------------------------------------------------


def test_a_day_is_cut_once_so_that_a_later_run_finds_the_same_windows(world: World) -> None:
    windows = world.coordinator().plan(REQUEST, UTC, 10)
    world.api.calls = {f"call-{n}": DAY.start for n in range(1000)}
    assert world.coordinator("bob").plan(REQUEST, UTC, 10) == windows
    assert world.coordinator("bob").plan(REQUEST, UTC, 11) != windows, "another limit is another plan"
    forced = world.coordinator().plan(REQUEST, UTC, 10, force=True)
    assert len(forced) > len(windows)
    assert world.coordinator("bob").plan(REQUEST, UTC, 10) == forced


def test_each_day_of_an_interval_is_cut_by_its_own_volume(world: World) -> None:
    week = ExportWindow(DAY.start - timedelta(days=1), DAY.end + timedelta(days=1))
    windows = world.coordinator().plan(asked(week), UTC, 10)
    assert windows == blocks(DAY, timedelta(hours=6)), "the days around it are empty"


def test_history_is_made_by_exports(world: World) -> None:
    week_later = ExportWindow(DAY.start + timedelta(weeks=1), DAY.end + timedelta(weeks=1))
    world.export(REQUEST)
    world.api.volume_faults.extend([Passing("503")] * 2)
    assert world.coordinator().plan(asked(week_later), UTC, 24) == [week_later]
    assert len(world.coordinator().plan(asked(week_later), UTC, 23, force=True)) == 4


def test_a_day_that_was_always_empty_is_exported_all_the_same_where_the_platform_does_not_say(world: World) -> None:
    week_later = ExportWindow(DAY.start + timedelta(weeks=1), DAY.end + timedelta(weeks=1))
    world.api.calls = {}
    assert world.coordinator().plan(REQUEST, UTC, 10) == []
    world.api.volume_faults.append(Passing("503"))
    assert world.coordinator().plan(asked(week_later), UTC, 10) == [week_later]


def test_a_platform_that_cannot_be_spoken_to_ends_the_plan(world: World) -> None:
    world.api.volume_faults.append(NoAccess("login was refused"))
    with pytest.raises(NoAccess):
        world.coordinator().plan(REQUEST, UTC, 10)


# -- what heals ------------------------------------------------------------------------------------------------------


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


def test_a_fault_that_may_pass_is_what_a_retry_is_for(world: World) -> None:
    """Of two failures, the one that a retry may mend is raised."""
    world.api.fates.append(FAILS_SILENTLY)
    ann = world.coordinator()
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    world.archive.faults["call-1"].append(Refused("404 NoSuchKey"))
    world.archive.faults["call-7"].extend([Passing("503")] * 3)
    with pytest.raises(Passing, match="call-7"):
        ann.retrieve(job_ids)


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


# -- what a wait asks of the ledger ----------------------------------------------------------------------------------


@contextmanager
def asked_of_the_ledger(world: World) -> Iterator[Counter[str]]:
    """Counts calls by operation."""
    counts: Counter[str] = Counter()

    def counted(name: str, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        counts[name] += 1
        return operation(*args, **kwargs)

    names = [name for name in vars(Ledger) if not name.startswith("_")]
    for name in names:
        setattr(world.ledger, name, partial(counted, name, getattr(world.ledger, name)))
    yield counts
    for name in names:
        delattr(world.ledger, name)


def test_a_step_of_a_wait_that_is_not_due_asks_the_ledger_once(world: World) -> None:
    world.api.usual_fate = SLOW
    ann = world.coordinator()
    job_ids = world.submit(ann, REQUEST)
    with asked_of_the_ledger(world) as asked:
        progress = ann.follow(job_ids, ahead=60.0)
    assert progress.wait is Wait.RUNNING
    assert asked == {"renew": 1, "volumes": 1}, "what jobs of its size took is asked for once"
    with asked_of_the_ledger(world) as asked:
        ann.follow(job_ids, ahead=60.0)
    assert asked == {"renew": 1}
    assert calls_made(world) == 1


def test_a_wait_whose_turn_is_an_hour_away_asks_for_its_lease_alone(world: World) -> None:
    world.api.usual_fate = SLOW
    ann = world.coordinator(polls_per_minute=1)
    job_ids = world.submit(ann, REQUEST)
    ann.follow(job_ids)
    for _ in range(60):
        world.ledger.reserve(str(REQUEST.organisation), "polls", 1, within=1e6)
    began = world.clock()
    with asked_of_the_ledger(world) as asked:
        while world.clock() < began + 3000.0:
            world.clock.sleep(ann.follow(job_ids, ahead=60.0).seconds)
    assert set(asked) == {"renew", "reserve"}
    assert asked["renew"] == 3000 / 100 + 1
    assert asked["reserve"] == 1, "nobody asks for what was refused"
    assert world.entry(REQUEST).held_by == "ann"


def test_the_waits_of_a_process_ask_together_for_what_is_refused_to_one(world: World) -> None:
    turns = Turns()
    waits = [replace(world.coordinator(f"ann[{number}]", polls_per_minute=1), turns=turns) for number in range(24)]
    jobs = [world.submit(wait, asked(hours(number, number + 1))) for number, wait in enumerate(waits)]
    world.clock.sleep(15.0)
    with asked_of_the_ledger(world) as counts:
        progress = [wait.follow(job_ids, ahead=60.0) for wait, job_ids in zip(waits, jobs, strict=True)]
    assert [step.wait for step in progress] == [Wait.COMPLETED] + [Wait.RUNNING] * 23
    assert counts["reserve"] == 2


# -- two orchestrators -----------------------------------------------------------------------------------------------


def test_two_orchestrators_share_one_job_and_the_second_neither_polls_nor_downloads(world: World) -> None:
    world.api.usual_fate = SLOW
    ann, bob = world.coordinator("ann"), world.coordinator("bob")
    job_ids = world.submit(ann, REQUEST)
    assert world.submit(bob, REQUEST) == job_ids
    assert bob.follow(job_ids).wait is Wait.RUNNING
    assert world.api.asked["job"] == 0
    job_ids = world.wait(ann, job_ids)
    polls = world.api.asked["job"]
    assert bob.follow(job_ids).wait is Wait.COMPLETED
    assert isinstance(held := bob.retrieve(job_ids), Held)
    assert held.by == "ann"
    assert (world.api.asked["job"], world.archive.fetched) == (polls, [])
    assert ann.retrieve(job_ids) == ALL
    assert bob.retrieve(job_ids) == ALL
    assert (world.api.asked["submit"], len(world.archive.fetched)) == (1, 24)


def test_an_archived_window_is_told_whoever_holds_it(world: World) -> None:
    world.export(REQUEST)
    world.ledger.acquire(REQUEST, "cid", 300.0)
    assert world.coordinator("bob").retrieve(["job-1"]) == ALL
    assert world.entry(REQUEST).held_by == "cid"


def test_the_second_orchestrator_takes_over_when_the_first_is_gone(world: World) -> None:
    world.api.usual_fate = SLOW
    world.submit(world.coordinator("ann"), REQUEST)
    assert world.export(REQUEST, coordinator=world.coordinator("bob")) == ALL
    assert world.api.asked["submit"] == 1


def test_whoever_comes_while_another_submits_waits_and_gets_its_job(world: World) -> None:
    seen: list[object] = []
    world.api.in_post = lambda: seen.append(world.coordinator("bob").submit(REQUEST))
    assert world.coordinator("ann").submit(REQUEST) == ["job-1"]
    assert [type(outcome) for outcome in seen] == [Held]
    assert world.submit(world.coordinator("bob"), REQUEST) == ["job-1"]


def test_a_takeover_in_the_middle_of_a_transfer_is_told_as_held(world: World) -> None:
    ann = world.coordinator("ann")
    job_ids = world.wait(ann, world.submit(ann, REQUEST))

    def take_over(recording_id: str) -> None:
        world.archive.before_fetch = lambda recording_id: None
        world.clock.sleep(301.0)
        world.coordinator("bob").submit(REQUEST)
        world.ledger.acquire(REQUEST, "bob", 300.0)

    world.archive.before_fetch = take_over
    assert ann.retrieve(job_ids) == Held("bob", 300.0)
    assert world.archive.receipts == {}


def test_a_takeover_during_the_retrievers_poll_is_told_as_held(world: World) -> None:
    ann = world.coordinator("ann")
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    job = world.api.job

    def slow_job(request: ExportRequest, job_id: str) -> Any:
        world.clock.sleep(301.0)
        world.ledger.acquire(REQUEST, "bob", 300.0)
        return job(request, job_id)

    world.api.job = slow_job  # type: ignore[method-assign]
    assert ann.retrieve(job_ids) == Held("bob", 300.0)


def test_a_takeover_during_a_submission_is_told_as_held(world: World) -> None:
    def take_over() -> None:
        world.clock.sleep(301.0)
        world.ledger.acquire(REQUEST, "bob", 300.0)

    world.api.in_post = take_over
    assert world.coordinator("ann").submit(REQUEST) == Held("bob", 300.0)


# -- archived is a fact about a request and a destination ------------------------------------------------------------


def test_another_destination_is_filled_from_the_same_job_while_its_urls_live(world: World) -> None:
    world.export(REQUEST)
    elsewhere = MemoryArchive(world.api, "s3://elsewhere")
    assert world.export(REQUEST, coordinator=world.coordinator(archive=elsewhere)) == ALL
    assert world.api.asked["submit"] == 1
    assert len(elsewhere.objects) == 24
    assert world.entry(REQUEST).destinations == ("s3://calls", "s3://elsewhere")


def test_another_destination_is_filled_from_a_new_job_once_the_urls_are_dead(world: World) -> None:
    world.export(REQUEST)
    world.clock.sleep(7200.0)
    elsewhere = MemoryArchive(world.api, "s3://elsewhere")
    assert world.export(REQUEST, coordinator=world.coordinator(archive=elsewhere)) == ALL
    assert world.api.asked["submit"] == 2
    (_, attempt) = world.entry(REQUEST).attempts
    assert (attempt.number, attempt.generation) == (0, 1), "the first job is not to blame: the budget is fresh"
    before = calls_made(world)
    assert world.export(REQUEST) == ALL
    assert world.export(REQUEST, coordinator=world.coordinator(archive=elsewhere)) == ALL
    assert calls_made(world) == before


def test_an_emptied_archive_is_filled_again(world: World) -> None:
    world.export(REQUEST)
    world.archive.empty()
    assert world.export(REQUEST) == ALL
    assert len(world.archive.objects) == 24
    assert report_of(world)["complete"]


def test_a_lost_ledger_is_restored_from_the_receipt_without_a_call(world: World) -> None:
    world.export(REQUEST)
    before = calls_made(world)
    world.ledger = MemoryLedger(world.clock)
    ann = world.coordinator()
    assert ann.submit(REQUEST) == ["job-1"]
    assert world.entry(REQUEST).state is RequestState.ARCHIVED
    assert world.export(REQUEST, coordinator=ann) == ALL
    assert calls_made(world) == before
    assert report_of(world)["complete"]


def test_a_receipt_that_the_ledger_never_heard_of_is_remembered(world: World) -> None:
    """The process died between the receipt and the ledger."""
    ann = world.coordinator()
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    save = world.ledger.save

    def die(lease: Any, entry: Any, *, exclusive: bool = False) -> Any:
        if entry.state is RequestState.ARCHIVED:
            raise Killed
        return save(lease, entry, exclusive=exclusive)

    world.ledger.save = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        ann.retrieve(job_ids)
    world.ledger.save = save  # type: ignore[method-assign]
    assert world.entry(REQUEST).state is RequestState.OPEN
    before = calls_made(world), len(world.archive.fetched)
    assert world.coordinator("ann").retrieve(job_ids) == ALL
    assert world.entry(REQUEST).state is RequestState.ARCHIVED
    assert (calls_made(world), len(world.archive.fetched)) == before


def test_a_destination_that_holds_another_selection_is_refused_before_a_job_is_made(world: World) -> None:
    world.export(REQUEST)
    with pytest.raises(InvalidInput, match="give every selection a destination of its own"):
        world.coordinator().submit(asked(media_format="wav"))
    assert world.api.asked["submit"] == 1


# -- force -----------------------------------------------------------------------------------------------------------


def test_force_exports_an_archived_window_again_once_for_each_run(world: World) -> None:
    world.export(REQUEST)
    assert world.export(REQUEST, force_run="run 2") == ALL
    assert (world.api.asked["submit"], len(world.archive.fetched)) == (2, 48)
    before = calls_made(world)
    assert world.export(REQUEST, force_run="run 2") == ALL
    assert world.export(REQUEST) == ALL
    assert calls_made(world) == before
    assert report_of(world)["complete"]


def test_force_on_a_window_that_is_split_exports_every_part_again(world: World) -> None:
    world.api.fates.append(FAILS_SILENTLY)
    world.export(REQUEST)
    world.api.fates.append(FAILS_SILENTLY)
    world.archive.fetched.clear()
    assert world.export(REQUEST, force_run="run 2") == ALL
    assert len(world.archive.fetched) == 24
    assert world.api.asked["submit"] == 10
    assert report_of(world)["complete"]
    before = calls_made(world)
    assert world.export(REQUEST, force_run="run 2") == ALL
    assert calls_made(world) == before


def test_force_on_one_destination_leaves_another_alone(world: World) -> None:
    elsewhere = MemoryArchive(world.api, "s3://elsewhere")
    world.export(REQUEST, force_run="run 1")
    world.clock.sleep(7200.0)
    world.export(REQUEST, coordinator=world.coordinator(archive=elsewhere))
    world.clock.sleep(7200.0)
    before = calls_made(world)
    assert world.export(REQUEST) == ALL
    assert world.export(REQUEST, coordinator=world.coordinator(archive=elsewhere)) == ALL
    assert calls_made(world) == before


def test_a_forced_split_that_dies_before_its_children_is_exported_again_all_the_same(world: World) -> None:
    world.api.fates.append(FAILS_SILENTLY)
    world.export(REQUEST)
    entry = world.ledger.acquire(world.entry(REQUEST).request, "ann", 300.0)
    assert entry.lease is not None
    world.ledger.release(world.ledger.save(entry.lease, replace(entry, generation=1, forced_by="run 2")).lease)
    world.archive.fetched.clear()
    assert world.export(REQUEST, force_run="run 2") == ALL
    assert len(world.archive.fetched) == 24


def test_a_window_that_failed_for_another_destination_stays_archived_for_the_first(world: World) -> None:
    world.export(REQUEST)
    world.clock.sleep(7200.0)
    world.api.fates.extend([FAILS] * 4)
    elsewhere = MemoryArchive(world.api, "s3://elsewhere")
    with pytest.raises(ExportFailed, match="used up"):
        world.export(REQUEST, coordinator=world.coordinator(archive=elsewhere))
    assert world.export(REQUEST) == ALL


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


# -- deaths ----------------------------------------------------------------------------------------------------------

OPERATIONS = {
    "ledger": ("acquire", "save", "renew", "release", "entry", "record_volume", "reserve"),
    "api": ("submit", "job"),
    "archive": ("receipt", "receipt_and_version", "fetch_manifest", "fetch", "put_receipt"),
}


@contextmanager
def death_at(world: World, port: str, operation: str, nth: int, *, after: bool) -> Iterator[None]:
    """Let the n-th call of an operation kill the process: before it, or right after."""
    target, original = getattr(world, port), getattr(getattr(world, port), operation)
    calls = count(1)

    def dying(*args: Any, **kwargs: Any) -> Any:
        if next(calls) != nth:
            return original(*args, **kwargs)
        if after and isinstance(outcome := original(*args, **kwargs), Iterator):
            next(outcome)
        raise Killed

    setattr(target, operation, dying)
    yield
    delattr(target, operation)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("port", "operation"), [(port, operation) for port, operations in OPERATIONS.items() for operation in operations]
)
def test_wherever_a_process_is_killed_the_next_one_ends_with_every_recording_once(
    port: str, operation: str, after: bool
) -> None:
    """One failed job, one whose URLs expire, one that is good: a death at each call of the operation in turn."""
    for nth in count(1):
        world = new_world(Clock())
        world.api.fates.extend([replace(FAILS, seconds=20.0), replace(SLOW, lives=100.0)])
        died = False
        with death_at(world, port, operation, nth, after=after):
            try:
                world.export(REQUEST)
            except Killed:
                died = True
        counts = world.export(REQUEST)
        assert counts == ALL
        assert with_status(world.archive.receipts[DAY], "archived") == [f"call-{n}" for n in range(24)]
        assert world.coordinator().reconcile(REQUEST, [DAY]).is_complete
        assert max(Counter(world.archive.fetched).values()) == 1
        orphans = world.api.jobs.keys() - {attempt.job_id for attempt in world.entry(REQUEST).attempts}
        assert len(orphans) <= (died and operation in ("submit", "save")), "only a death in a POST may leave one"
        assert world.api.asked["submit"] <= 3 + len(orphans)
        if not died:
            assert nth > 1, "the operation is never called"
            return


# -- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"poll_interval": 0.0}, "poll_interval .0.0 s. must be above 0"),
        ({"poll_interval": 200.0}, "at most max_poll_interval .180.0 s."),
        ({"polls_per_minute": 0}, "must be above 0"),
        ({"lease_seconds": 0.0}, "must be above 0"),
    ],
)
def test_a_pace_that_makes_no_sense_is_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        Pace(**settings)


def test_a_step_that_needs_a_destination_says_so(world: World) -> None:
    coordinator = replace(world.coordinator(), archive=None)
    assert isinstance(coordinator, Coordinator)
    with pytest.raises(InvalidInput, match="needs a destination, such as s3://bucket/prefix"):
        coordinator.submit(REQUEST)


def test_lost_answers_and_a_busy_platform_end_with_every_recording(world: World) -> None:
    world.api.fates.extend([is_too_busy(30.0), LOSES_ITS_ANSWER, is_too_busy(), FAILS])
    assert world.export(REQUEST) == ALL
    assert [attempt.number for attempt in world.entry(REQUEST).attempts] == [0, 1, 2]


# -- verification and index ------------------------------------------------------------------------------------------


def test_a_day_is_held_against_what_is_stored_where_that_is_asked_for(world: World) -> None:
    world.export(REQUEST)
    assert world.coordinator().reconcile(REQUEST, [DAY]).verified is None
    assert world.archive.verified == []
    assert world.coordinator().reconcile(REQUEST, [DAY], verify=True).is_complete
    assert world.archive.verified == list(world.api.calls)
    del world.archive.objects["recordings/call-3.mp3"]
    report = world.coordinator().reconcile(REQUEST, [DAY], verify=True)
    assert report.errors == [f"window {DAY}: recording 'call-3': recordings/call-3.mp3 is not there"]
    assert world.archive.reports[DAY]["errors"] == report.errors


@pytest.mark.parametrize(
    ("index", "has_pyarrow", "writes"), [(None, True, True), (None, False, False), (True, True, True)]
)
def test_an_index_is_written_where_that_is_possible(
    world: World, index: bool | None, has_pyarrow: bool, writes: bool
) -> None:
    world.export(REQUEST)
    world.archive.has_pyarrow = has_pyarrow
    world.coordinator().reconcile(REQUEST, [DAY], index=index)
    indexes = {DAY: [(REQUEST, line) for line in world.archive.receipts[DAY]]} if writes else {}
    assert world.archive.indexes == indexes


def test_no_index_is_written_where_none_is_wanted(world: World) -> None:
    world.coordinator().reconcile(REQUEST, [], index=False)
    assert (world.archive.indexes, len(world.archive.reports)) == ({}, 1)


def test_an_index_that_can_not_be_written_is_refused_before_anything_is_read(world: World) -> None:
    world.archive.has_pyarrow = False
    with pytest.raises(InvalidInput, match=r"airflow-provider-genesys\[parquet\]"):
        world.coordinator().reconcile(REQUEST, [DAY], index=True)
    assert world.archive.reports == {}
