# SPDX-License-Identifier: Apache-2.0
"""Times between the wire (ISO 8601) and the simulator (ms since 1970-01-01 UTC)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def to_ms(text: str) -> int:
    """Read an ISO 8601 time with an offset; what is finer than a millisecond is cut off.

    :raises ValueError: not such a time, or one before 1970 or after 2199.
    """
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"{text} has no offset from UTC")
    if not 1970 <= when.year <= 2199:
        raise ValueError(f"{text} lies outside the years 1970 to 2199")
    return (when - _EPOCH) // _MS


def to_iso(ms: int, suffix: str = "Z") -> str:
    """Write a time in UTC with three decimals.

    :param suffix: ``Z`` or ``+00:00``.
    """
    return (_EPOCH + ms * _MS).isoformat(timespec="milliseconds")[:-6] + suffix
