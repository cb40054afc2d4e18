# SPDX-License-Identifier: Apache-2.0
"""The published API that has Genesys Cloud export recordings by itself, into the bucket of an integration.

Nothing is downloaded here. What a job has done is seen from its own counts, from the bucket, and, for what the bucket
lacks, from the export dates of recordings.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_genesys.api.analytics import Analytics, is_wanted
from airflow_provider_genesys.api.bulkjobs import SLOTS, BulkJobs
from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.details import Conversation
from airflow_provider_genesys.api.exported import EXPORTED_BEFORE, Exported
from airflow_provider_genesys.api.integrations import active_integration
from airflow_provider_genesys.api.manifest import Manifests
from airflow_provider_genesys.api.media import GONE
from airflow_provider_genesys.api.roles import roles_of_client
from airflow_provider_genesys.api.selection import SHORTEST, WRITTEN, check_selection
from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import (
    AUTO,
    Delivery,
    ExportJob,
    ExportRequest,
    ExportWindow,
    Organisation,
    Recording,
)
from airflow_provider_genesys.export.planning import check_availability
from airflow_provider_genesys.export.ports import ExportApi


class BulkApi(ExportApi):
    """Bulk jobs behind the domain's ``ExportApi``.

    :param integration_id: of the integration whose bucket receives the recordings.
    :param include_numbers: whether manifests have callers' and called numbers in full.
    """

    delivers = True
    counts_conversations = True
    jobs_at_a_time: int | None = SLOTS

    def __init__(
        self,
        client: GenesysClient,
        integration_id: str,
        *,
        include_numbers: bool = False,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._integration_id = integration_id
        self._clock = clock
        self._analytics = Analytics(client, clock, sleep)
        self._manifests = Manifests(client, include_numbers)
        self._jobs = BulkJobs(client, integration_id, clock)
        self._exported = Exported(client)
        self._active: dict[str, dict[str, Conversation]] = {}

    def checked(self, request: ExportRequest) -> ExportRequest:
        """The request, in the original format.

        :raises InvalidInput: for what this API can't be asked for.
        """
        check_selection(request)
        if request.media_format not in ("", AUTO, "original"):
            raise InvalidInput(
                f"media_format is {request.media_format!r}, and bulk jobs export what was recorded: say original, or "
                "set the connection's extra 'export_api' to batch"
            )
        if SHORTEST in request.filters:
            raise InvalidInput(f"bulk jobs know no filter {SHORTEST}: leave it out, or set 'export_api' to batch")
        if "screen" in request.media and "audio" not in request.media:
            raise InvalidInput("bulk jobs export a call's audio with its screen: say media audio and screen")
        return replace(request, media_format="original")

    def available_until(self) -> float:
        """Until when analytics knows what was recorded, epoch seconds: bulk jobs ask the same data lake."""
        return self._analytics.available_until()

    def parts(self, request: ExportRequest) -> None:
        """One job takes a whole window, once the data lake has reached its end."""
        check_availability(request.window, self.available_until())

    def volume(self, request: ExportRequest) -> int:
        """How many conversations of the window were recorded."""
        return self._analytics.count(request)

    def recorded(self, request: ExportRequest) -> list[str]:
        """The conversations of a window that were recorded."""
        return list(self._analytics.recorded(request))

    def may_come_back(self, reason: str) -> bool:
        """Neither what is deleted nor what was exported before."""
        return reason != GONE["DELETED"] and not reason.startswith(EXPORTED_BEFORE)

    def countable_since(self) -> float:
        """Since when a day is counted by one query of analytics, epoch seconds."""
        return self._analytics.countable_since()

    def submit(self, request: ExportRequest) -> str:
        """Make a job for a window, which then waits to be started."""
        return self._jobs.submit(request)

    def rehearse(self, request: ExportRequest) -> str:
        """Make a job that nobody will start, unless one was left behind."""
        return self._jobs.orphan(request, (), rehearsal=True) or self._jobs.submit(request, rehearsal=True)

    def orphan(self, request: ExportRequest, known: Collection[str]) -> str | None:
        """A job that was made for the request and whose id never arrived, by what it asks."""
        return self._jobs.orphan(request, known)

    def job(self, request: ExportRequest, job_id: str) -> ExportJob:
        """Ask for a job once."""
        return self._jobs.job(job_id)

    def start(self, job_id: str) -> None:
        """Have a job export what it found."""
        self._jobs.start(job_id)

    def discard(self, job_id: str) -> None:
        """Cancel a job that has exported nothing."""
        self._jobs.discard(job_id)

    def ready(self) -> Collection[str]:
        """This client's jobs that wait to be started."""
        return self._jobs.ready()

    def delivery(self, request: ExportRequest, job: ExportJob) -> Delivery:
        """What a fulfilled job has marked for export: fulfilled doesn't mean that it has arrived."""
        totals = self._jobs.totals(job.job_id)
        active = self._conversations(request)
        failed = self._jobs.failed(job.job_id) if totals.failed else ()
        return Delivery(
            job_id=job.job_id,
            begun_at=totals.made_at,
            conversations={one.conversation_id: one.start for one in active.values()},
            own=tuple(one.conversation_id for one in active.values() if is_wanted(one, request)),
            recordings=totals.recordings,
            skipped=totals.skipped,
            failed=tuple(
                Recording(recording_id, None, reason=f"bulk job {job.job_id} failed to export it", conversation_id=one)
                for one, recording_id in failed
            ),
        )

    def absent(self, request: ExportRequest, delivery: Delivery, conversations: Sequence[str]) -> list[Recording]:
        """The recordings of conversations whose recordings the bucket lacks, by their export dates."""
        return list(self._exported.of(conversations, request.media, delivery.begun_at))

    def manifest(self, request: ExportRequest, job: ExportJob) -> Mapping[str, Any]:
        """What was delivered, with what analytics says of each recording's conversation."""
        active = self._conversations(request)
        own = tuple(one.conversation_id for one in active.values() if is_wanted(one, request))
        return self._manifests.of(replace(request, conversations=own), job, active)

    def missing(self, request: ExportRequest, job: ExportJob) -> Sequence[str]:
        """The conversations that were recorded and for which nothing came.

        Of written media analytics doesn't say whether they were recorded: nothing is missed there.
        """
        came = {recording.conversation_id for recording in job.recordings}
        sure = set(request.media) - set(WRITTEN)
        return [
            one.conversation_id
            for one in self._conversations(request).values()
            if is_wanted(one, request) and one.conversation_id not in came and not one.recorded.isdisjoint(sure)
        ]

    def answers(self, organisation: Organisation) -> str:
        """What the organisation answers to the calls that an export needs: for a connection's test. That a job may be
        made is seen only from making one.

        :raises ExportError: for the first that is refused, with the permission that it needs.
        """
        name = active_integration(self._client, self._integration_id)
        end = datetime.fromtimestamp(self._clock(), UTC)
        window = ExportWindow(end - timedelta(days=1), end)
        hits, _ = self._analytics.glance(self.checked(ExportRequest(organisation, window, "")))
        until = datetime.fromtimestamp(self.available_until(), UTC)
        busy = self._jobs.busy()
        self._jobs.probe()
        return (
            f"{hits} recorded conversations yesterday and today; analytics reaches to {until:%Y-%m-%d %H:%M} UTC; the "
            f"integration {name!r} is active; {busy} of {SLOTS} bulk jobs are under way, and jobs may be read, started "
            f"and discarded (whether one may be made is seen from the first); {roles_of_client(self._client)}"
        )

    def _conversations(self, request: ExportRequest) -> dict[str, Conversation]:
        """The conversations that the request's job looks at; they are looked for once."""
        if request.key not in self._active:
            self._active = {request.key: self._analytics.active(request)}
        return self._active[request.key]
