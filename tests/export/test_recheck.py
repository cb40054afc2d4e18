# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_genesys.export.entry import AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.errors import InvalidInput, Passing
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.export.reconciliation import Report
from tests.export.memory.archive import MemoryArchive, moved, with_status
from tests.export.memory.fates import FAILS, IS_CANCELED, Fate
from tests.export.orchestrator import DAY, MIDNIGHT, World, asked, hours

LIMIT = 5000
WINDOWS = [hours(0, 6), hours(6, 12), hours(12, 18), hours(18, 24)]


def as_guide(world: World) -> None:
    """One job takes a whole window."""


def as_batch(world: World) -> None:
    world.api.lot = 4


def as_bulk(world: World) -> None:
    world.api.delivers = True
    world.api.jobs_at_a_time = 2


WAYS = {"guide": as_guide, "batch": as_batch, "bulk": as_bulk}


@pytest.fixture(params=WAYS)
def exported(request: pytest.FixtureRequest, world: World) -> World:
    """A day with a call every hour that was exported in four windows, by each API in turn."""
    WAYS[request.param](world)
    export(world)
    return world


def export(world: World, limit: int = 6, archive: MemoryArchive | None = None) -> Report:
    """The daily DAG's run."""
    coordinator = world.coordinator("daily", archive)
    windows = coordinator.plan(asked(), UTC, limit)
    for window in windows:
        world.export(asked(window), coordinator=world.coordinator(f"daily {window}", archive))
    return coordinator.reconcile(asked(), windows)


def recheck(
    world: World, run: str = "recheck", limit: int = 6, archive: MemoryArchive | None = None
) -> list[ExportWindow]:
    """The step that finds out what is new, a week later."""
    world.clock.sleep(7 * 86_400)
    world.clock.slept.clear()
    return world.coordinator(run, archive).recheck(asked(), UTC, limit, run)


def bring(world: World, news: list[ExportWindow], run: str = "recheck", archive: MemoryArchive | None = None) -> Report:
    """The steps that follow."""
    for window in news:
        world.export(asked(window), coordinator=world.coordinator(f"{run} {window}", archive))
    return world.coordinator(run, archive).reconcile_recheck(asked(), 6, run)


def come_late(world: World, *hours_of_day: float) -> set[str]:
    """Calls that nobody knew of when the day was exported."""
    late = {f"late-{hour}": MIDNIGHT + timedelta(hours=hour) for hour in hours_of_day}
    world.api.calls.update(late)
    return set(late)


def archived(world: World) -> set[str]:
    return {one for receipt in world.archive.receipts.values() for one in with_status(receipt, "archived")}


def asked_since(world: World, work: Callable[[], Any]) -> dict[str, int]:
    """What a step asks of the platform."""
    before = world.api.asked.copy()
    work()
    return dict(world.api.asked - before)


def test_what_came_late_is_exported_and_nothing_else(exported: World) -> None:
    fetched, jobs, written = list(exported.archive.fetched), len(exported.api.jobs), dict(exported.archive.receipts)
    late = come_late(exported, 1.5, 1.6, 13.5)
    news = recheck(exported)
    assert news == [WINDOWS[0], WINDOWS[2]]
    report = bring(exported, news)
    assert set(exported.archive.fetched[len(fetched) :]) == (set() if exported.api.delivers else late)
    assert len(exported.api.jobs) == jobs + 2
    assert archived(exported) == exported.api.calls.keys()
    assert (report.expected, report.archived, report.is_complete) == (27, 27, True)
    for window in (WINDOWS[1], WINDOWS[3]):
        assert exported.archive.receipts[window] == written[window]
    for window in (WINDOWS[0], WINDOWS[2]):  # whose lines stay as they were
        objects = {(line.recording_id, line.key) for line in exported.archive.receipts[window]}
        assert {(line.recording_id, line.key) for line in written[window]} <= objects


def test_only_the_new_conversations_are_asked_for(world: World) -> None:
    as_batch(world)
    export(world)
    jobs = set(world.api.jobs)
    come_late(world, 1.5, 1.6, 13.5)
    bring(world, recheck(world))
    new = [job for job_id, job in world.api.jobs.items() if job_id not in jobs]
    assert [set(job.request.conversations) for job in new] == [{"of-late-1.5", "of-late-1.6"}, {"of-late-13.5"}]


def test_where_nothing_is_new_a_day_costs_one_count(exported: World) -> None:
    receipts = len(exported.archive.written)
    assert asked_since(exported, lambda: recheck(exported)) == {"volume": 1}
    assert len(exported.archive.written) == receipts
    checked = [exported.entry(asked(window)) for window in WINDOWS]
    assert {entry.checked_at for entry in checked} == {exported.clock.now}
    assert {entry.state for entry in checked} == {RequestState.ARCHIVED}
    assert {entry.held_by for entry in checked} == {""}


def test_what_a_recheck_brought_is_not_new_to_the_next(exported: World) -> None:
    come_late(exported, 1.5)
    bring(exported, recheck(exported))
    assert asked_since(exported, lambda: recheck(exported, "next")) == {"volume": 1}


def test_a_day_in_one_window_is_counted_once(world: World) -> None:
    export(world, LIMIT)
    assert asked_since(world, lambda: recheck(world, limit=LIMIT)) == {"volume": 1}
    come_late(world, 1.5)
    assert asked_since(world, lambda: recheck(world, limit=LIMIT)) == {"volume": 1}


def test_the_report_says_so(exported: World) -> None:
    recheck(exported, "first")
    (first,) = exported.archive.reports[DAY]["rechecks"]
    assert first == {
        "run": "first",
        "at": f"{datetime.fromtimestamp(exported.clock.now, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "windows": 4,
        "reopened": 0,
        "fewer": 0,
        "archived": 24,
        "new": 0,
    }
    come_late(exported, 1.5, 13.5, 13.6)
    news = recheck(exported, "second")
    assert exported.archive.reports[DAY]["rechecks"][1]["new"] is None, "it is not known yet"
    bring(exported, news, "second")
    told = exported.archive.reports[DAY]["rechecks"]
    assert [(one["run"], one["reopened"], one["new"]) for one in told] == [("first", 0, 0), ("second", 2, 3)]


def test_the_report_of_a_later_run_tells_the_rechecks_too(exported: World) -> None:
    recheck(exported)
    told = exported.archive.reports[DAY]["rechecks"]
    export(exported)
    assert exported.archive.reports[DAY]["rechecks"] == list(told)


def test_a_recheck_that_is_tried_again_is_told_once(exported: World) -> None:
    come_late(exported, 1.5)
    for _ in range(2):
        news = recheck(exported)
    for _ in range(2):
        bring(exported, news)
    recheck(exported)
    (told,) = exported.archive.reports[DAY]["rechecks"]
    assert (told["reopened"], told["new"]) == (1, 1)


def test_what_was_deleted_at_the_platform_stays_and_is_no_error(exported: World) -> None:
    for one in ("call-1", "call-2"):
        del exported.api.calls[one]
    assert recheck(exported) == []
    (told,) = exported.archive.reports[DAY]["rechecks"]
    assert (told["fewer"], told["new"]) == (2, 0)
    assert {"call-1", "call-2"} <= archived(exported)


@pytest.mark.parametrize("way", [as_guide, as_batch])
def test_what_was_deleted_stays_where_something_is_new_as_well(world: World, way: Callable[[World], None]) -> None:
    way(world)
    export(world)
    del world.api.calls["call-1"]
    come_late(world, 1.5, 1.6)
    report = bring(world, recheck(world))
    assert (report.archived, report.is_complete) == (26, True)
    assert "call-1" in archived(world)


@pytest.mark.parametrize("way", [as_guide, as_batch])
def test_what_was_unavailable_and_comes_back_is_archived(world: World, way: Callable[[World], None]) -> None:
    way(world)
    world.api.usual_fate = Fate(unavailable=frozenset({"call-1", "call-13"}))
    assert export(world).unavailable == 2
    fetched = len(world.archive.fetched)
    world.api.usual_fate = Fate(unavailable=frozenset({"call-13"}))
    news = recheck(world)
    assert news == [WINDOWS[0], WINDOWS[2]]
    report = bring(world, news)
    assert world.archive.fetched[fetched:] == ["call-1"]
    assert (report.archived, report.unavailable, report.is_complete) == (23, 1, True)
    assert world.archive.reports[DAY]["rechecks"][0]["new"] == 1
    assert recheck(world, "next") == [WINDOWS[2]]


def test_what_will_never_come_back_is_not_asked_for(exported: World) -> None:
    exported.api.usual_fate = Fate(unavailable=frozenset({"call-1"}))
    exported.api.elsewhere = {"call-1"}
    exported.api.exported.clear()
    export_anew = exported.coordinator("force")
    for window in WINDOWS:
        exported.export(asked(window), "force", export_anew)
    exported.api.gone_for_good = {"exported before", "no URL: its transcoding failed"}
    assert recheck(exported) == []


def test_what_was_missing_is_asked_for_with_a_budget_of_its_own(world: World) -> None:
    as_batch(world)
    world.api.silent = {"of-call-1"}
    coordinator = world.coordinator("daily")
    windows = coordinator.plan(asked(), UTC, LIMIT)
    for _ in range(6):
        with pytest.raises(Exception, match=r"not archived|used up"):
            world.export(asked(windows[0]))
    world.api.silent = set()
    jobs = len(world.api.jobs)
    news = recheck(world, limit=LIMIT)
    assert news == [DAY]
    world.export(asked())
    new = list(world.api.jobs.values())[jobs:]
    assert [job.request.conversations for job in new] == [("of-call-1",)]
    assert archived(world) == world.api.calls.keys()
    assert world.entry(asked()).state is RequestState.ARCHIVED


def test_what_was_never_exported_is_left_to_a_backfill(world: World, caplog: pytest.LogCaptureFixture) -> None:
    assert recheck(world) == []
    assert world.api.asked["volume"] == 0
    coordinator = world.coordinator("daily")
    windows = coordinator.plan(asked(), UTC, 6)
    world.export(asked(windows[0]))
    come_late(world, 7.5)
    assert recheck(world) == []
    assert "3 of 4 windows" in caplog.text
    assert "a backfill exports them" in caplog.text


def test_a_day_that_was_empty_is_planned_when_something_is_there(world: World) -> None:
    calls, world.api.calls = world.api.calls, {}
    export(world)
    assert asked_since(world, lambda: recheck(world)) == {"volume": 1}
    world.api.calls = calls
    news = recheck(world)
    assert news == WINDOWS
    assert bring(world, news).is_complete
    assert archived(world) == calls.keys()
    assert [one["new"] for one in world.archive.reports[DAY]["rechecks"]] == [24]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_window_that_was_empty_is_reopened(world: World, way: Callable[[World], None]) -> None:
    """An empty block of a day that isn't empty is a window, too."""
    way(world)
    world.api.calls = {one: start for one, start in world.api.calls.items() if start.hour not in range(6, 12)}
    export(world, 7)
    assert world.archive.receipts[WINDOWS[1]] == ()
    late = come_late(world, 7.5)
    news = recheck(world, limit=7)
    assert news == [WINDOWS[1]]
    assert bring(world, news).is_complete
    assert late <= archived(world)


def test_a_recheck_that_died_is_gone_on_with(exported: World) -> None:
    late = come_late(exported, 1.5)
    assert recheck(exported) == [WINDOWS[0]]
    entry = exported.entry(asked(WINDOWS[0]))
    assert (entry.state, entry.held_by) == (RequestState.REOPENED, "")
    assert asked_since(exported, lambda: recheck(exported, "next")).get("submit", 0) == 0
    assert exported.entry(asked(WINDOWS[0])).generation == entry.generation, "its budget is begun afresh once"
    bring(exported, recheck(exported, "next"))
    assert late <= archived(exported)


def test_the_daily_run_goes_on_with_what_a_recheck_left(exported: World) -> None:
    late = come_late(exported, 1.5)
    recheck(exported)
    assert export(exported).is_complete
    assert late <= archived(exported)
    assert exported.entry(asked(WINDOWS[0])).state is RequestState.ARCHIVED


def test_a_death_between_receipt_and_ledger_fetches_nothing_twice(exported: World) -> None:
    come_late(exported, 1.5)
    (window,) = recheck(exported)
    exported.export(asked(window))
    fetched = list(exported.archive.fetched)
    entry = exported.ledger.acquire(asked(window), "ann", 1.0)
    assert entry.lease is not None
    exported.ledger.save(entry.lease, replace(entry, state=RequestState.REOPENED))
    exported.ledger.release(entry.lease)
    bring(exported, [window])
    assert exported.archive.fetched == fetched
    assert exported.entry(asked(window)).state is RequestState.ARCHIVED


def test_two_rechecks_at_once_make_one_job_for_each_window(exported: World) -> None:
    jobs = len(exported.api.jobs)
    come_late(exported, 1.5, 13.5)
    one, other = recheck(exported, "one"), recheck(exported, "other")
    assert one == other
    bring(exported, one, "one")
    bring(exported, other, "other")
    assert len(exported.api.jobs) == jobs + 2


def test_a_window_that_somebody_holds_is_left_alone(exported: World) -> None:
    come_late(exported, 1.5)
    exported.clock.sleep(7 * 86_400)
    held = exported.ledger.acquire(asked(WINDOWS[0]), "bob", 300.0)
    assert exported.coordinator("recheck").recheck(asked(), UTC, 6, "recheck") == []
    assert exported.entry(asked(WINDOWS[0])).held_until == held.held_until


def test_a_canceled_job_is_not_replaced(world: World, caplog: pytest.LogCaptureFixture) -> None:
    export(world)
    come_late(world, 1.5)
    (window,) = recheck(world)
    world.api.fates = deque([IS_CANCELED])
    with pytest.raises(Exception, match="canceled"):
        world.export(asked(window))
    assert recheck(world, "next") == []
    assert "was canceled at Genesys Cloud" in caplog.text


def test_a_recheck_whose_jobs_failed_is_begun_afresh_by_the_next(world: World) -> None:
    export(world)
    late = come_late(world, 1.5)
    (window,) = recheck(world)
    world.api.fates = deque([FAILS] * 4)
    with pytest.raises(Exception, match="used up its 3 resubmissions"):
        world.export(asked(window))
    assert export(world).is_complete, "what was archived still is"
    assert recheck(world, "next") == [window]
    bring(world, [window], "next")
    assert late <= archived(world)


def test_a_window_that_was_forced_before_keeps_what_it_has(exported: World) -> None:
    coordinator = exported.coordinator("forced")
    if not exported.api.delivers:
        exported.export(asked(WINDOWS[0]), "forced", coordinator)
    fetched = len(exported.archive.fetched)
    late = come_late(exported, 1.5)
    bring(exported, recheck(exported))
    assert exported.archive.fetched[fetched:] == ([] if exported.api.delivers else sorted(late))


def test_a_forced_export_that_is_under_way_is_left_alone(world: World) -> None:
    export(world)
    forced = world.submit(world.coordinator("forced"), asked(WINDOWS[0]), "forced")
    world.clock.sleep(3600)
    come_late(world, 1.5)
    assert recheck(world) == []
    assert world.coordinator().current_jobs(forced) == forced


def test_each_destination_is_checked_by_its_own_receipts(world: World) -> None:
    as_batch(world)
    export(world)
    other = MemoryArchive(world.api, "s3://other")
    export(world, archive=other)
    late = come_late(world, 1.5)
    bring(world, recheck(world))
    news = recheck(world, archive=other)
    assert news == [WINDOWS[0]]
    bring(world, news, archive=other)
    assert late <= {one for receipt in other.receipts.values() for one in with_status(receipt, "archived")}


def test_another_selections_receipts_are_refused(world: World) -> None:
    export(world)
    window = WINDOWS[0]
    world.archive.receipts[window] = moved(world.archive.receipts[window], "another")
    with pytest.raises(InvalidInput, match="another organisation"):
        recheck(world)


def test_what_the_ledger_has_forgotten_is_checked_by_its_receipt(exported: World) -> None:
    for window in WINDOWS:
        entry: Entry = exported.entry(asked(window))
        assert all(exported.ledger.forget(key) for key in entry.parts)
        assert exported.ledger.forget(entry.request.key)
    assert recheck(exported) == []
    assert {exported.entry(asked(window)).state for window in WINDOWS} == {RequestState.ARCHIVED}
    late = come_late(exported, 1.5)
    fetched = len(exported.archive.fetched)
    bring(exported, recheck(exported))
    assert exported.archive.fetched[fetched:] == ([] if exported.api.delivers else sorted(late))
    assert late <= archived(exported)


def test_a_limit_that_has_changed_since_hides_no_window(exported: World) -> None:
    come_late(exported, 1.5)
    assert recheck(exported, limit=4) == [WINDOWS[0]]


def test_a_count_that_fails_leaves_no_window_held(exported: World) -> None:
    come_late(exported, 1.5)
    exported.api.volume_faults = deque([Passing("429")])
    with pytest.raises(Passing):
        recheck(exported)
    assert {exported.entry(asked(window)).held_by for window in WINDOWS} == {""}
    assert recheck(exported) == [WINDOWS[0]]


@pytest.mark.parametrize("way", [as_batch, as_bulk])
def test_a_count_of_too_many_reopens_nothing(
    world: World, way: Callable[[World], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query of analytics counts those of whole days, whosever zone these are of."""
    way(world)
    export(world)
    monkeypatch.setattr(world.api, "volume", lambda request: 100)
    assert recheck(world) == []
    assert {world.entry(asked(window)).state for window in WINDOWS} == {RequestState.ARCHIVED}


def test_the_attempts_of_before_stay(exported: World) -> None:
    come_late(exported, 1.5)
    before = exported.entry(asked(WINDOWS[0])).attempts
    bring(exported, recheck(exported))
    after = exported.entry(asked(WINDOWS[0]))
    assert after.attempts[: len(before)] == before
    assert all(one.status is AttemptStatus.COMPLETED for one in after.attempts)
