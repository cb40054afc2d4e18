# SPDX-License-Identifier: Apache-2.0
"""What the ledger knows of a request: its attempts, where it stands, and who may write for it.

Times are epoch seconds of the ledger's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from airflow_provider_genesys.export.model import ExportRequest, ExportWindow

MAX_RESUBMISSIONS = 3
"""The retry budget: resubmissions of one window after its first job (guide, edge case 2)."""


class AttemptStatus(StrEnum):
    """The life of an attempt, from before its ``POST`` to its job's end.

    ``POSTPONED``: its ``POST`` surely made no job, so that the attempt is still to be made and costs no budget.
    ``WANTING``: its job completed and left out what it was asked for.
    """

    SUBMITTING = "submitting"
    POSTPONED = "postponed"
    SUBMITTED = "submitted"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    WANTING = "wanting"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Attempt:
    """The n-th job for one request.

    :param number: 0 is the submission, 1 to 3 are resubmissions of the same generation.
    :param generation: counts the times that the request's budget was begun afresh.
    :param reason: why it is a resubmission; empty for the first.
    :param replaces: the job id that it replaces, where that is known.
    :param polls: how often the job was polled.
    :param recordings: how many the completed job holds; None until it has completed.
    :param conversations: of a part's request, those that this job was asked for; empty for all of them.
    """

    number: int
    generation: int
    status: AttemptStatus
    job_id: str | None = None
    reason: str = ""
    replaces: str | None = None
    polls: int = 0
    recordings: int | None = None
    error: str = ""
    submitted_at: float | None = None
    polled_at: float | None = None
    ended_at: float | None = None
    expires_at: float | None = None
    conversations: tuple[str, ...] = ()


class RequestState(StrEnum):
    """Where a request stands, whoever holds it.

    ``REOPENED``: it was archived, and more of it is to come. What is archived stays; its receipt proves no more that it
    is whole.
    """

    OPEN = "open"
    ARCHIVED = "archived"
    REOPENED = "reopened"
    FAILED = "failed"
    SPLIT = "split"


@dataclass(frozen=True)
class Lease:
    """The right to write for a request until ``until`` (epoch seconds of the ledger's clock).

    :param fence: rises by one with every acquisition; a write with an older fence is refused.
    :param seconds: how long it lasts from its last renewal.
    """

    key: str
    owner: str
    fence: int
    until: float
    seconds: float

    @property
    def renewed_at(self) -> float:
        """When it was acquired, or last renewed, epoch seconds of the ledger's clock."""
        return self.until - self.seconds


@dataclass(frozen=True)
class Entry:
    """What the ledger knows of a request.

    :param children: the windows that a split request became.
    :param parts: the keys of the requests for its parts, each with a job of its own; the window remains one.
    :param destinations: where it was archived; a memory only, the receipt is the proof.
    :param forced_by: the run that began the present generation by ``force``; empty otherwise.
    :param error: why it failed.
    :param checked_at: when its recordings were last counted again after it was archived, epoch seconds of the ledger's
        clock; None: never.
    :param lease: set where the call that returned the entry acquired it.
    :param held_by: the owner of the live lease, if any.
    :param held_until: when that lease runs out, epoch seconds.
    """

    request: ExportRequest
    state: RequestState = RequestState.OPEN
    generation: int = 0
    attempts: tuple[Attempt, ...] = ()
    children: tuple[ExportWindow, ...] = ()
    parts: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    forced_by: str = ""
    error: str = ""
    checked_at: float | None = None
    lease: Lease | None = None
    held_by: str = ""
    held_until: float = 0.0

    @property
    def current(self) -> Attempt | None:
        """The newest attempt of the present generation."""
        of_generation = [attempt for attempt in self.attempts if attempt.generation == self.generation]
        return of_generation[-1] if of_generation else None

    @property
    def asked(self) -> ExportRequest:
        """The request as the newest attempt asks for it: a resubmission may be about some of its conversations."""
        some = self.current.conversations if self.current else ()
        return replace(self.request, conversations=some) if some else self.request


@dataclass(frozen=True)
class Standing:
    """Where a window stands, at a glance: an :class:`Entry` without its jobs.

    :param request: for a whole window, never for a part of one.
    :param destinations: as of an :class:`Entry`: a memory of where it was archived.
    :param attempts: how many jobs of its own it has had.
    :param error: why it failed.
    :param checked_at: when what the platform has of it was last counted again, epoch seconds; None: never.
    """

    request: ExportRequest
    state: RequestState
    destinations: tuple[str, ...] = ()
    attempts: int = 0
    error: str = ""
    checked_at: float | None = None
