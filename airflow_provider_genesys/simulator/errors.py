# SPDX-License-Identifier: Apache-2.0
"""Errors as Genesys Cloud writes them (``ErrorBody``), and connections that just end."""

from __future__ import annotations

import uuid

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
    :param message: what the platform says about it.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def error_body(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """An ``ErrorBody`` with a context id of its own."""
    context_id = str(uuid.uuid4())
    content = {
        "message": message,
        "code": CODES[status],
        "status": status,
        "contextId": context_id,
        "details": [],
        "errors": [],
    }
    return web.json_response(content, status=status, headers={"ININ-Correlation-Id": context_id, **(headers or {})})


def drop_connection(request: web.Request) -> web.StreamResponse:
    """Close the connection with nothing more said. The response only satisfies the server; it is never sent."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()
