# SPDX-License-Identifier: Apache-2.0
"""The filters of a conversation query: what of the platform's language is understood, and whom it matches.

A segment filter is met by a conversation of which one segment meets all of it; here a segment is an agent's leg, or
the customer's side. What is not understood is refused by name: a filter that is passed over would export too much.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_genesys.simulator.conversations import DIVISION_IDS, Conversation, Shape
from airflow_provider_genesys.simulator.errors import ApiError
from airflow_provider_genesys.simulator.universe import AGENT_IDS, QUEUE_IDS, QUEUES, is_late

Segment = Mapping[str, str]
Test = Callable[[Shape, Conversation | None], bool]

# What a shape is enough to tell.
_SHAPE_DIMENSIONS = ("mediaType", "recording", "screenRecording", "purpose", "queueId", "userId", "divisionId")
_SEGMENT_DIMENSIONS = frozenset({*_SHAPE_DIMENSIONS[:-1], "direction", "wrapUpCode", "ani", "dnis"})
_CONVERSATION_DIMENSIONS = frozenset({"divisionId", "conversationId", "originatingDirection"})
_DURATIONS: dict[str, Callable[[Conversation], int]] = {
    "tConversationDuration": lambda conversation: conversation.end_ms - conversation.start_ms,
    "tTalk": lambda conversation: sum(leg.end_ms - leg.start_ms for leg in conversation.legs),
    "tHandle": lambda conversation: sum(leg.wrapped_ms - leg.start_ms for leg in conversation.legs),
}
_BOUNDS: dict[str, Callable[[float, float], bool]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}


@dataclass(frozen=True)
class Filter:
    """Which conversations a query wants.

    :param key: the same for the same filters.
    :param by_shape: whether a conversation's shape is enough to tell.
    :param test: whether a conversation, or a shape where that is enough, is wanted.
    """

    key: str
    by_shape: bool
    test: Test


def filter_of(query: Mapping[str, Any]) -> Filter:
    """The filter of a query's ``segmentFilters`` and ``conversationFilters``.

    :raises ApiError: 400, it is malformed, or asks what the simulator does not understand.
    """
    for name in ("evaluationFilters", "surveyFilters", "resolutionFilters"):
        if query.get(name):
            raise ApiError(400, f"{name} are not simulated")
    dimensions: set[str] = set()
    wanted = {name: _objects(query.get(name), name) for name in ("segmentFilters", "conversationFilters")}
    tests = [
        *(_segment_test(each, dimensions) for each in wanted["segmentFilters"]),
        *(_conversation_test(each, dimensions) for each in wanted["conversationFilters"]),
    ]
    return Filter(
        key=json.dumps(wanted, sort_keys=True),
        by_shape=dimensions <= set(_SHAPE_DIMENSIONS),
        test=lambda shape, conversation: all(test(shape, conversation) for test in tests),
    )


def without(wanted: Filter, late: Sequence[int]) -> Filter:
    """A filter that does not find the conversations of calls that are not there yet.

    :param late: of each UTC day, each k-th of any of these numbers.
    """
    if not late:
        return wanted
    return Filter(
        key=f"{wanted.key} late {late}",
        by_shape=False,
        test=lambda shape, conversation: (
            conversation is not None and not is_late(conversation.index, late) and wanted.test(shape, conversation)
        ),
    )


def _segment_test(wanted: Mapping[str, Any], dimensions: set[str]) -> Test:
    holds = _combined(wanted, "segmentFilters", lambda predicate: _segment_predicate(predicate, dimensions))
    return lambda shape, conversation: any(holds(segment) for segment in _segments(shape, conversation))


def _conversation_test(wanted: Mapping[str, Any], dimensions: set[str]) -> Test:
    holds = _combined(wanted, "conversationFilters", lambda predicate: _conversation_predicate(predicate, dimensions))
    return lambda shape, conversation: holds((shape, conversation))


def _combined(
    wanted: Mapping[str, Any], where: str, meaning: Callable[[Mapping[str, Any]], Callable[[Any], bool]]
) -> Callable[[Any], bool]:
    """What a filter or clause asks of one subject: all of its parts, or any."""
    kind = wanted.get("type")
    if kind not in ("and", "or"):
        raise ApiError(400, f'a filter in {where} must have the type "and" or "or", not {kind!r}')
    parts = [
        *(meaning(each) for each in _objects(wanted.get("predicates"), f"predicates in {where}")),
        *(_combined(each, where, meaning) for each in _objects(wanted.get("clauses"), f"clauses in {where}")),
    ]
    if not parts:
        raise ApiError(400, f"a filter in {where} must have predicates or clauses")
    quantity = all if kind == "and" else any
    return lambda subject: quantity(part(subject) for part in parts)


def _segment_predicate(predicate: Mapping[str, Any], dimensions: set[str]) -> Callable[[Segment], bool]:
    name, operator, value = _dimension(predicate, _SEGMENT_DIMENSIONS, "segmentFilters")
    dimensions.add(name)
    if operator == "matches":
        return lambda segment: segment.get(name) == value
    return lambda segment: (name in segment) == (operator == "exists")


def _conversation_predicate(
    predicate: Mapping[str, Any], dimensions: set[str]
) -> Callable[[tuple[Shape, Conversation | None]], bool]:
    if predicate.get("type") == "metric":
        dimensions.add("metric")
        return _duration_predicate(predicate)
    name, operator, value = _dimension(predicate, _CONVERSATION_DIMENSIONS, "conversationFilters")
    dimensions.add(name)
    if operator == "matches":
        return lambda subject: value in _facts(name, *subject)
    return lambda subject: operator == "exists"


def _duration_predicate(predicate: Mapping[str, Any]) -> Callable[[tuple[Shape, Conversation | None]], bool]:
    metric, bounds = predicate.get("metric"), predicate.get("range")
    if metric not in _DURATIONS:
        raise ApiError(400, f"the metric {metric!r} is not simulated; {', '.join(_DURATIONS)} are")
    if (
        not isinstance(bounds, dict)
        or not bounds
        or not all(name in _BOUNDS and isinstance(bound, int | float) for name, bound in bounds.items())
    ):
        raise ApiError(400, f"range must have {', '.join(_BOUNDS)} with numbers of ms, not {bounds!r}")
    duration = _DURATIONS[metric]
    return lambda subject: (
        subject[1] is not None and all(_BOUNDS[name](duration(subject[1]), bound) for name, bound in bounds.items())
    )


def _dimension(predicate: Mapping[str, Any], known: frozenset[str], where: str) -> tuple[str, str, str]:
    """A predicate's dimension, operator and value."""
    name, operator = predicate.get("dimension"), predicate.get("operator", "matches")
    if predicate.get("type", "dimension") != "dimension" or name not in known:
        asked = name or predicate.get("type")
        raise ApiError(400, f"{asked!r} in {where} is not simulated; {', '.join(sorted(known))} are")
    if operator not in ("matches", "exists", "notExists"):
        raise ApiError(400, f"the operator of {name} must be matches, exists or notExists, not {operator!r}")
    value = predicate.get("value")
    if operator == "matches" and not isinstance(value, str):
        raise ApiError(400, f"{name} must match a value that is a string, not {value!r}")
    return str(name), operator, str(value)


def _segments(shape: Shape, conversation: Conversation | None) -> Iterator[Segment]:
    """The customer's side, then the agents' legs; without a conversation with what its shape knows."""
    common = {"mediaType": shape.media_type}
    if shape.recorded:
        common["recording"] = "true"
    if conversation is not None:
        common.update(direction=conversation.direction, ani=conversation.ani, dnis=conversation.dnis)
    yield {**common, "purpose": "customer"}
    for number, seat in enumerate(shape.seats):
        leg = {**common, "purpose": "agent", "userId": AGENT_IDS[seat], "queueId": QUEUE_IDS[seat % len(QUEUES)]}
        if shape.screen and number == 0:
            leg["screenRecording"] = "true"
        if conversation is not None:
            leg["wrapUpCode"] = conversation.legs[number].wrap_up_id
        yield leg


def _facts(name: str, shape: Shape, conversation: Conversation | None) -> tuple[str, ...]:
    if name == "divisionId":
        return tuple(DIVISION_IDS[number] for number in shape.divisions)
    if conversation is None:
        return ()
    return (conversation.conversation_id if name == "conversationId" else conversation.direction,)


def _objects(value: Any, where: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ApiError(400, f"{where} must be a list of objects")
    return value
