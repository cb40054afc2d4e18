# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_genesys.api.batch import BatchApi
from airflow_provider_genesys.simulator import Simulator
from tests.api.batch.world import NOON, Build, Connect, Simulate
from tests.api.rude import RudePlatform
from tests.export.memory.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def batch(simulate: Simulate, connect: Connect, clock: Clock) -> Build:
    """The API of a simulator at noon of the day after; its jobs take no time, unless told otherwise."""

    def build(include_numbers: bool = False, **settings: Any) -> tuple[BatchApi, Simulator]:
        simulator = simulate(clock=clock, **{"details_job_seconds": 0, "batch_seconds": 0, **settings})
        client = connect(simulator.url)
        return BatchApi(client, include_numbers=include_numbers, clock=clock, sleep=clock.sleep), simulator

    return build


@pytest.fixture
def rude_api(rude: RudePlatform, connect: Connect, clock: Clock) -> BatchApi:
    return BatchApi(connect(rude.url, tries=1), clock=clock, sleep=clock.sleep)
