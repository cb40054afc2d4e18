# SPDX-License-Identifier: Apache-2.0
"""The published Platform API as a whole: its routes, and the secrets that its answers gave away."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from airflow_provider_genesys.simulator.platform import analytics, batch, bulk, directory, media, recordings
from airflow_provider_genesys.simulator.simulation import Simulation


def add_routes(app: web.Application) -> None:
    """Add the routes of the published API, and that of its files."""
    for part in (analytics, batch, recordings, bulk, directory, media):
        part.add_routes(app)


def issued_signatures(simulation: Simulation) -> Iterator[str]:
    """The signatures of every presigned URL that there has been."""
    yield from simulation.issued_signatures
    for each in simulation.issued_batches:
        for result in batch.results_of(each, simulation, ""):
            if "resultUrl" in result:
                yield result["resultUrl"].rpartition("X-Amz-Signature=")[2]
