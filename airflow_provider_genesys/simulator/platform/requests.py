# SPDX-License-Identifier: Apache-2.0
"""How requests to the published Platform API are read: bodies, intervals, pages. Everything raises ApiError 400."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from airflow_provider_genesys.simulator.errors import ApiError
from airflow_provider_genesys.simulator.times import to_ms


def interval_of(text: Any) -> tuple[int, int]:
    """``[start, end)`` in ms since 1970-01-01 UTC of an ISO 8601 interval; a time without an offset is UTC.

    :raises ApiError: 400, no interval of two times in order.
    """
    start, slash, end = text.partition("/") if isinstance(text, str) else ("", "", "")
    if not slash:
        raise ApiError(
            400,
            f"interval must be an ISO 8601 interval such as 2024-05-01T00:00:00Z/2024-05-02T00:00:00Z, not {text!r}",
        )
    try:
        first, last = to_ms(_with_offset(start)), to_ms(_with_offset(end))
    except ValueError as error:
        raise ApiError(400, f"interval must be two ISO 8601 times: {error}") from error
    if last <= first:
        raise ApiError(400, "interval must end after it starts")
    return first, last


def _with_offset(text: str) -> str:
    return text if text.endswith("Z") or "+" in text or text.count("-") > 2 else f"{text}Z"


def number_of(value: Any, name: str, default: int, most: int | None = None) -> int:
    """A whole number from 1 of a body or query.

    :param most: the largest that is accepted.
    :raises ApiError: 400, something else.
    """
    if value is None:
        return default
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if type(number) is not int or number < 1 or (most is not None and number > most):
        raise ApiError(400, f"{name} must be a whole number from 1{f' to {most}' if most else ''}, not {value!r}")
    return number


def flag_of(query: Mapping[str, str], name: str, default: bool) -> bool:
    """A boolean of a query.

    :raises ApiError: 400, something else.
    """
    text = query.get(name, str(default)).lower()
    if text not in ("true", "false"):
        raise ApiError(400, f"{name} must be true or false, not {text!r}")
    return text == "true"


def ids_of(request: web.Request, name: str) -> frozenset[str] | None:
    """The ids of a query, repeated or separated by commas; None: there are none."""
    texts = request.query.getall(name, [])
    return frozenset(each for text in texts for each in text.split(",")) if texts else None


def cursor_of(text: str | None) -> int:
    """The offset behind a cursor; 0 without one.

    :raises ApiError: 400, no cursor of the simulator's.
    """
    if text is None:
        return 0
    try:
        name, _, offset = base64.urlsafe_b64decode(text).decode().partition(":")
        if name == "offset":
            return int(offset)
    except ValueError:
        pass
    raise ApiError(400, f"cursor {text!r} is not valid")


def cursor_at(offset: int) -> str:
    """The cursor that resumes at an offset."""
    return base64.urlsafe_b64encode(f"offset:{offset}".encode()).decode()


def listing(request: web.Request, entities: Sequence[Any], most: int = 500) -> dict[str, Any]:
    """A page of entities as the platform's entity listings have it.

    :param most: the largest page size that is accepted.
    """
    size = number_of(request.query.get("pageSize"), "pageSize", 25, most)
    page = number_of(request.query.get("pageNumber"), "pageNumber", 1)
    pages = max(-(-len(entities) // size), 1)
    return {
        "entities": list(entities[(page - 1) * size : page * size]),
        "pageSize": size,
        "pageNumber": page,
        "total": len(entities),
        "pageCount": pages,
        **dict(_uris(request, page, pages)),
    }


def _uris(request: web.Request, page: int, pages: int) -> Iterator[tuple[str, str]]:
    yield "selfUri", uri_of(request, pageNumber=page)
    yield "firstUri", uri_of(request, pageNumber=1)
    yield "lastUri", uri_of(request, pageNumber=pages)
    if page < pages:
        yield "nextUri", uri_of(request, pageNumber=page + 1)
    if page > 1:
        yield "previousUri", uri_of(request, pageNumber=page - 1)


def uri_of(request: web.Request, **changes: Any) -> str:
    """A request's path and query, with other parameters."""
    query = {**request.query, **{name: str(value) for name, value in changes.items()}}
    return f"{request.path}?{urlencode(query)}"
