# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin: the simulator as a fixture, so that a DAG can be tested without an organisation.

pytest loads this module for everybody who has the package installed: it imports pytest alone until a fixture is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_genesys.simulator import Simulator, Universe

NO_BUDGET = 600_000
"""Requests a minute: the simulator of a test has no limit, unless its universe has."""


@pytest.fixture
def genesys_universe() -> Universe:
    """What the simulated organisation holds; override it with a :class:`.simulator.Universe` of your own.

    By default some 200 calls on every day of every year, jobs that take a tenth of a second, and no rate limits.
    """
    _require_simulator()
    from airflow_provider_genesys.simulator import Universe

    return Universe(
        job_seconds=0.1,
        batch_seconds=0.1,
        details_job_seconds=0.0,
        bulk_pending_seconds=0.1,
        bulk_processing_seconds=0.1,
        delivery_seconds=0.1,
        silent_failure_seconds=0.1,
        requests_per_minute=None,
        polls_per_minute=None,
        audio_bytes=4_000,
    )


@pytest.fixture
def genesys_connection_extra() -> dict[str, Any]:
    """Extras of the connection beside those that the simulator needs; override it with ``{"export_api": "batch"}``."""
    return {}


@pytest.fixture
def genesys_simulator(
    genesys_universe: Universe,
    genesys_connection_extra: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Simulator]:
    """A Genesys Cloud on a free port of loopback, for one test.

    ``genesys_default`` is its connection and ``genesys_ledger`` a new SQLite file, both by environment variables that
    end with the test. Its ``faults`` can be set while it runs; ``stats`` and ``jobs`` tell what was asked of it.
    """
    _require_simulator()
    from airflow_provider_genesys.simulator import Simulator

    with Simulator(genesys_universe) as simulator:
        client, secret = next(iter(genesys_universe.clients.items()))
        organisation = {
            "conn_type": "genesys",
            "host": simulator.url,
            "login": client,
            "password": secret,
            "extra": {
                "allow_private_downloads": True,
                "requests_per_minute": genesys_universe.requests_per_minute or NO_BUDGET,
                "polls_per_minute": genesys_universe.polls_per_minute or NO_BUDGET,
                "integration_id": genesys_universe.integration,
                **genesys_connection_extra,
            },
        }
        ledger = {"conn_type": "sqlite", "host": str(tmp_path / "genesys_ledger.db")}
        monkeypatch.setenv("AIRFLOW_CONN_GENESYS_DEFAULT", json.dumps(organisation))
        monkeypatch.setenv("AIRFLOW_CONN_GENESYS_LEDGER", json.dumps(ledger))
        yield simulator


def _require_simulator() -> None:
    """Say what to install where the simulator's server is missing."""
    try:
        import aiohttp  # noqa: F401
    except ImportError:
        pytest.fail("the simulator needs aiohttp: pip install 'airflow-provider-genesys[simulator]'", pytrace=False)
