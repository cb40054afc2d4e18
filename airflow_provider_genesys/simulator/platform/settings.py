# SPDX-License-Identifier: Apache-2.0
"""The organisation's settings of recordings."""

from __future__ import annotations

from aiohttp import web

from airflow_provider_genesys.simulator.simulation import SIMULATION


def add_routes(app: web.Application) -> None:
    """Add the route, named as the stats and faults name it."""
    app.router.add_get("/api/v2/recording/settings", settings, name="settings", allow_head=False)


async def settings(request: web.Request) -> web.Response:
    """``GET /api/v2/recording/settings``: above all how many minutes presigned URLs live."""
    universe = request.app[SIMULATION].universe
    return web.json_response(
        {
            "maxSimultaneousStreams": 2_000,
            "maxConfigurableScreenRecordingStreams": 2_000,
            "regionalRecordingStorageEnabled": False,
            "recordingPlaybackUrlTtl": universe.playback_url_minutes,
            "recordingBatchDownloadUrlTtl": universe.batch_url_minutes,
        }
    )
