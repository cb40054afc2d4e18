# SPDX-License-Identifier: Apache-2.0
"""What every API request passes before its handler: access token, budgets, and faults of the route."""

from __future__ import annotations

import base64
import hmac
import math
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

from aiohttp import web

from airflow_provider_genesys.simulator.errors import ApiError, drop_connection, error_body
from airflow_provider_genesys.simulator.faults import Fault
from airflow_provider_genesys.simulator.simulation import SIMULATION, Simulation

# The operations on recordings of the published API share a budget that is smaller than that of all requests.
RECORDING_ROUTES = frozenset(
    {
        *("batch_submit", "batch_poll", "recordings", "metadata", "settings", "retention"),
        *("bulk_submit", "bulk_poll", "bulk_execute", "bulk_delete", "bulk_list", "bulk_failed"),
    }
)
# What a route needs, where it is not recording:job:view.
_PERMISSIONS = {
    "details_query": "analytics:conversationDetail:view",
    "details_submit": "analytics:conversationDetail:view",
    "details_poll": "analytics:conversationDetail:view",
    "details_results": "analytics:conversationDetail:view",
    "availability": "analytics:conversationDetail:view",
    "batch_submit": "recording:recording:view",
    "batch_poll": "recording:recording:view",
    "recordings": "recording:recording:view",
    "metadata": "recording:recording:view",
    "retention": "recording:recording:view",
    "settings": "recording:recording:view",
    "bulk_submit": "recording:job:add",
    "bulk_execute": "recording:job:edit",
    "bulk_delete": "recording:job:delete",
    "queues": "routing:queue:view",
    "queue": "routing:queue:view",
    "wrap_up_codes": "routing:wrapupCode:view",
    "wrap_up_code": "routing:wrapupCode:view",
    "integrations": "integrations:integration:view",
    "integration": "integrations:integration:view",
    "oauth_client": "oauth:client:view",
    "role": "authorization:role:view",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let an API request through to its handler, or answer in its place. Other requests pass."""
    if not request.path.startswith(("/api/", "/oauth/")):
        return await handler(request)
    simulation = request.app[SIMULATION]
    route = request.match_info.route.name or "unknown"
    simulation.stats.requests[route] += 1
    try:
        if route != "token":
            _spend(client_of(request), simulation, route)
        fault = simulation.plan.for_request(route)
        response = await (_MISCHIEF[fault.kind](request, handler, fault) if fault else handler(request))
    except RateLimited as error:
        response = _too_many(error, simulation)
    except ApiError as error:
        response = error_body(error.status, error.message, parameters=error.parameters)
    except web.HTTPException as error:
        response = error_body(404, f"{request.method} {request.path}: {error.reason}")
    simulation.stats.rate_limited += response.status == 429
    return response


class RateLimited(Exception):
    """A budget is spent, or a fault says so.

    :param wait: seconds until the next request may come.
    :param allowed: requests a minute; None: a daily limit, of which no header tells more.
    :param form: ``seconds``, ``date`` or ``absent``, of Retry-After.
    """

    def __init__(self, wait: float, allowed: int | None, form: str = "seconds") -> None:
        super().__init__(f"a limit of {allowed} requests a minute" if allowed is not None else "a daily limit")
        self.wait = wait
        self.allowed = allowed
        self.form = form


async def token(request: web.Request) -> web.Response:
    """``POST /oauth/token``: client credentials for an access token."""
    simulation = request.app[SIMULATION]
    client, secret = _basic(request.headers.get("Authorization", ""))
    known = simulation.universe.clients.get(client)
    if known is None or not hmac.compare_digest(known.encode(), secret.encode()):
        refusal = {"error": "invalid_client", "description": "client not found or secret wrong"}
        return web.json_response({**refusal, "error_description": refusal["description"]}, status=401)
    form = await request.post()
    if form.get("grant_type") != "client_credentials":
        refusal = {"error": "unsupported_grant_type", "description": "grant_type must be client_credentials"}
        return web.json_response({**refusal, "error_description": refusal["description"]}, status=400)
    return web.json_response(
        {
            "access_token": simulation.issue_token(client),
            "token_type": "bearer",
            "expires_in": int(simulation.universe.token_seconds),
        }
    )


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        client, _, secret = base64.b64decode(credentials).decode().partition(":")
    except ValueError:
        return "", ""
    return client, secret


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def client_of(request: web.Request) -> str:
    """The OAuth client that sent an API request.

    :raises ApiError: 401, no living token.
    """
    client = request.app[SIMULATION].client_of(_bearer(request))
    if client is None:
        raise ApiError(401, "Invalid login credentials.")
    return client


def _spend(client: str, simulation: Simulation, route: str) -> None:
    """Take a request out of its client's budgets, or refuse it and take nothing."""
    now = simulation.clock()
    budgets = [simulation.requests]
    if route == "poll":
        budgets.append(simulation.polls)
    if route in RECORDING_ROUTES:
        budgets.append(simulation.recording_requests)
    for budget in budgets:
        wait = budget.wait(client, now)
        if wait > 0:
            raise RateLimited(wait, budget.allowed)
    for budget in budgets:
        budget.spend(client, now)


def _too_many(error: RateLimited, simulation: Simulation) -> web.Response:
    seconds = max(1, math.ceil(error.wait))
    headers = {}
    if error.form == "date":
        headers["Retry-After"] = formatdate(math.ceil(simulation.clock() + error.wait), usegmt=True)
    elif error.form == "seconds":
        headers["Retry-After"] = str(seconds)
    limit: dict[str, Any] = {"key": "requests.per.day.max", "namespace": "platform.api"}
    if error.allowed is not None:
        limit = {"key": "client.credentials.token.rate.per.minute", "namespace": "platform.api", "value": error.allowed}
        headers["inin-ratelimit-count"] = str(error.allowed + 1)
        headers["inin-ratelimit-allowed"] = str(error.allowed)
        headers["inin-ratelimit-reset"] = str(seconds)
    message = "Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds"
    return error_body(429, message, headers, {"seconds": str(seconds)}, limit)


async def _server_error(request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
    raise ApiError(fault.status or 503, "The request could not be completed by the server.")


async def _rate_limited(request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
    simulation = request.app[SIMULATION]
    raise RateLimited(fault.seconds or 0, simulation.universe.requests_per_minute or 300, fault.form or "seconds")


async def _daily_limit(request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
    raise RateLimited(fault.seconds or 0, None)


async def _dropped(request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
    return drop_connection(request)


async def _invalid_json(request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
    answer = await handler(request)
    body = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b"{}"
    return web.Response(body=body[: len(body) // 2], status=answer.status, content_type="application/json")


async def _forbidden(request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
    permission = _PERMISSIONS.get(request.match_info.route.name or "", "recording:job:view")
    raise ApiError(
        403,
        "Unable to perform the requested action. You are missing the permission {permission}.",
        permission=permission,
    )


async def _revoked(request: web.Request, handler: Handler, fault: Fault) -> web.StreamResponse:
    request.app[SIMULATION].tokens.pop(_bearer(request), None)
    raise ApiError(401, "Invalid login credentials.")


_MISCHIEF: dict[str, Callable[[web.Request, Handler, Fault], Awaitable[web.StreamResponse]]] = {
    "server_errors": _server_error,
    "volume_down": _server_error,
    "rate_limited": _rate_limited,
    "daily_limits": _daily_limit,
    "dropped_connection": _dropped,
    "invalid_json": _invalid_json,
    "forbidden": _forbidden,
    "revoked_token": _revoked,
}
