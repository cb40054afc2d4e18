# SPDX-License-Identifier: Apache-2.0
"""Pages of the published Platform API: by number, or by cursor."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

from aiohttp import web

from airflow_provider_genesys.simulator.errors import ApiError
from airflow_provider_genesys.simulator.platform.reading import flag_of, number_of


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
    return str(request.rel_url.update_query({name: str(value) for name, value in changes.items()}))


def paged(request: web.Request, entities: list[dict[str, Any]], most: int = 500) -> dict[str, Any]:
    """A page by number, or by cursor where ``includeTotal`` is false or a cursor is given.

    :param most: the largest page size that is accepted.
    """
    if "cursor" not in request.query and flag_of(request.query, "includeTotal", True):
        return listing(request, entities, most)
    size = number_of(request.query.get("pageSize"), "pageSize", 25, most)
    offset = cursor_of(request.query.get("cursor"))
    answer: dict[str, Any] = {
        "entities": entities[offset : offset + size],
        "pageSize": size,
        "selfUri": request.path_qs,
    }
    if offset + size < len(entities):
        answer["nextUri"] = uri_of(request, cursor=cursor_at(offset + size))
    return answer
