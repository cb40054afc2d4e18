# SPDX-License-Identifier: Apache-2.0
"""The conversations of 1 May 2024, as a test knows them without asking anybody."""

from __future__ import annotations

from airflow_provider_genesys.simulator import Simulator
from airflow_provider_genesys.simulator.conversations import Conversation, Conversations

DAY = "2024-05-01T00:00:00.000Z/2024-05-02T00:00:00.000Z"
MAY_1 = 19_844


def conversations_of(simulator: Simulator, many: int = 40) -> list[Conversation]:
    """The day's first conversations."""
    world = Conversations(simulator.universe)
    return [world.at(MAY_1, position) for position in range(min(many, world.count(MAY_1)))]
