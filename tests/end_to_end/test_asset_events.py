# SPDX-License-Identifier: Apache-2.0
"""What the day's asset tells those who wait for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_genesys.simulator import Fault
from tests.airflow_versions import asset_events, dag_bag, register, triggered_by
from tests.conftest import ROOT
from tests.end_to_end.stage import DAY, Stage

EXAMPLES = ROOT / "airflow_provider_genesys" / "example_dags"
INTERVAL = {"start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"}


def run(world: Stage, day: datetime = DAY, **params: Any) -> tuple[str, list[Any]]:
    """Run a day's DAG: its state, and the asset's updates."""
    register(dag_bag(ROOT / "dags").dags["genesys_recordings_export"])
    before = len(asset_events())
    return world.run(day, **params), asset_events()[before:]


def test_a_day_that_is_archived_updates_the_asset_with_its_counts(stage: Callable[..., Stage]) -> None:
    world = stage(faults=[{"kind": "null_urls", "every": 6}])
    state, (update,) = run(world)
    assert state == "success"
    assert update.extra == {**INTERVAL, "expected": 12, "archived": 10, "unavailable": 2, "failed": 0}


def test_a_day_that_is_incomplete_updates_nothing(stage: Callable[..., Stage]) -> None:
    world = stage()
    world.fail(Fault("storage_gone", every=12, times=None))
    assert run(world) == ("failed", [])


def test_a_day_that_may_lack_nothing_updates_nothing_where_it_does(stage: Callable[..., Stage]) -> None:
    world = stage(faults=[{"kind": "null_urls", "every": 6}])
    assert run(world, on_unavailable="fail") == ("failed", [])


def test_what_follows_is_about_the_day_that_was_reconciled(stage: Callable[..., Stage]) -> None:
    world = stage(volumes={"2024-05-01": 12, "2024-05-02": 7})
    (_, (first,)), (_, (second,)) = run(world), run(world, DAY + timedelta(days=1))
    follow_up = dag_bag(EXAMPLES).dags["example_calls_by_queue"].get_task("calls_by_queue")

    def counted(*updates: Any) -> dict[str, int]:
        counts: Counter[str] = Counter()
        params = {"archive": str(world.archive)}
        for row in follow_up.python_callable(params=params, **triggered_by(updates)):
            counts[row["date"]] += row["recordings"]
        return dict(counts)

    assert counted(first) == {"2024-05-01": 12}
    assert counted(second) == {"2024-05-02": 7}
    assert counted(first, second) == counted() == {"2024-05-01": 12, "2024-05-02": 7}
