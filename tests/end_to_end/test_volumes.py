# SPDX-License-Identifier: Apache-2.0
"""Days of every size; and the same day twice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.end_to_end.stage import DAY, Stage, assert_archive_is_whole


@pytest.mark.parametrize(("recordings", "limit", "windows"), [(1, 5000, 1), (72, 50, 4), (2000, 700, 4)])
def test_a_day_is_archived_whole(stage: Callable[..., Stage], recordings: int, limit: int, windows: int) -> None:
    world = stage(volumes={"2024-05-01": recordings})

    assert world.run(max_recordings_per_job=limit) == "success"

    assert_archive_is_whole(world)
    assert set(world.downloads().values()) == {1}
    assert len(world.simulator.jobs) == world.report()["windows"] == windows
    assert_windows_tile_the_day(world)


def test_an_empty_day_is_a_success_with_an_empty_report(stage: Callable[..., Stage]) -> None:
    world = stage(volumes={"2024-05-01": 0})

    assert world.run() == "success"

    assert not world.simulator.jobs
    period = "20240501T000000Z_20240502T000000Z"
    assert world.files() == {f"reports/{period}.json", f"index/{period}.parquet"}
    assert world.report()["expected"] == world.report()["windows"] == 0
    assert world.report()["complete"] is True


def test_a_repeated_run_asks_for_nothing(stage: Callable[..., Stage]) -> None:
    world = stage(volumes={"2024-05-01": 72})
    assert world.run(max_recordings_per_job=50) == "success"
    files, requests = world.files(), dict(world.simulator.stats.requests)

    assert world.run(max_recordings_per_job=50) == "success"

    assert dict(world.simulator.stats.requests) == requests
    assert world.files() == files
    assert_archive_is_whole(world)


def test_force_exports_the_day_again(stage: Callable[..., Stage]) -> None:
    world = stage()
    assert world.run() == "success"

    assert world.run(force=True) == "success"

    assert len(world.simulator.jobs) == 2
    assert set(world.downloads().values()) == {2}
    assert_archive_is_whole(world)


def test_an_emptied_archive_gets_the_day_again_from_the_same_job(stage: Callable[..., Stage]) -> None:
    world = stage()
    assert world.run() == "success"
    for name in world.files():
        (world.archive / name).unlink()

    assert world.run() == "success"

    assert len(world.simulator.jobs) == 1
    assert_archive_is_whole(world)


def test_a_lost_ledger_is_restored_from_the_receipts(stage: Callable[..., Stage]) -> None:
    world = stage()
    assert world.run() == "success"
    for file in world.ledger.parent.glob("ledger.db*"):
        file.unlink()

    assert world.run() == "success"

    assert len(world.simulator.jobs) == 1
    assert set(world.downloads().values()) == {1}
    assert_archive_is_whole(world)


def assert_windows_tile_the_day(world: Stage) -> None:
    """Without a gap or an overlap, to the millisecond, on the wire."""
    windows = sorted((job.start_ms, job.end_ms) for job in world.simulator.jobs)
    start = int(DAY.timestamp() * 1000)
    assert windows[0][0] == start
    assert windows[-1][1] == start + 86_400_000
    assert all(end == start for (_, end), (start, _) in pairwise(windows))
