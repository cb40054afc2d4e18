# SPDX-License-Identifier: Apache-2.0
"""Whole stories: plan, submit, follow, retrieve, reconcile."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest

from airflow_provider_genesys.export.coordinator import Coordinator
from airflow_provider_genesys.export.errors import InvalidInput, NoAccess, Passing
from airflow_provider_genesys.export.following import Wait
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.export.pace import Pace
from airflow_provider_genesys.export.planning import blocks
from tests.export.orchestrator import ALL, DAY, World, asked, calls_made, hours, report_of

REQUEST = asked()


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
