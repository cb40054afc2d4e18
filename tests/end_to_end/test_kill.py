# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at the worst moments: started again, a whole archive, at most one more job, nothing left over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.end_to_end.stage import DAY, Stage, assert_archive_is_whole, kill
from tests.end_to_end.ways import BATCH, BULK, GUIDE, TRANSCODED, Way

SECONDS_TO_START = 60


@pytest.mark.parametrize(
    ("way", "point", "nth", "jobs"),
    [
        (GUIDE, "submit:before", 1, 1),
        (GUIDE, "submit:after", 1, 2),
        (GUIDE, "recording", 1, 1),
        (GUIDE, "recording", 7, 1),
        (BATCH, "submit:before", 1, 1),
        (BATCH, "submit:after", 1, 2),
        (BATCH, "poll", 1, 1),
        (BATCH, "recording", 7, 1),
        (TRANSCODED, "transcoding", 1, 0),
        (TRANSCODED, "transcoding", 15, 0),
        (TRANSCODED, "recording", 1, 0),
        (TRANSCODED, "recording", 7, 0),
        (BULK, "submit:before", 1, 1),
        (BULK, "submit:after", 1, 1),
        (BULK, "execute:before", 1, 1),
        (BULK, "execute:after", 1, 1),
        (BULK, "poll", 2, 1),
        (BULK, "poll", 4, 1),
    ],
    ids=lambda value: str(value) if isinstance(value, int | str) else f"{value.export_api}-{value.media_format}",
)
def test_a_killed_run_is_made_good(stage: Callable[..., Stage], way: Way, point: str, nth: int, jobs: int) -> None:
    world = stage(way)
    world.simulator.hold(point, nth)
    with world.process() as process:
        world.simulator.wait_until_held(SECONDS_TO_START)
        kill(process)
    world.simulator.release()

    assert world.run() == "success"

    assert_archive_is_whole(world)
    assert world.jobs == jobs
    assert max(world.downloads().values(), default=0) <= 2


def test_two_runs_at_once_share_one_job_and_its_downloads(stage: Callable[..., Stage], way: Way) -> None:
    world = stage(way, volumes={"2024-05-01": 72}, job_seconds=2.0, batch_seconds=2.0)

    same_day = {"start": DAY.isoformat(), "end": (DAY + timedelta(days=1)).isoformat()}
    with world.process() as one, world.process(DAY + timedelta(days=1), **same_day) as other:
        assert (one.wait(120), other.wait(120)) == (0, 0)

    assert world.jobs == (0 if way is TRANSCODED else 1)
    assert world.were_fetched(1)
    assert_archive_is_whole(world)
