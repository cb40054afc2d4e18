# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_genesys.simulator import Simulator, universe_from
from tests.archive.sites import SITES
from tests.crash.driver import CLIENT, SECRET
from tests.crash.world import World, ending
from tests.ledger.backends import ADDRESSES
from tests.servers.holding_proxy import holding_proxy

LEDGERS = ("sqlite", "postgresql", "redis")

PLATFORM: dict[str, Any] = {
    "clients": {CLIENT: SECRET},
    "job_seconds": 0.3,
    "requests_per_minute": None,
    "polls_per_minute": None,
    "audio_bytes": 4000,
}


@pytest.fixture
def new_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Builds a test's world: a ledger, an archive, and what the universe has of its own."""
    with ExitStack() as stack:

        def build(ledger: str = "sqlite", archive: str = "file", clock: Any = None, **universe: Any) -> World:
            options = {} if clock is None else {"clock": clock}
            simulator = stack.enter_context(Simulator(universe_from({**PLATFORM, **universe}), **options))
            seaweed = request.getfixturevalue("seaweed") if archive == "s3" else None
            proxy = stack.enter_context(holding_proxy(seaweed.port)) if seaweed else None
            address = ADDRESSES[ledger](request)
            site = SITES[archive](request, tmp_path)
            return stack.enter_context(ending(World(simulator, address, site, tmp_path, proxy)))

        yield build
