# SPDX-License-Identifier: Apache-2.0
"""The DAG on real servers: every object storage, and a ledger on PostgreSQL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.archive.sites import SITES, AzureSite, GcsSite, S3Site, ServedSite
from tests.end_to_end.stage import Stage
from tests.servers.postgres import PostgresServer


@pytest.mark.parametrize("scheme", sorted(SITES.keys() - {"file"}))
def test_a_day_goes_to_an_object_storage_with_its_ledger_on_postgres(
    request: pytest.FixtureRequest,
    stage: Callable[..., Stage],
    monkeypatch: pytest.MonkeyPatch,
    postgres: PostgresServer,
    tmp_path: Path,
    scheme: str,
) -> None:
    world = stage(volumes={"2024-05-01": 40}, large_recordings={"2024-05-01/3": 20_000_000})
    site = SITES[scheme](request, tmp_path)
    assert isinstance(site, ServedSite)
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(_connection(site)))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{site.port}")  # what Google's client goes by
    monkeypatch.setenv("AIRFLOW_CONN_GENESYS_LEDGER", postgres.create_database(f"end_to_end_{scheme}"))

    assert world.run(destination=f"{scheme}://store@calls/{tmp_path.name}") == "success"
    assert world.run(destination=f"{scheme}://store@calls/{tmp_path.name}") == "success"

    objects = site.objects()
    recordings = {key: body for key, body in objects.items() if key.startswith("recordings/")}
    assert {key: (len(body), hashlib.sha256(body).hexdigest()) for key, body in recordings.items()} == {
        f"recordings/{one}.mp3": truth for one, truth in world.sources().items()
    }
    assert json.loads(objects["reports/20240501T000000Z_20240502T000000Z.json"])["archived"] == 40
    (receipt,) = [body for key, body in objects.items() if key.startswith("receipts/")]
    assert {line["sha256"] for line in map(json.loads, receipt.splitlines())} == {
        sha256 for _, sha256 in world.sources().values()
    }
    assert len(world.simulator.jobs) == 1
    assert set(world.downloads().values()) == {1}
    assert site.unfinished() == []


def _connection(site: ServedSite) -> dict[str, Any]:
    if isinstance(site, S3Site):
        extra = {"endpoint_url": site.server.endpoint, "region_name": "us-east-1"}
        keys = {"login": site.server.access_key, "password": site.server.secret_key}
        return {"conn_type": "aws", **keys, "extra": extra}
    if isinstance(site, GcsSite):
        return {"conn_type": "google_cloud_platform", "extra": {"is_anonymous": True, "project": "tests"}}
    assert isinstance(site, AzureSite)
    return {"conn_type": "wasb", "extra": {"connection_string": site.server.connection_string}}
