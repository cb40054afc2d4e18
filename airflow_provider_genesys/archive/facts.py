# SPDX-License-Identifier: Apache-2.0
"""What a manifest says of a recording, under names of our own: what keys are made from, and columns of the index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_STARTS = ("start_time", "conversation_start")


@dataclass(frozen=True)
class Facts:
    """Each is None where the manifest doesn't say it.

    :param started_at: when the call began, in UTC.
    """

    started_at: datetime | None
    duration_seconds: float | None
    conversation_id: str | None
    agent_id: str | None
    agent_name: str | None
    queue_id: str | None
    queue_name: str | None
    disposition: str | None
    direction: str | None


def facts(metadata: Mapping[str, Any]) -> Facts:
    """Read a manifest's entry, whose names may be in camel case or in snake case."""
    milliseconds = _number(metadata, "duration_ms")
    return Facts(
        started_at=next((time for time in (_time(metadata, name) for name in _STARTS) if time), None),
        duration_seconds=_number(metadata, "duration_seconds") if milliseconds is None else milliseconds / 1000,
        conversation_id=_text(metadata, "conversation_id"),
        agent_id=_text(metadata, "agent_id"),
        agent_name=_text(metadata, "agent_name"),
        queue_id=_text(metadata, "queue_id"),
        queue_name=_text(metadata, "queue_name"),
        disposition=_text(metadata, "disposition"),
        direction=_text(metadata, "direction"),
    )


def _value(metadata: Mapping[str, Any], name: str) -> Any:
    first, *others = name.split("_")
    camel = first + "".join(word.capitalize() for word in others)
    return metadata.get(camel, metadata.get(name))


def _text(metadata: Mapping[str, Any], name: str) -> str | None:
    value = _value(metadata, name)
    known = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    return str(value) if known and value != "" else None


def _number(metadata: Mapping[str, Any], name: str) -> float | None:
    value = _value(metadata, name)
    try:
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    except OverflowError:
        return None


def _time(metadata: Mapping[str, Any], name: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(_value(metadata, name))
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
