# SPDX-License-Identifier: Apache-2.0
"""What comes late is exported by the weekly recheck, and nothing else is; by every API."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow_provider_genesys.simulator import Fault
from tests.end_to_end.stage import DAY, Stage, assert_archive_is_whole
from tests.end_to_end.ways import BATCH, BULK, GUIDE, Way

BLOCKS: dict[str, Any] = {"max_recordings_per_job": 6}
"""Twelve calls are more than that: the day is cut into four windows."""

LATE = Fault("late_recordings", every=5)
"""Two calls of the twelve, in the second and the fourth window."""

COUNTS = {"token", "volume", "details_query", "details_submit", "details_poll", "details_results"}


def archived(world: Stage) -> set[str]:
    return {line["recording_id"] for line in world.receipts() if line["status"] == "archived"}


def asked_since(world: Stage, work: Callable[[], Any]) -> dict[str, int]:
    """What a run asks of the platform, by route."""
    before = world.simulator.stats.requests
    work()
    return dict(world.simulator.stats.requests - before)


def test_what_comes_late_is_exported_and_nothing_else(stage: Callable[..., Stage], way: Way) -> None:
    world = stage(way)
    world.fail(LATE)
    assert world.run(**BLOCKS) == "success"
    early, jobs, downloads = archived(world), world.jobs, world.downloads()
    assert early < world.sources().keys()
    world.fail()

    assert world.recheck(**BLOCKS) == "success"

    late = world.sources().keys() - early
    fetched = world.downloads() - downloads
    assert sum(fetched.values()) == (0 if way.delivers else len(late))
    assert set(fetched.values()) <= {1}
    assert world.jobs - jobs == (0 if way.media_format == "mp3" and way.export_api == "batch" else 2)
    assert_archive_is_whole(world)
    (told,) = world.report()["rechecks"]
    assert (told["windows"], told["reopened"], told["new"]) == (4, 2, len(late))

    jobs, downloads = world.jobs, world.downloads()
    again = asked_since(world, lambda: world.recheck(DAY + timedelta(days=14), **BLOCKS))
    assert set(again) <= COUNTS
    assert again["volume" if way is GUIDE else "details_submit"] == 1
    assert (world.jobs, world.downloads()) == (jobs, downloads)
    assert [one["new"] for one in world.report()["rechecks"]] == [len(late), 0]
    assert_archive_is_whole(world)


def test_what_was_unavailable_comes_back(stage: Callable[..., Stage], way: Way) -> None:
    """Of every fourth call, with ``batch`` one that has two files: while it was unavailable it had one line."""
    gone = {GUIDE: "null_urls", BULK: "failed_exports"}.get(way, "archived_media")
    world = stage(way)
    world.fail(Fault(gone, every=4))
    assert world.run() == "success"
    assert world.report()["unavailable"] >= 3
    downloads = world.downloads()
    world.fail()

    assert world.recheck() == "success"

    assert set((world.downloads() - downloads).values()) <= {1}
    assert world.downloads().total() == (0 if way.delivers else len(world.sources()))
    assert world.report()["unavailable"] == 0
    assert_archive_is_whole(world)


def test_media_that_stay_archived_are_asked_for_alone(stage: Callable[..., Stage]) -> None:
    world = stage(BATCH)
    world.fail(Fault("archived_media", every=12))
    assert world.run() == "success"
    jobs, downloads = world.jobs, world.downloads()

    assert world.recheck() == "success"

    assert (world.jobs, world.downloads()) == (jobs + 1, downloads)
    assert len(world.simulator.batches[-1].asked) == 1
    assert world.report()["unavailable"] >= 1
    assert world.report()["rechecks"][0]["new"] == 0


def test_a_day_that_was_never_exported_is_left_alone(stage: Callable[..., Stage]) -> None:
    world = stage()
    assert world.recheck() == "success"
    assert (world.jobs, world.files()) == (0, set())


def test_a_recheck_that_loses_something_fails_and_the_next_goes_on(stage: Callable[..., Stage]) -> None:
    world = stage()
    world.fail(LATE)
    world.run()
    world.fail(Fault("storage_gone", every=5, times=None))
    assert world.recheck(lease_seconds=1) == "failed"
    report = world.report()
    assert (report["complete"], report["failed"], report["rechecks"][0]["new"]) == (False, 2, 0)
    world.fail()
    time.sleep(1)  # a failed task's lease runs out
    assert world.recheck(DAY + timedelta(days=14)) == "success"
    assert_archive_is_whole(world)
