# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_genesys.export.leases import Leases
from airflow_provider_genesys.export.submission import Submission
from tests.export.memory.clock import Clock
from tests.export.orchestrator import World, new_world
from tests.export.retriever import Ann


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> World:
    return new_world(clock)


@pytest.fixture
def leases(world: World) -> Leases:
    """Ann's leases of five minutes."""
    return Leases(world.ledger, "ann", 300.0)


@pytest.fixture
def submission(world: World, leases: Leases) -> Submission:
    """Ann's submission."""
    return Submission(world.api, world.ledger, leases, world.clock.sleep)


@pytest.fixture
def ann(world: World, leases: Leases) -> Ann:
    return Ann(world, leases, world.archive)
