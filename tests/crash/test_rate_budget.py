# SPDX-License-Identifier: Apache-2.0
"""Many open jobs and few polls: none is refused, and hardly one goes unused."""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_provider_genesys.export.model import SPAN
from airflow_provider_genesys.export.pace import Pace
from tests.crash.driver import FastClock
from tests.crash.world import World, days
from tests.waiting import until

PROCESSES = 4
POLLS_PER_MINUTE = 20
SPANS = 2
SPEED = 1.5
"""All clocks run so much faster: the processes', the ledger's and the platform's. A poll may miss its slot
by 2 s of these: much faster, and a busy machine comes too late."""


def test_two_hundred_open_jobs_share_twenty_polls_a_minute(new_world: Callable[..., World]) -> None:
    clock = FastClock(time.time(), SPEED)
    volumes = {f"2024-05-{day:02}": (12, 48, 48)[day % 3] for day in range(1, 3 * PROCESSES + 1)}
    world = new_world(
        clock=clock, volumes=volumes, job_seconds=3600, polls_per_minute=POLLS_PER_MINUTE, token_seconds=1e6
    )
    for number in range(PROCESSES):
        world.begin(
            f"run {number}",
            days(3 * number + 1, 3 * number + 3),
            pace=Pace(poll_interval=15, max_poll_interval=180, polls_per_minute=POLLS_PER_MINUTE, lease_seconds=3600),
            most_recordings=3,
            at_a_time=52,
            clock=clock,
            ledger_options={"clock": clock},
            retrieves=False,
        )
    until(lambda: len(world.simulator.jobs) == 4 * 52, 40)
    until(lambda: world.simulator.stats.requests["poll"], 40)
    before = world.simulator.stats
    clock.sleep(SPANS * SPAN)
    after = world.simulator.stats

    assert after.rate_limited == 0
    polls = after.requests["poll"] - before.requests["poll"]
    assert polls >= 0.9 * POLLS_PER_MINUTE * SPANS * SPAN / 60
    assert all(process.is_alive() for process in world.processes)
