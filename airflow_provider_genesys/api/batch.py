# SPDX-License-Identifier: Apache-2.0
"""The published API that exports recordings conversation by conversation: found by analytics, fetched by us.

As they were recorded, a hundred conversations are one batch request. As mp3 or wav, each conversation is asked for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from airflow_provider_genesys.api.analytics import Analytics
from airflow_provider_genesys.api.batchrequests import BatchRequests
from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.conversations import ConversationRecordings
from airflow_provider_genesys.api.manifest import Manifests
from airflow_provider_genesys.api.media import GONE
from airflow_provider_genesys.api.roles import roles_of_client
from airflow_provider_genesys.api.selection import WRITTEN, check_selection
from airflow_provider_genesys.api.settings import RecordingSettings
from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import AUDIO, AUTO, ExportJob, ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.export.planning import check_availability
from airflow_provider_genesys.export.ports import ExportApi

logger = logging.getLogger(__name__)

LOT = 100
"""Conversations of one job: the most that a batch request takes."""


class _Route(Protocol):
    """How the recordings of a part are had."""

    def submit(self, request: ExportRequest) -> str: ...

    def job(self, request: ExportRequest, job_id: str) -> ExportJob: ...


class BatchApi(ExportApi):
    """Batch requests and conversations' recordings behind the domain's ``ExportApi``.

    :param include_numbers: whether manifests have callers' and called numbers in full.
    :param clock: this machine's, epoch seconds.
    :param sleep: waits for a details job.
    """

    counts_conversations = True
    lot: int | None = LOT

    def __init__(
        self,
        client: GenesysClient,
        *,
        include_numbers: bool = False,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._clock = clock
        self._settings = RecordingSettings(client)
        self._analytics = Analytics(client, clock, sleep)
        self._manifests = Manifests(client, include_numbers)
        self._batches = BatchRequests(client, self._settings, clock)
        self._conversations = ConversationRecordings(client, self._settings, clock)

    def checked(self, request: ExportRequest) -> ExportRequest:
        """The request, in the original format unless it says another one.

        :raises InvalidInput: for what this API can't be asked for.
        """
        check_selection(request)
        if request.media_format in ("mp3", "wav") and request.media != AUDIO:
            raise InvalidInput(
                f"media_format {request.media_format!r} is one of audio alone: say 'original' for {list(request.media)}"
            )
        return replace(request, media_format="original") if request.media_format in ("", AUTO) else request

    def available_until(self) -> float:
        """Until when analytics knows what was recorded, epoch seconds: its data lake trails by up to a day."""
        return self._analytics.available_until()

    def volume(self, request: ExportRequest) -> int:
        """How many conversations of the window were recorded."""
        return self._analytics.count(request)

    def recorded(self, request: ExportRequest) -> list[str]:
        """The conversations of a window that were recorded."""
        return list(self._analytics.recorded(request))

    def may_come_back(self, reason: str) -> bool:
        """Whatever is not known to be deleted."""
        return reason != GONE["DELETED"]

    def countable_since(self) -> float:
        """Since when a day is counted by one query of analytics, epoch seconds."""
        return self._analytics.countable_since()

    def parts(self, request: ExportRequest) -> list[tuple[str, ...]]:
        """The conversations of a window that were recorded, by their start, in lots of a hundred."""
        check_availability(request.window, self.available_until())
        found = self.recorded(request)
        return [tuple(found[start : start + LOT]) for start in range(0, len(found), LOT)]

    def submit(self, request: ExportRequest) -> str:
        """Make a job for a part and return its id."""
        return self._route(request).submit(request)

    def job(self, request: ExportRequest, job_id: str) -> ExportJob:
        """Ask for a part's job once."""
        return self._route(request).job(request, job_id)

    def manifest(self, request: ExportRequest, job: ExportJob) -> Mapping[str, Any]:
        """What the job holds, with what analytics says of each recording's conversation."""
        return self._manifests.of(request, job, self._analytics.recorded(request.whole))

    def missing(self, request: ExportRequest, job: ExportJob) -> Sequence[str]:
        """The conversations of a part that were recorded and for which the job holds nothing.

        Of written media analytics doesn't say whether they were recorded: nothing is missed there.
        """
        came = {recording.conversation_id for recording in job.recordings}
        silent = [one for one in request.conversations if one not in came]
        if not silent or set(WRITTEN).isdisjoint(request.media):
            return silent
        known = self._analytics.recorded(request.whole)
        return [one for one in silent if one in known and not known[one].recorded.isdisjoint(request.media)]

    def answers(self, organisation: Organisation) -> str:
        """What the organisation answers to each call that an export needs: for a connection's test.

        :raises ExportError: for the first that is refused, with the permission that it needs.
        """
        end = datetime.fromtimestamp(self._clock(), UTC)
        window = ExportWindow(end - timedelta(days=1), end)
        hits, shown = self._analytics.glance(self.checked(ExportRequest(organisation, window, "")))
        divisions = {division for one in shown for division in one.divisions}
        until = datetime.fromtimestamp(self.available_until(), UTC)
        self._batches.probe()
        minutes = (self._settings.batch_url_seconds / 60, self._settings.playback_url_seconds / 60)
        return (
            f"{hits} recorded conversations yesterday and today, the first of them in {len(divisions)} divisions; "
            f"analytics reaches to {until:%Y-%m-%d %H:%M} UTC; batch requests may be read; URLs live "
            f"{minutes[0]:.0f} minutes ({minutes[1]:.0f} for mp3 and wav); {roles_of_client(self._client)}"
        )

    def _route(self, request: ExportRequest) -> _Route:
        if not request.conversations:
            raise InvalidInput(f"window {request.window} has no job of its own at this API: only its parts have")
        return self._batches if request.media_format == "original" else self._conversations
