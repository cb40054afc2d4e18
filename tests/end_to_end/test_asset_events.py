# SPDX-License-Identifier: Apache-2.0
"""What the day's asset tells those who wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_genesys.simulator import Fault
from tests.airflow_versions import asset_events, dag_bag, register
from tests.conftest import ROOT
from tests.end_to_end.stage import Stage

DAY = {"start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"}


def run(world: Stage, **params: Any) -> tuple[str, list[dict[str, Any]]]:
    """Run the day's DAG: its state, and what came with the asset's updates."""
    register(dag_bag(ROOT / "dags").dags["genesys_recordings_export"])
    before = len(asset_events())
    state = world.run(**params)
    return state, [event.extra for event in asset_events()[before:]]


def test_a_day_that_is_archived_updates_the_asset_with_its_counts(stage: Callable[..., Stage]) -> None:
    world = stage(faults=[{"kind": "null_urls", "every": 6}])
    state, extras = run(world)
    assert state == "success"
    assert extras == [{**DAY, "expected": 12, "archived": 10, "unavailable": 2, "failed": 0}]


def test_a_day_that_is_incomplete_updates_nothing(stage: Callable[..., Stage]) -> None:
    world = stage()
    world.fail(Fault("storage_gone", every=12, times=None))
    assert run(world) == ("failed", [])


def test_a_day_that_may_lack_nothing_updates_nothing_where_it_does(stage: Callable[..., Stage]) -> None:
    world = stage(faults=[{"kind": "null_urls", "every": 6}])
    assert run(world, on_unavailable="fail") == ("failed", [])
