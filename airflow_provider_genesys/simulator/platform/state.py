# SPDX-License-Identifier: Apache-2.0
"""What the published Platform API remembers between requests: details jobs, batch requests, bulk jobs, exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_genesys.simulator.conversations import Conversations
from airflow_provider_genesys.simulator.faults import Fault
from airflow_provider_genesys.simulator.platform.filters import Filter
from airflow_provider_genesys.simulator.platform.search import Search
from airflow_provider_genesys.simulator.times import to_iso
from airflow_provider_genesys.simulator.universe import Universe, identity


@dataclass(frozen=True, kw_only=True)
class DetailsJob:
    """An asynchronous query for conversation details.

    :param interval: ``[start, end)`` in ms since 1970-01-01 UTC.
    :param whole_days: conversations that started on a day of the interval, not those active within it.
    :param hidden: divisions that its client does not see.
    :param submitted_at: Unix time.
    :param available_ms: until when the data lake had conversations when the job was submitted.
    :param fault: what goes wrong with it.
    """

    job_id: str
    client: str
    interval: tuple[int, int]
    whole_days: bool
    descending: bool
    wanted: Filter
    hidden: frozenset[int]
    submitted_at: float
    available_ms: int
    fault: Fault | None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch request.

    :param client: OAuth client that submitted it, and the only one to read it.
    :param asked: ``(conversation id, recording id)``; None is all recordings of the conversation.
    :param submitted_at: Unix time.
    :param fault: what goes wrong with it.
    :param verdicts: what the recordings at some positions of ``asked`` end with: an error's words, empty for silence.
    """

    batch_id: str
    client: str
    asked: tuple[tuple[str, str | None], ...]
    submitted_at: float
    fault: Fault | None
    verdicts: Mapping[int, str]


@dataclass(frozen=True, kw_only=True)
class BulkJob:
    """A bulk job.

    :param user: OAuth client that created it, or the name of an administrator.
    :param query: the ``RecordingJobsQuery`` as it came.
    :param hidden: divisions that its creator does not see.
    :param created_at: Unix time.
    :param available_ms: until when the data lake had conversations when it was created.
    :param fault: what goes wrong with it.
    :param executed_at: Unix time at which its creator started it; None: not yet.
    :param processing_seconds: from then on to its fulfilment.
    :param deliver_at: Unix time from which its objects arrive.
    :param conversations: number of conversations that it found; None: it has not looked yet.
    :param recordings: number of recordings that it found.
    :param exported: ``(day, position, recording id)`` of those that it exports.
    :param failed: ``(conversation id, recording id)`` of those that it cannot export.
    :param skipped: number of recordings that were exported before.
    """

    job_id: str
    user: str
    query: Mapping[str, Any]
    created_at: float
    hidden: frozenset[int] = frozenset()
    available_ms: int = 0
    fault: Fault | None = None
    cancelled: bool = False
    executed_at: float | None = None
    processing_seconds: float = 0.0
    deliver_at: float = 0.0
    conversations: int | None = None
    recordings: int = 0
    exported: tuple[tuple[int, int, str], ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    skipped: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """That a recording has been exported: it never will be again.

    :param job_id: by which bulk job.
    :param marked_at: Unix time of the job's fulfilment.
    """

    job_id: str
    marked_at: float


class PlatformState:
    """Everything that a reset forgets.

    :param universe: the world.
    :param now: Unix time.
    """

    def __init__(self, universe: Universe, now: float) -> None:
        self.conversations = Conversations(universe)
        self.search = Search(self.conversations)
        self.details_jobs: dict[str, DetailsJob] = {}
        self.batches: dict[str, Batch] = {}
        self.transcodings: dict[tuple[str, str], float] = {}
        self.bulk_jobs: dict[str, BulkJob] = foreign_jobs(universe, now)
        self.exports: dict[str, Export] = {}
        self.delivered: dict[str, float] = {}

    def export_dates(self, recording_id: str) -> dict[str, str]:
        """``exportDate`` of a recording that a bulk job marked, and ``exportedDate`` once it has been delivered."""
        export = self.exports.get(recording_id)
        if export is None:
            return {}
        dates = {"exportDate": to_iso(int(export.marked_at * 1000))}
        delivered_at = self.delivered.get(export.job_id)
        return dates if delivered_at is None else {**dates, "exportedDate": to_iso(int(delivered_at * 1000))}


def foreign_jobs(universe: Universe, now: float) -> dict[str, BulkJob]:
    """The jobs that the organisation's administrators have going on at a Unix time."""
    query = {
        "action": "DELETE",
        "actionAge": 3_650,
        "conversationQuery": {"interval": "2010-01-01T00:00:00Z/2011-01-01T00:00:00Z"},
    }
    jobs = [
        BulkJob(
            job_id=identity(f"foreign job {number}"),
            user="administrator",
            query=query,
            created_at=now - universe.bulk_pending_seconds,
            executed_at=now,
            processing_seconds=universe.foreign_bulk_seconds,
            conversations=0,
        )
        for number in range(universe.foreign_bulk_jobs)
    ]
    return {job.job_id: job for job in jobs}


def user_id(name: str) -> str:
    """Id of the user who is an OAuth client, or an administrator."""
    return identity(f"user {name}")
