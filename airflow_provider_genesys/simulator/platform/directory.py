# SPDX-License-Identifier: Apache-2.0
"""Who and what an organisation has: queues, users, wrap-up codes, integrations, clients, divisions, settings."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from airflow_provider_genesys.simulator.conversations import DIVISION_IDS, DIVISIONS, WRAP_UP_IDS
from airflow_provider_genesys.simulator.errors import ApiError
from airflow_provider_genesys.simulator.platform.paging import listing
from airflow_provider_genesys.simulator.platform.reading import ids_of
from airflow_provider_genesys.simulator.simulation import SIMULATION, Simulation
from airflow_provider_genesys.simulator.universe import (
    AGENT_IDS,
    AGENTS,
    DISPOSITIONS,
    QUEUE_IDS,
    QUEUES,
    identity,
)

ORGANISATION_ID = identity("organisation")
ROLE_ID = identity("role Recording Export")
PERMISSIONS = (
    "analytics:conversationDetail:view",
    "recording:job:add",
    "recording:job:delete",
    "recording:job:edit",
    "recording:job:view",
    "recording:recording:view",
    "recording:screenRecording:view",
    "routing:queue:view",
    "routing:wrapupCode:view",
)
INTEGRATION_TYPE = {
    "id": "aws-s3-recording-bulk-actions-integration",
    "name": "AWS S3 Recording Bulk Actions Integration",
}


def add_routes(app: web.Application) -> None:
    """Add the routes, named as the stats and faults name them."""
    for path, handler, name in (
        ("/api/v2/routing/queues", queues, "queues"),
        ("/api/v2/routing/queues/{id}", queue, "queue"),
        ("/api/v2/routing/wrapupcodes", wrap_up_codes, "wrap_up_codes"),
        ("/api/v2/routing/wrapupcodes/{id}", wrap_up_code, "wrap_up_code"),
        ("/api/v2/users", users, "users"),
        ("/api/v2/users/{id}", user, "user"),
        ("/api/v2/integrations", integrations, "integrations"),
        ("/api/v2/integrations/{id}", integration, "integration"),
        ("/api/v2/oauth/clients/{id}", oauth_client, "oauth_client"),
        ("/api/v2/authorization/roles/{id}", role, "role"),
        ("/api/v2/authorization/divisions", divisions, "divisions"),
        ("/api/v2/organizations/me", organisation, "organisation"),
        ("/api/v2/recording/settings", settings, "settings"),
    ):
        app.router.add_get(path, handler, name=name, allow_head=False)


async def queues(request: web.Request) -> web.Response:
    """``GET …/queues``: by name; ``id`` and ``name``, which may have asterisks, narrow them down."""
    return web.json_response(listing(request, _narrowed(request, _queues(request.app[SIMULATION]))))


async def queue(request: web.Request) -> web.Response:
    """``GET …/queues/{queueId}``."""
    return web.json_response(_one(request, _queues(request.app[SIMULATION]), "Queue"))


async def wrap_up_codes(request: web.Request) -> web.Response:
    """``GET …/wrapupcodes``."""
    return web.json_response(listing(request, _narrowed(request, _wrap_up_codes())))


async def wrap_up_code(request: web.Request) -> web.Response:
    """``GET …/wrapupcodes/{codeId}``."""
    return web.json_response(_one(request, _wrap_up_codes(), "Wrap-up code"))


async def users(request: web.Request) -> web.Response:
    """``GET /api/v2/users``."""
    return web.json_response(listing(request, _narrowed(request, _users())))


async def user(request: web.Request) -> web.Response:
    """``GET /api/v2/users/{userId}``; there is no ``me`` for client credentials."""
    return web.json_response(_one(request, _users(), "User"))


async def integrations(request: web.Request) -> web.Response:
    """``GET /api/v2/integrations``: the one that bulk jobs export through."""
    return web.json_response(listing(request, [_integration(request.app[SIMULATION])]))


async def integration(request: web.Request) -> web.Response:
    """``GET /api/v2/integrations/{integrationId}``: above all whether it is active."""
    return web.json_response(_one(request, [_integration(request.app[SIMULATION])], "Integration"))


async def oauth_client(request: web.Request) -> web.Response:
    """``GET /api/v2/oauth/clients/{clientId}``: its role in the divisions that it sees; never its secret."""
    simulation = request.app[SIMULATION]
    client = request.match_info["id"]
    if client not in simulation.universe.clients:
        raise ApiError(404, "OAuth client {id} not found.", id=client)
    seen = [each for number, each in enumerate(DIVISION_IDS) if number not in simulation.hidden_divisions]
    return web.json_response(
        {
            "id": client,
            "name": f"{client} (simulated)",
            "accessTokenValiditySeconds": int(simulation.universe.token_seconds),
            "authorizedGrantType": "CLIENT-CREDENTIALS",
            "roleIds": [ROLE_ID],
            "roleDivisions": [{"roleId": ROLE_ID, "divisionId": each} for each in seen],
            "state": "active",
            "selfUri": request.path,
        }
    )


async def role(request: web.Request) -> web.Response:
    """``GET /api/v2/authorization/roles/{roleId}``: what it permits."""
    known = {"id": ROLE_ID, "name": "Recording Export", "permissions": list(PERMISSIONS), "selfUri": request.path}
    return web.json_response(_one(request, [known], "Role"))


async def divisions(request: web.Request) -> web.Response:
    """``GET /api/v2/authorization/divisions``: all of the organisation's, those too that the client does not see."""
    known = [{**_division(number), "homeDivision": number == 0} for number in range(len(DIVISIONS))]
    return web.json_response(listing(request, _narrowed(request, known)))


async def organisation(request: web.Request) -> web.Response:
    """``GET /api/v2/organizations/me``."""
    return web.json_response(
        {
            "id": ORGANISATION_ID,
            "name": "Simulated Organisation",
            "domain": "simulated.example",
            "state": "active",
            "productPlatform": "GenesysCloud",
            "selfUri": f"/api/v2/organizations/{ORGANISATION_ID}",
        }
    )


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


def _queues(simulation: Simulation) -> list[dict[str, Any]]:
    return [
        {
            "id": queue_id,
            "name": QUEUES[number],
            "division": _division(number % len(DIVISIONS)),
            "memberCount": len(AGENTS) // len(QUEUES),
            "selfUri": f"/api/v2/routing/queues/{queue_id}",
        }
        for number, queue_id in enumerate(QUEUE_IDS)
        if number % len(DIVISIONS) not in simulation.hidden_divisions
    ]


def _users() -> list[dict[str, Any]]:
    return [
        {
            "id": user_id,
            "name": AGENTS[number],
            "email": f"{AGENTS[number].lower().replace(' ', '.')}@simulated.example",
            "division": _division(number % len(QUEUES) % len(DIVISIONS)),
            "state": "active",
            "version": 1,
            "selfUri": f"/api/v2/users/{user_id}",
        }
        for number, user_id in enumerate(AGENT_IDS)
    ]


def _wrap_up_codes() -> list[dict[str, Any]]:
    return [
        {"id": code_id, "name": name, "selfUri": f"/api/v2/routing/wrapupcodes/{code_id}"}
        for code_id, name in zip(WRAP_UP_IDS, DISPOSITIONS, strict=True)
    ]


def _integration(simulation: Simulation) -> dict[str, Any]:
    universe = simulation.universe
    return {
        "id": universe.integration,
        "name": INTEGRATION_TYPE["name"],
        "integrationType": INTEGRATION_TYPE,
        "intendedState": "ENABLED" if universe.integration_active else "DISABLED",
        "reportedState": {"code": "ACTIVE" if universe.integration_active else "INACTIVE"},
        "selfUri": f"/api/v2/integrations/{universe.integration}",
    }


def _division(number: int) -> dict[str, Any]:
    return {
        "id": DIVISION_IDS[number],
        "name": DIVISIONS[number],
        "selfUri": f"/api/v2/authorization/divisions/{DIVISION_IDS[number]}",
    }


def _narrowed(request: web.Request, entities: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    wanted, name = ids_of(request, "id"), request.query.get("name", "*")
    return [
        each
        for each in entities
        if (wanted is None or each["id"] in wanted) and fnmatch.fnmatchcase(each["name"].lower(), name.lower())
    ]


def _one(request: web.Request, entities: Sequence[dict[str, Any]], what: str) -> dict[str, Any]:
    wanted = request.match_info["id"]
    for each in entities:
        if each["id"] == wanted:
            return each
    raise ApiError(404, f"{what} {{id}} not found.", id=wanted)
