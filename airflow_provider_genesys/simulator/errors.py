# SPDX-License-Identifier: Apache-2.0
"""Errors as Genesys Cloud writes them (``ErrorBody``), and connections that just end."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

CODES = {
    400: "bad.request",
    401: "bad.credentials",
    403: "missing.any.permissions",
    404: "not.found",
    429: "too.many.requests",
    500: "internal.server.error",
    502: "bad.gateway",
    503: "service.unavailable",
    504: "gateway.timeout",
}


class ApiError(Exception):
    """A request that the API refuses.

    :param status: HTTP status, a key of :data:`CODES`.
    :param message: what the platform says about it; ``{name}`` stands for a parameter.
    :param parameters: the message's parameters, by name.
    """

    def __init__(self, status: int, message: str, **parameters: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.parameters = parameters


def error_body(
    status: int,
    message: str,
    headers: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    limit: Mapping[str, Any] | None = None,
) -> web.Response:
    """An ``ErrorBody`` with a context id of its own.

    :param parameters: what stands in the message for ``{name}``.
    :param limit: the limit that was reached: key, namespace, value.
    """
    context_id = str(uuid.uuid4())
    words = message
    for name, value in (parameters or {}).items():
        words = words.replace(f"{{{name}}}", value)
    content = {
        "message": words,
        "code": CODES[status],
        "status": status,
        "messageWithParams": message,
        "messageParams": dict(parameters or {}),
        "contextId": context_id,
        "details": [],
        "errors": [],
        **({"entityId": parameters["id"]} if parameters and "id" in parameters else {}),
        **({"limit": dict(limit)} if limit else {}),
    }
    return web.json_response(content, status=status, headers={"ININ-Correlation-Id": context_id, **(headers or {})})


def drop_connection(request: web.Request) -> web.StreamResponse:
    """Close the connection with nothing more said. The response only satisfies the server; it is never sent."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()
