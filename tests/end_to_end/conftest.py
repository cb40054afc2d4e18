# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_genesys.simulator import Simulator, universe_from
from tests.end_to_end.stage import QUICK_WORLD, SECRET, Stage
from tests.end_to_end.ways import GUIDE, WAYS, Way


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """Each way of exporting a day in turn."""
    return WAYS[request.param]


@pytest.fixture
def stage(migrated_airflow: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Stage]]:
    """Builds a test's world from what its universe has of its own; ``clock`` is the platform's."""
    with ExitStack() as stack:

        def build(way: Way = GUIDE, clock: Callable[[], float] = time.time, **universe: Any) -> Stage:
            bucket = {"deliver_to": str(tmp_path / "archive")} if way.delivers else {}
            world = universe_from({**QUICK_WORLD, "volumes": {"2024-05-01": 12}, **bucket, **universe})
            simulator = stack.enter_context(Simulator(world, clock=clock))
            ledger = tmp_path / "ledger.db"
            environment = {
                "AIRFLOW_CONN_GENESYS_DEFAULT": json.dumps(
                    {
                        "conn_type": "genesys",
                        "host": simulator.url,
                        "login": "tester",
                        "password": SECRET,
                        "extra": {
                            "export_api": way.export_api,
                            "integration_id": world.integration,
                            "allow_private_downloads": True,
                            "polls_per_minute": 60_000,
                            "requests_per_minute": 600_000,
                        },
                    }
                ),
                "AIRFLOW_CONN_GENESYS_LEDGER": json.dumps({"conn_type": "sqlite", "host": str(ledger)}),
            }
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            return Stage(simulator, tmp_path / "archive", ledger, way, environment)

        yield build
