# SPDX-License-Identifier: Apache-2.0
"""What analytics says of one conversation, as far as it is of use to an archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_genesys.api.selection import WRITTEN


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation; ids are the platform's, times epoch seconds.

    :param end: None for one that was still going on.
    :param recorded: the media of which analytics says that they were recorded.
    :param written: the written media that it went over: whether those were recorded, analytics doesn't say.
    :param agents: id and name, in order of appearance; the name is empty where analytics leaves it out.
    :param queues: ids, in order of appearance.
    :param codes: wrap-up codes, in order.
    """

    conversation_id: str
    start: float
    end: float | None
    recorded: frozenset[str]
    written: frozenset[str]
    agents: tuple[tuple[str, str], ...]
    queues: tuple[str, ...]
    codes: tuple[str, ...]
    ani: str
    dnis: str
    direction: str
    divisions: tuple[str, ...]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Conversation:
        """Read one of an answer's ``conversations``.

        :raises ValueError: for one without an id or a start: it could not be told where it belongs.
        """
        participants = [*_objects(answer.get("participants"))]
        sessions = [session for one in participants for session in _objects(one.get("sessions"))]
        segments = [segment for session in sessions for segment in _objects(session.get("segments"))]
        start = _epoch(answer.get("conversationStart"))
        conversation_id = answer.get("conversationId")
        if not conversation_id or start is None:
            raise ValueError("a conversation has no id or no start")
        recorded = {"audio"} if any(_is_recorded_call(session) for session in sessions) else set()
        if any(one.get("screenRecording") is True for one in (*participants, *sessions)):
            recorded.add("screen")
        return cls(
            conversation_id=str(conversation_id),
            start=start,
            end=_epoch(answer.get("conversationEnd")),
            recorded=frozenset(recorded),
            written=frozenset(str(session.get("mediaType")) for session in sessions) & frozenset(WRITTEN),
            agents=_agents(participants),
            queues=_distinct(segments, "queueId"),
            codes=_distinct(segments, "wrapUpCode"),
            ani=next(iter(_distinct(sessions, "ani")), ""),
            dnis=next(iter(_distinct(sessions, "dnis")), ""),
            direction=str(answer.get("originatingDirection") or next(iter(_distinct(sessions, "direction")), "")),
            divisions=tuple(str(one) for one in answer.get("divisionIds") or ()),
        )


def _is_recorded_call(session: Mapping[str, Any]) -> bool:
    return session.get("recording") is True and session.get("mediaType") not in WRITTEN


def _agents(participants: list[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    agents: dict[str, str] = {}
    for one in participants:
        if one.get("purpose") == "agent" and one.get("userId"):
            user_id = str(one["userId"])
            agents[user_id] = agents.get(user_id) or str(one.get("participantName") or "")
    return tuple(agents.items())


def _distinct(objects: list[Mapping[str, Any]], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(one[name]) for one in objects if one.get(name)))


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in value or () if isinstance(one, Mapping))


def _epoch(text: object) -> float | None:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time.timestamp() if time.tzinfo else None
