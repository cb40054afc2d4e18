# SPDX-License-Identifier: Apache-2.0
"""What the steps of an export come to, in figures, for whoever watches the system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Figure(StrEnum):
    """What is told to a meter."""

    JOBS_SUBMITTED = "jobs_submitted"
    """Counted: jobs whose id has arrived, resubmissions included."""
    JOBS_FAILED = "jobs_failed"
    """Counted: jobs that a poll found failed or canceled."""
    POLLS = "polls"
    """Counted: polls of jobs that were answered."""
    WAIT = "wait"
    """Timed: from a job's submission to the poll that found its end."""
    RECORDINGS = "recordings"
    """Counted: recordings that became archived."""
    BYTES = "bytes"
    """Counted: their sizes."""
    RECORDINGS_FAILED = "recordings_failed"
    """Counted: recordings that a retrieval lacked in the end, at each of its tries."""
    REQUESTS_LEFT = "requests_left"
    """Gauged: what is left of the organisation's budget of requests for this minute."""
    POLLS_LEFT = "polls_left"
    """Gauged: the same of its budget of polls."""


@dataclass
class Meter:
    """Keeps the sums of what is counted. Whoever sends figures elsewhere inherits from it.

    :ivar counts: the sums since it was made.
    """

    counts: Counter[Figure] = field(default_factory=Counter)

    def tagged(self, tags: Mapping[str, str]) -> Meter:
        """Another one, for figures that have these tags, too."""
        return Meter()

    def count(self, figure: Figure, number: int = 1) -> None:
        """Add a number to a sum."""
        self.counts[figure] += number

    def time(self, figure: Figure, seconds: float) -> None:
        """Take in how long something took."""

    def gauge(self, figure: Figure, value: float) -> None:
        """Take in where something stands now."""
