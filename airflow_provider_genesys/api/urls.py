# SPDX-License-Identifier: Apache-2.0
"""How long a presigned URL lives: its signature's own words, and the organisation's setting."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit


def end_of(url: str, seconds: float, now: float) -> float:
    """When a URL ends, epoch seconds: by its own parameters or by the setting, whichever is sooner.

    Known are ``X-Amz-Date`` with ``X-Amz-Expires`` (AWS signature 4), and ``Expires``, epoch seconds (CloudFront, AWS
    signature 2). A URL that doesn't say when it was signed counts from now.

    :param seconds: the life that the organisation's settings give its URLs.
    """
    query = parse_qs(urlsplit(url).query)
    signed_at = _amz_date(query)
    ends = [(now if signed_at is None else signed_at) + seconds]
    life, expires = _number(query, "X-Amz-Expires"), _number(query, "Expires")
    if life is not None:
        ends.append((now if signed_at is None else signed_at) + life)
    if expires is not None:
        ends.append(expires)
    return min(ends)


def _amz_date(query: dict[str, list[str]]) -> float | None:
    try:
        return datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except (KeyError, ValueError):
        return None


def _number(query: dict[str, list[str]], name: str) -> float | None:
    text = query.get(name, [""])[0]
    return float(text) if text.isdecimal() else None
