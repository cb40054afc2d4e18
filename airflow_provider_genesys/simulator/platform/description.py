# SPDX-License-Identifier: Apache-2.0
"""A conversation as analytics describes it: participants, sessions, segments (``AnalyticsConversation``)."""

from __future__ import annotations

from typing import Any

from airflow_provider_genesys.simulator.conversations import Conversation, Leg
from airflow_provider_genesys.simulator.times import to_iso
from airflow_provider_genesys.simulator.universe import AGENT_IDS, identity

_PROVIDERS = {
    "voice": "Edge",
    "chat": "PureCloud Webchat v2",
    "email": "PureCloud Email",
    "message": "PureCloud Messaging",
}


def described(conversation: Conversation, *, attributes: bool) -> dict[str, Any]:
    """One of an answer's ``conversations``.

    :param attributes: whether participants have ``attributes``: those of a details job do, those of a query do not.
    """
    participants = [_customer(conversation)]
    for number, leg in enumerate(conversation.legs):
        participants += [_queue(conversation, number, leg), _agent(conversation, number, leg)]
    if attributes:
        participants = [{**each, "attributes": {"customerTier": "gold"}} for each in participants]
    return {
        "conversationId": conversation.conversation_id,
        "conversationStart": to_iso(conversation.start_ms),
        "conversationEnd": to_iso(conversation.end_ms),
        "originatingDirection": conversation.direction,
        "divisionIds": list(conversation.division_ids),
        "participants": participants,
    }


def _customer(conversation: Conversation) -> dict[str, Any]:
    session = {
        **_session(conversation, "customer"),
        "segments": [
            {
                "segmentStart": to_iso(conversation.start_ms),
                "segmentEnd": to_iso(conversation.legs[-1].end_ms),
                "segmentType": "interact",
                "disconnectType": "peer",
                "conference": False,
            }
        ],
    }
    return {
        "participantId": _part_id(conversation, "customer"),
        "purpose": "customer",
        "participantName": "Wireless caller",
        "sessions": [session],
    }


def _queue(conversation: Conversation, number: int, leg: Leg) -> dict[str, Any]:
    start = conversation.start_ms if number == 0 else leg.start_ms
    session = {
        **_session(conversation, f"queue {number}"),
        "recording": False,
        "segments": [
            {
                "queueId": leg.queue_id,
                "segmentStart": to_iso(start),
                "segmentEnd": to_iso(leg.start_ms),
                "segmentType": "interact",
                "disconnectType": "transfer",
                "conference": False,
            }
        ],
    }
    return {
        "participantId": _part_id(conversation, f"queue {number}"),
        "purpose": "acd",
        "participantName": leg.queue_name,
        "sessions": [session],
    }


def _agent(conversation: Conversation, number: int, leg: Leg) -> dict[str, Any]:
    last = number == len(conversation.legs) - 1
    talk, handle = leg.end_ms - leg.start_ms, leg.wrapped_ms - leg.start_ms
    session = {
        **_session(conversation, f"agent {number}"),
        "peerId": _part_id(conversation, "customer session"),
        "metrics": [
            {"emitDate": to_iso(leg.wrapped_ms), "name": "tTalk", "value": talk},
            {"emitDate": to_iso(leg.wrapped_ms), "name": "tHandle", "value": handle},
        ],
        "segments": [
            {
                "queueId": leg.queue_id,
                "segmentStart": to_iso(leg.start_ms),
                "segmentEnd": to_iso(leg.end_ms),
                "segmentType": "interact",
                "disconnectType": "client" if last else "transfer",
                "conference": False,
            },
            {
                "queueId": leg.queue_id,
                "segmentStart": to_iso(leg.end_ms),
                "segmentEnd": to_iso(leg.wrapped_ms),
                "segmentType": "wrapup",
                "wrapUpCode": leg.wrap_up_id,
                "conference": False,
            },
        ],
    }
    participant = {
        "participantId": _part_id(conversation, f"agent {number}"),
        "purpose": "agent",
        "userId": leg.agent_id,
        "screenRecording": conversation.shape.screen and number == 0,
        "sessions": [session],
    }
    # Analytics leaves some agents without a name: whoever wants it has to ask for the user.
    return participant if AGENT_IDS.index(leg.agent_id) % 2 else {**participant, "participantName": leg.agent_name}


def _session(conversation: Conversation, who: str) -> dict[str, Any]:
    session: dict[str, Any] = {
        "sessionId": _part_id(conversation, f"{who} session"),
        "mediaType": conversation.shape.media_type,
        "direction": conversation.direction,
        "provider": _PROVIDERS[conversation.shape.media_type],
        "recording": conversation.shape.recorded,
    }
    if conversation.shape.media_type == "voice":
        session.update(ani=f"tel:{conversation.ani}", dnis=f"tel:{conversation.dnis}")
    return session


def _part_id(conversation: Conversation, who: str) -> str:
    return identity(f"{conversation.conversation_id} {who}")
