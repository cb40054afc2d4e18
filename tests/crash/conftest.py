# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_genesys.simulator import Simulator, universe_from
from tests.archive.sites import SITES, S3Site, Site
from tests.crash.driver import CLIENT, INTEGRATION, SECRET
from tests.crash.world import World, ending
from tests.end_to_end.ways import GUIDE, Way
from tests.ledger.backends import ADDRESSES
from tests.servers.holding_proxy import holding_proxy

_numbers = count()

LEDGERS = ("sqlite", "postgresql", "redis")

PLATFORM: dict[str, Any] = {
    "clients": {CLIENT: SECRET},
    "job_seconds": 0.3,
    "requests_per_minute": None,
    "polls_per_minute": None,
    "audio_bytes": 4000,
    "integration": INTEGRATION,
    "details_job_seconds": 0,
    "batch_seconds": 0.3,
    "bulk_pending_seconds": 0.3,
    "bulk_processing_seconds": 0.3,
    "delivery_seconds": 0.3,
}


BUCKETS: dict[str, Callable[[pytest.FixtureRequest, Path], Site]] = {
    "file": SITES["file"],
    "s3": lambda request, _: S3Site(request.getfixturevalue("seaweed"), f"deliveries-{next(_numbers)}", ""),
}
"""How a test gets a whole bucket to deliver into."""


def _target(site: Site) -> Any:
    """A site as the simulator delivers into it: not through the proxy, which is there for us."""
    if not isinstance(site, S3Site):
        return site.place()["root"]
    server = site.server
    server.create_bucket(site.bucket)
    keys = {"access_key": server.access_key, "secret_key": server.secret_key}
    return {"endpoint": server.endpoint, "bucket": site.bucket, **keys}


@pytest.fixture
def new_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Builds a test's world: a ledger, an archive, and what the universe has of its own."""
    with ExitStack() as stack:

        def build(
            ledger: str = "sqlite", archive: str = "file", clock: Any = None, way: Way = GUIDE, **universe: Any
        ) -> World:
            options = {} if clock is None else {"clock": clock}
            site = BUCKETS[archive](request, tmp_path) if way.delivers else SITES[archive](request, tmp_path)
            delivery = {"deliver_to": _target(site)} if way.delivers else {}
            world = universe_from({**PLATFORM, **delivery, **universe})
            simulator = stack.enter_context(Simulator(world, **options))
            proxy = stack.enter_context(holding_proxy(site.port)) if isinstance(site, S3Site) else None
            address = ADDRESSES[ledger](request)
            return stack.enter_context(ending(World(simulator, address, site, tmp_path, proxy, way)))

        yield build
