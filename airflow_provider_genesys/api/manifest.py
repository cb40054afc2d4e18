# SPDX-License-Identifier: Apache-2.0
"""A manifest in the guide's place: what a job holds, with what analytics says of each recording's conversation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.details import Conversation
from airflow_provider_genesys.api.names import QUEUES, USERS, Names
from airflow_provider_genesys.export.model import ExportJob, ExportRequest, Recording

_SHOWN = 2
"""Of a number that is masked, so many letters or digits at its end are shown."""


@dataclass
class Manifests:
    """Writes manifests for one organisation; the names of its queues and agents are looked up once.

    :param include_numbers: whether callers' and called numbers stand there in full.
    """

    client: GenesysClient
    include_numbers: bool = False
    _queues: Names = field(init=False)
    _users: Names = field(init=False)

    def __post_init__(self) -> None:
        self._queues = Names(self.client, QUEUES)
        self._users = Names(self.client, USERS, {"state": "any"})  # an agent who left has a name all the same

    def of(self, request: ExportRequest, job: ExportJob, known: Mapping[str, Conversation]) -> dict[str, Any]:
        """The manifest of a completed job, as JSON values; its names are those of the guide's where there is one.

        :param known: what analytics says of the conversations, by id.
        """
        asked = [known[one] for one in request.conversations if one in known]
        queues = self._queues.of(queue for one in asked for queue in one.queues)
        nameless = (agent for one in asked for agent, name in one.agents if not name)
        users = self._users.of(nameless)
        described = {one.conversation_id: self._described(one, queues, users) for one in asked}
        return {
            "jobId": job.job_id,
            **request.window.to_dict(),
            "format": request.media_format,
            "conversations": list(request.conversations),
            "total": len(job.recordings),
            "recordings": [_entry(recording, described) for recording in job.recordings],
        }

    def _described(
        self, one: Conversation, queue_names: Mapping[str, str], user_names: Mapping[str, str]
    ) -> dict[str, Any]:
        agents = [{"id": agent, "name": name or user_names.get(agent, "")} for agent, name in one.agents]
        queues = [{"id": queue, "name": queue_names.get(queue, "")} for queue in one.queues]
        return {
            "startTime": _iso(one.start),
            "durationMs": None if one.end is None else round((one.end - one.start) * 1000),
            **_first("agent", agents),
            **_first("queue", queues),
            "agents": agents,
            "queues": queues,
            "disposition": one.codes[-1] if one.codes else None,
            "wrapUpCodes": list(one.codes),
            "direction": one.direction or None,
            "ani": self._number(one.ani),
            "dnis": self._number(one.dnis),
            "divisionIds": list(one.divisions),
        }

    def _number(self, number: str) -> str | None:
        """A number as it may be written: ``tel:+*********01``."""
        if self.include_numbers or not number:
            return number or None
        scheme, colon, rest = number.rpartition(":")
        hidden = {place for place, one in enumerate(rest) if one.isalnum()}
        hidden -= set(sorted(hidden)[-_SHOWN:])
        return f"{scheme}{colon}" + "".join("*" if place in hidden else one for place, one in enumerate(rest))


def _entry(recording: Recording, described: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    reason = {} if recording.reason is None else {"reason": recording.reason}
    return {
        "id": recording.recording_id,
        "conversationId": recording.conversation_id,
        "mediaType": recording.media_type,
        **reason,
        **described.get(recording.conversation_id or "", {}),
    }


def _first(kind: str, things: list[dict[str, str]]) -> dict[str, str | None]:
    first = things[0] if things else {"id": None, "name": None}
    return {f"{kind}Id": first["id"], f"{kind}Name": first["name"] or None}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
