# SPDX-License-Identifier: Apache-2.0
"""How bodies and queries of the published Platform API are read. Everything raises ApiError 400."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
