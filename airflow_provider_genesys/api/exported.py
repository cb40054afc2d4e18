# SPDX-License-Identifier: Apache-2.0
"""What becomes of recordings that bulk jobs export, conversation by conversation: delivered, on its way, or never.

A request for each conversation: it is asked only of those whose recordings the bucket does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.errors import ApiRefused, Call
from airflow_provider_genesys.api.media import GONE
from airflow_provider_genesys.export.errors import Passing
from airflow_provider_genesys.export.model import Recording

EXPORTED_BEFORE = "it was exported before"
"""How the reason begins of a recording that no bulk job will ever bring."""

METADATA = Call("GET", "/api/v2/conversations/{conversation_id}/recordingmetadata", "Recording > Recording > View")


@dataclass(frozen=True)
class Exported:
    """Looks up recordings' export dates."""

    client: GenesysClient

    def of(self, conversations: Iterable[str], media: Iterable[str], since: float) -> Iterator[Recording]:
        """The recordings of conversations, as they are to a job: with a reason, those that it will never deliver.

        :param media: the kinds that were asked for.
        :param since: when the job was made, epoch seconds: what was exported before is not exported again.
        """
        wanted = set(media)
        for conversation_id in conversations:
            for entry in self._entries(conversation_id):
                if str(entry.get("media") or "audio") in wanted:
                    reason = _reason(entry, since)
                    yield Recording(str(entry["id"]), None, reason=reason, conversation_id=conversation_id)

    def _entries(self, conversation_id: str) -> list[Mapping[str, Any]]:
        """What is known of a conversation's recordings. One that isn't known has none."""
        try:
            entries = self.client.entries(METADATA, ids={"conversation_id": conversation_id})
        except ApiRefused as refused:
            if refused.body.status != 404:
                raise
            return []
        if entries is None or not all(isinstance(entry, Mapping) and entry.get("id") for entry in entries):
            raise Passing(f"{METADATA}: conversation {conversation_id} has a recording without an id")
        return entries


def _reason(entry: Mapping[str, Any], since: float) -> str | None:
    """Why a recording will not come; None for one that may."""
    exported = str(entry.get("exportedDate") or "")
    at = _epoch(exported)
    if at is not None and at < since:
        return f"{EXPORTED_BEFORE}, on {exported}, and Genesys Cloud exports nothing twice"
    return GONE.get(str(entry.get("fileState") or "").upper()) if at is None else None


def _epoch(text: str) -> float | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
