# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PureCloudPlatformClientV2.api_client import ApiClient

from airflow_provider_genesys.simulator import Simulator, Universe


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    """A day of 60 conversations, where nothing takes time."""
    universe = Universe(
        calls_per_day=54,
        details_job_seconds=0,
        batch_seconds=0,
        bulk_pending_seconds=0,
        bulk_processing_seconds=0,
        delivery_seconds=0,
        audio_bytes=2_000,
        deliver_to=str(tmp_path),
        requests_per_minute=None,
    )
    with Simulator(universe) as running:
        yield running


@pytest.fixture
def client(simulator: Simulator) -> ApiClient:
    """The SDK, signed in."""
    return ApiClient(host=simulator.url).get_client_credentials_token("demo", "demo")
