# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_genesys.api.bulk import BulkApi
from airflow_provider_genesys.simulator import Simulator
from tests.api.bulk.world import DELIVERING, INTEGRATION, NOON, PENDING, PROCESSING, Build, Connect, Simulate
from tests.api.rude import RudePlatform
from tests.export.memory.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def bulk(simulate: Simulate, connect: Connect, clock: Clock) -> Build:
    """The API of a simulator at noon of the day after; jobs take as long as the constants say."""

    def build(include_numbers: bool = False, **changes: Any) -> tuple[BulkApi, Simulator]:
        usual = {
            "clients": {"demo": "secret-that-nobody-may-see", "other": "secret-that-nobody-may-see"},
            "details_job_seconds": 0,
            "bulk_pending_seconds": PENDING,
            "bulk_processing_seconds": PROCESSING,
            "delivery_seconds": DELIVERING,
        }
        simulator = simulate(clock=clock, **usual | changes)
        client = connect(simulator.url, tries=1)
        api = BulkApi(client, INTEGRATION, include_numbers=include_numbers, clock=clock, sleep=clock.sleep)
        return api, simulator

    return build


@pytest.fixture
def rude_api(rude: RudePlatform, connect: Connect, clock: Clock) -> BulkApi:
    return BulkApi(connect(rude.url, tries=1), INTEGRATION, clock=clock, sleep=clock.sleep)
