# SPDX-License-Identifier: Apache-2.0
"""What a large day costs at the published API, by a clock that is told the time: requests, minutes, and not one 429."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_genesys.api import client as client_module
from airflow_provider_genesys.api.batch import BatchApi
from airflow_provider_genesys.api.client import ClientSettings, GenesysClient
from airflow_provider_genesys.api.hosts import resolve_hosts
from airflow_provider_genesys.export.errors import ExportError
from airflow_provider_genesys.export.model import ExportWindow, Recording
from airflow_provider_genesys.export.pace import Pace
from airflow_provider_genesys.simulator import Simulator, Universe
from tests.export.memory.archive import MemoryArchive
from tests.export.memory.clock import Clock
from tests.export.memory.platform import MemoryApi
from tests.export.orchestrator import ORGANISATION, World
from tests.ledger.memory import MemoryLedger

DAY = ExportWindow(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC))
PER_MINUTE = 300
POLLS_PER_MINUTE = 60


class Shelf(MemoryArchive):
    """An archive that takes what is offered: this is about requests to the platform, not about bytes."""

    def _fault(self, recording: Recording) -> ExportError | None:
        assert recording.url is not None
        return None


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, Simulator]]:
    """An organisation with 20,000 recorded conversations on the day before, that allows 300 requests a minute."""
    monkeypatch.setattr(client_module, "_tokens", {})
    clock = Clock(DAY.end + timedelta(hours=12))
    ledger = MemoryLedger(clock)
    universe = Universe(volumes={"2024-05-01": 20_000}, requests_per_minute=PER_MINUTE, batch_seconds=60)

    def reserve() -> None:
        clock.sleep(ledger.reserve(str(ORGANISATION), "requests", PER_MINUTE, within=600.0).wait)

    with Simulator(universe, clock=clock) as simulator:
        settings = ClientSettings(resolve_hosts(simulator.url), "demo", "demo")
        client = GenesysClient(settings, before_request=reserve, sleep=clock.sleep)
        api: MemoryApi = BatchApi(client, clock=clock, sleep=clock.sleep)  # type: ignore[assignment]
        yield World(clock, api, ledger, Shelf(api), Pace(polls_per_minute=POLLS_PER_MINUTE)), simulator


def test_a_day_of_20_000_conversations_stays_within_its_budget(world: tuple[World, Simulator]) -> None:
    stage, simulator = world
    begun = stage.clock.now
    ann = stage.coordinator()
    selection = ann.request(DAY)
    windows = ann.plan(selection, UTC, 5000)
    counts: Counter[str] = Counter()
    for window in windows:
        counts += stage.export(ann.request(window), coordinator=ann)
    report = ann.reconcile(selection, windows)

    asked_for = simulator.stats.requests
    assert simulator.stats.rate_limited == 0
    assert report.is_complete
    assert counts.keys() == {"archived"}
    assert counts["archived"] > 20_000
    assert len(windows) >= 4
    assert simulator.stats.batches <= 20_000 / 100 + len(windows)
    assert asked_for["token"] == 1
    assert sum(asked_for.values()) < 900, dict(asked_for)
    assert stage.clock.now - begun < 3600
