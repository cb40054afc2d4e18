# SPDX-License-Identifier: Apache-2.0
"""How fast an export may go."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_genesys.export.errors import InvalidInput

MAX_RECORDINGS_PER_JOB = 5000
"""How many recordings a job may hold, unless somebody says otherwise (guide, edge case 1)."""


@dataclass(frozen=True)
class Pace:
    """How often the platform may be asked, how much at once, and how long a window is held.

    :param poll_interval: seconds before a job's first poll, and the least between two.
    :param max_poll_interval: the most seconds between two polls of a job; and those for which nothing has come when a
        delivery by the platform is over.
    :param polls_per_minute: the organisation's budget for polls.
    :param lease_seconds: how long a window stays held by an orchestrator that says nothing more.
    :param max_recordings_per_job: a job that says beforehand that it holds more is split.
    :raises InvalidInput: for a value that makes no sense.
    """

    poll_interval: float = 15.0
    max_poll_interval: float = 180.0
    polls_per_minute: int = 20
    lease_seconds: float = 300.0
    max_recordings_per_job: int = MAX_RECORDINGS_PER_JOB

    def __post_init__(self) -> None:
        if not 0 < self.poll_interval <= self.max_poll_interval:
            raise InvalidInput(
                f"poll_interval ({self.poll_interval} s) must be above 0 and at most max_poll_interval "
                f"({self.max_poll_interval} s)"
            )
        if self.max_recordings_per_job < 1:
            raise InvalidInput(f"max_recordings_per_job must be at least 1, not {self.max_recordings_per_job}")
        if self.polls_per_minute < 1 or self.lease_seconds <= 0:
            raise InvalidInput("polls_per_minute and lease_seconds must be above 0")
