# SPDX-License-Identifier: Apache-2.0
"""What a request selects, in the language of the published API's conversation queries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import ExportRequest

MEDIA = ("audio", "screen", "chat", "email", "message")
WRITTEN = ("chat", "email", "message")
"""Media of which analytics doesn't say whether a conversation was recorded."""

SHORTEST = "minDurationSeconds"
"""The one filter that is ours to apply: how long a conversation lasts is seen from its own times."""

_SEGMENT_FILTERS = ("queueId", "userId", "wrapUpCode")
_CONVERSATION_FILTERS = {"divisionId": "divisionId", "direction": "originatingDirection"}
FILTERS = (*_SEGMENT_FILTERS, *_CONVERSATION_FILTERS, SHORTEST)
"""The names that ``filters`` may have; a value is a text or a list of texts, the duration a number."""

_RECORDED: Mapping[str, dict[str, str]] = {
    "audio": {"type": "dimension", "dimension": "recording", "operator": "exists"},
    "screen": {"type": "dimension", "dimension": "screenRecording", "operator": "exists"},
}


def check_selection(request: ExportRequest) -> None:
    """Refuse what can't be selected, before any request.

    :raises InvalidInput: for an unknown filter or medium, or a value of the wrong kind.
    """
    if unknown := [name for name in request.filters if name not in FILTERS]:
        raise InvalidInput(f"filters has {', '.join(map(repr, unknown))}: the published API's are {', '.join(FILTERS)}")
    for name, value in request.filters.items():
        if name == SHORTEST:
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise InvalidInput(f"the filter {SHORTEST} must be a number of seconds, not {value!r}")
        elif not _texts(value) or not all(isinstance(one, str) and one for one in _texts(value)):
            raise InvalidInput(f"the filter {name} must be a text or a list of texts, not {value!r}")
    if not request.media or set(request.media) - set(MEDIA):
        raise InvalidInput(f"media must be one or more of {', '.join(MEDIA)}, not {list(request.media)!r}")


def query_of(request: ExportRequest) -> dict[str, Any]:
    """The conversations of a request's window that may have recordings, as a query; paging is the caller's.

    Each filter may be met by another segment of the conversation: a call that was transferred belongs to both queues.
    """
    recorded = [_RECORDED.get(medium) or _matches("mediaType", medium) for medium in request.media]
    conversation_filters = [
        _any_of(dimension, request.filters[name])
        for name, dimension in _CONVERSATION_FILTERS.items()
        if name in request.filters
    ]
    return {
        "interval": f"{_wire_time(request.window.start)}/{_wire_time(request.window.end)}",
        "order": "asc",
        "orderBy": "conversationStart",
        "segmentFilters": [
            {"type": "or", "predicates": recorded},
            *(_any_of(name, request.filters[name]) for name in _SEGMENT_FILTERS if name in request.filters),
        ],
        **({"conversationFilters": conversation_filters} if conversation_filters else {}),
    }


def _any_of(dimension: str, value: Any) -> dict[str, Any]:
    return {"type": "or", "predicates": [_matches(dimension, one) for one in _texts(value)]}


def _matches(dimension: str, value: str) -> dict[str, str]:
    return {"type": "dimension", "dimension": dimension, "operator": "matches", "value": value}


def _texts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _wire_time(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
