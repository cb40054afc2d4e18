# SPDX-License-Identifier: Apache-2.0
"""Days of every size, by every API; and the same day twice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.end_to_end.stage import DAY, Stage, assert_archive_is_whole
from tests.end_to_end.ways import BATCH, BULK, GUIDE, TRANSCODED, Way


@pytest.mark.parametrize(
    ("way", "recordings", "limit", "windows", "jobs"),
    [
        (GUIDE, 1, 5000, 1, 1),
        (GUIDE, 72, 50, 4, 4),
        (GUIDE, 2000, 700, 4, 4),
        (BATCH, 1, 5000, 1, 1),
        (BATCH, 72, 50, 4, 4),
        (BATCH, 2000, 5000, 1, 20),
        (TRANSCODED, 1, 5000, 1, 0),
        (TRANSCODED, 120, 50, 4, 0),
        (BULK, 1, 5000, 1, 1),
        (BULK, 72, 50, 4, 4),
        (BULK, 2000, 5000, 1, 1),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else f"{value.export_api}-{value.media_format}",
)
def test_a_day_is_archived_whole(
    stage: Callable[..., Stage], way: Way, recordings: int, limit: int, windows: int, jobs: int
) -> None:
    world = stage(way, volumes={"2024-05-01": recordings})

    assert world.run(max_recordings_per_job=limit) == "success"

    assert_archive_is_whole(world)
    assert world.were_fetched(1)
    assert (world.report()["windows"], world.jobs) == (windows, jobs)
    if way is GUIDE:
        assert_windows_tile_the_day(world)


def test_an_empty_day_is_a_success_with_an_empty_report(stage: Callable[..., Stage], way: Way) -> None:
    world = stage(way, volumes={"2024-05-01": 0})

    assert world.run() == "success"

    assert not world.jobs
    period = "20240501T000000Z_20240502T000000Z"
    assert world.files() == {f"reports/{period}.json", f"index/{period}.parquet"}
    assert world.report()["expected"] == world.report()["windows"] == 0
    assert world.report()["complete"] is True


def test_windows_without_recordings_are_archived_with_the_others(stage: Callable[..., Stage]) -> None:
    world = stage(BATCH, volumes={"2024-05-01": 3})

    assert world.run(max_recordings_per_job=1) == "success"

    assert_archive_is_whole(world)
    assert world.report()["windows"] > world.jobs == 3


def test_a_repeated_run_asks_for_nothing(stage: Callable[..., Stage], way: Way) -> None:
    world = stage(way, volumes={"2024-05-01": 72})
    assert world.run(max_recordings_per_job=50) == "success"
    files, requests = world.files(), dict(world.simulator.stats.requests)

    assert world.run(max_recordings_per_job=50) == "success"

    assert dict(world.simulator.stats.requests) == requests
    assert world.files() == files
    assert_archive_is_whole(world)


def test_force_exports_the_day_again(stage: Callable[..., Stage], way: Way) -> None:
    world = stage(way)
    assert world.run() == "success"
    jobs = world.jobs

    assert world.run(force=True) == "success"

    assert world.jobs == 2 * jobs
    assert world.were_fetched(2)
    assert_archive_is_whole(world)


def test_an_emptied_archive_gets_the_day_again_from_the_same_job(stage: Callable[..., Stage], way: Way) -> None:
    world = stage(way)
    assert world.run() == "success"
    jobs = world.jobs
    world.empty()

    assert world.run() == "success"

    assert world.jobs == jobs
    assert_archive_is_whole(world)


def test_a_lost_ledger_is_restored_from_the_receipts(stage: Callable[..., Stage], way: Way) -> None:
    world = stage(way)
    assert world.run() == "success"
    jobs = world.jobs
    for file in world.ledger.parent.glob("ledger.db*"):
        file.unlink()

    assert world.run() == "success"

    assert world.jobs == jobs
    assert world.were_fetched(1)
    assert_archive_is_whole(world)


def assert_windows_tile_the_day(world: Stage) -> None:
    """Without a gap or an overlap, to the millisecond, on the wire."""
    windows = sorted((job.start_ms, job.end_ms) for job in world.simulator.jobs)
    start = int(DAY.timestamp() * 1000)
    assert windows[0][0] == start
    assert windows[-1][1] == start + 86_400_000
    assert all(end == start for (_, end), (start, _) in pairwise(windows))
