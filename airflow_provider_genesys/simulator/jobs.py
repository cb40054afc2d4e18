# SPDX-License-Identifier: Apache-2.0
"""An export job: its window, its life from submission to its end, and what it lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_genesys.simulator.faults import Fault
from airflow_provider_genesys.simulator.universe import MS_PER_DAY, Call, Selection, Universe

Timeline = tuple[tuple[float, str], ...]
_UNTOUCHED: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Job:
    """One export job.

    :param job_id: its id.
    :param client: OAuth client that submitted it.
    :param start_ms: start of its window, in ms since 1970-01-01 UTC.
    :param end_ms: end of its window, not included: ``dateTo`` and a millisecond.
    :param media_format: ``mp3``, ``wav`` or ``default``.
    :param filter: the filter as submitted, unknown keys and all.
    :param selection: what the filter means.
    :param attempt: number of jobs that the client had for this window before.
    :param submitted_at: Unix time.
    :param timeline: ``(seconds after submission, status)``, in order.
    :param url_seconds: life of its presigned URLs, from its last change of status.
    :param faults: what goes wrong with it and its recordings.
    """

    job_id: str
    client: str
    start_ms: int
    end_ms: int
    media_format: str
    filter: Mapping[str, Any]
    selection: Selection
    attempt: int
    submitted_at: float
    timeline: Timeline
    url_seconds: float
    faults: tuple[Fault, ...] = field(default=())

    def status(self, now: float) -> str:
        """Its status at a Unix time."""
        elapsed = now - self.submitted_at
        return next((status for since, status in reversed(self.timeline) if since <= elapsed), self.timeline[0][1])

    @property
    def ended_at(self) -> float:
        """Unix time of its last change of status."""
        return self.submitted_at + self.timeline[-1][0]

    @property
    def expires_at(self) -> float:
        """Unix time at which its presigned URLs end."""
        return self.ended_at + self.url_seconds

    def fault(self, kind: str) -> Fault | None:
        """The first fault of a kind, or None."""
        return next((fault for fault in self.faults if fault.kind == kind), None)

    def calls(self, universe: Universe) -> Iterator[Call]:
        """The calls that it exports."""
        return universe.calls(self.start_ms, self.end_ms, self.selection)

    def total(self, universe: Universe) -> int:
        """Number of calls that it exports."""
        return universe.count(self.start_ms, self.end_ms, self.selection)

    def strikes(self, call: Call) -> frozenset[str]:
        """Kinds of fault that strike one of its recordings."""
        if not self.faults:
            return _UNTOUCHED
        return frozenset(
            fault.kind for fault in self.faults if fault.subject == "recording" and fault.picks(call.index)
        )

    def listed_id(self, call: Call) -> str:
        """The id under which it lists a recording."""
        if "hostile_ids" in self.strikes(call):
            return f"../../etc/passwd-{call.day}-{call.index}"
        return call.recording_id


def timeline_of(total: int, length_ms: int, universe: Universe, faults: tuple[Fault, ...]) -> Timeline:
    """How a new job's status changes.

    :param total: number of recordings it asks for.
    :param length_ms: length of its window.
    :param universe: its limits and durations.
    :param faults: what goes wrong with it; the first that tells a story of its own decides.
    """
    if total > universe.record_limit or length_ms > universe.max_window_days * MS_PER_DAY:
        seconds = universe.silent_failure_seconds
        return (*_begun(seconds), (seconds, "failed"))
    seconds = universe.job_seconds
    story = next((fault for fault in faults if fault.kind in _STORIES), None)
    end = ((seconds, "completed"),) if story is None else _STORIES[story.kind](seconds, story)
    return (*_begun(seconds), *end)


def _begun(seconds: float) -> Timeline:
    return (0.0, "submitted"), (seconds * 0.25, "processing")


_STORIES: dict[str, Callable[[float, Fault], Timeline]] = {
    "failed_jobs": lambda seconds, fault: ((seconds, "failed"),),
    "leaky_error": lambda seconds, fault: ((seconds, "failed"),),
    "silent_failures": lambda seconds, fault: ((seconds, "failed"),),
    "canceled_jobs": lambda seconds, fault: ((seconds, "canceled"),),
    "slow_jobs": lambda seconds, fault: ((seconds + (fault.seconds or 0), "completed"),),
    "unknown_status": lambda seconds, fault: (
        (seconds, fault.message or ""),
        (seconds + (fault.seconds or 0), "completed"),
    ),
}
