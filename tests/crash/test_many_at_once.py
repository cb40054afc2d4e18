# SPDX-License-Identifier: Apache-2.0
"""Eight processes over two hundred windows, killed and started again at random: one job per window all the same."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from multiprocessing.process import BaseProcess

import pytest

from airflow_provider_genesys.export.entry import AttemptStatus, RequestState
from tests.crash.world import PACE, World, assert_archive_is_whole, days, ends_well, kill

VOLUMES = {"2024-05-01": 192, "2024-05-02": 192, "2024-05-03": 24}
WINDOWS = 96 + 96 + 24
"""Quarters of an hour on the first two days, hours on the third: none has more than three recordings."""

INTERVALS = {
    "scheduled": days(2, 2),
    "scheduled again": days(2, 2),
    "backfill": days(1, 3),
    "backfill again": days(1, 3),
    "week": days(1, 2),
    "week again": days(1, 2),
    "late": days(2, 3),
    "late again": days(2, 3),
}
KILLS = 16
MOST_OF_A_WINDOW = 3


@pytest.mark.parametrize("ledger", ["postgresql"])
def test_every_window_has_one_job_whoever_dies(new_world: Callable[..., World], ledger: str) -> None:
    world = new_world(ledger, volumes=VOLUMES, job_seconds=0.1)

    def begin(name: str) -> None:
        world.begin(
            name,
            INTERVALS[name],
            pace=replace(PACE, poll_interval=0.1, lease_seconds=4.0),
            most_recordings=MOST_OF_A_WINDOW,
            at_a_time=3,
        )

    for name in INTERVALS:
        begin(name)
    running, kills = _killed_at_random(world, begin)
    assert all(ends_well(process) for process in running)

    assert_archive_is_whole(world, days(1, 3), reports=4)
    jobs = Counter((job.start_ms, job.end_ms) for job in world.simulator.jobs)
    entries = list(world.ledger.entries())
    assert len(jobs) == len(entries) == WINDOWS
    deaths_in_post = 0
    for entry in entries:
        assert entry.state is RequestState.ARCHIVED
        *dead, last = entry.attempts
        assert last.status is AttemptStatus.COMPLETED
        assert {attempt.status for attempt in dead} <= {AttemptStatus.SUBMITTING}
        deaths_in_post += len(dead)
        window = (_ms(entry.request.window.start), _ms(entry.request.window.end))
        assert jobs[window] <= 1 + len(dead), "a surplus job is one that nobody lived to write down"
    assert deaths_in_post <= kills
    fetched_again = world.fetches().total() - sum(VOLUMES.values())
    assert fetched_again <= kills * MOST_OF_A_WINDOW


def _killed_at_random(world: World, begin: Callable[[str], None]) -> tuple[list[BaseProcess], int]:
    """Kill one of the living after the other and start it again at once; who runs in the end, and how many died."""
    chance = random.Random(2024)
    running = dict(zip(INTERVALS, world.processes, strict=True))
    kills = 0
    while kills < KILLS and (alive := sorted(name for name, process in running.items() if process.is_alive())):
        time.sleep(chance.uniform(0.2, 1.0))
        name = chance.choice(alive)
        kill(running[name])
        kills += 1
        begin(name)
        running[name] = world.processes[-1]
    return list(running.values()), kills


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)
