# SPDX-License-Identifier: Apache-2.0
"""When a job is polled: once it is likely to be done, by what jobs of its size took before.

Where nothing is known of such jobs: after the base delay, then exponentially later, with full jitter (guide, section
2). All of this is arithmetic on what the ledger remembers, so that a restarted process comes to the same moments.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from airflow_provider_genesys.export.entry import Attempt

ENOUGH = 5
"""Jobs that make a history."""

DURATIONS_KEPT = 200
"""How many completed jobs of an organisation are remembered by their duration."""

SHARE_DONE = 0.75
"""A job is polled when so many of its kind were done. A larger share saves polls and finds the end later."""

SIZE_FACTOR = 2
"""A job is of a size with those that had from half to twice as many recordings."""


def durations_of_size(history: Sequence[tuple[int, float]], recordings: int) -> tuple[float, ...]:
    """What completed jobs of about this size took, in seconds, ascending; empty where too few are known.

    :param history: ``(recordings, seconds)`` of completed jobs.
    """
    low, high = recordings / SIZE_FACTOR, recordings * SIZE_FACTOR
    similar = sorted(seconds for size, seconds in history if low <= size <= high)
    return tuple(similar) if len(similar) >= ENOUGH else ()


def next_poll_at(attempt: Attempt, shortest: float, longest: float, usual: Sequence[float] = ()) -> float:
    """When an attempt's job is due, epoch seconds.

    The jitter is drawn from the job's id and the number of polls: a restarted process comes to the same moment.

    :param shortest: seconds before the first poll, and the least between two.
    :param longest: the most seconds between two polls.
    :param usual: what jobs of its size took, ascending; see :func:`durations_of_size`.
    """
    last = attempt.polled_at or attempt.submitted_at or 0.0
    left = _still_running(attempt, usual)
    if left:
        delay = left[int(SHARE_DONE * len(left))] - _age(attempt, last)
        return last + max(shortest, delay if attempt.polled_at is None else min(delay, longest))
    ceiling = min(longest, shortest * 2.0 ** min(attempt.polls, 32))
    return last + random.Random(f"{attempt.job_id}:{attempt.polls}").uniform(shortest, max(shortest, ceiling))  # noqa: S311 (jitter, no secret)


def likelihood(attempt: Attempt, now: float, usual: Sequence[float] = ()) -> float:
    """How likely it is that a job has ended since its last poll found it running: from 0 to 1.

    Where nothing is known of its kind it is the younger the likelier, since a job that has run for hours is not about
    to end this minute: for one that was never polled it is 1, for one that has doubled its age since, a half.

    :param usual: as for :func:`next_poll_at`.
    """
    left = _still_running(attempt, usual)
    age = _age(attempt, now)
    if left:
        return sum(seconds <= age for seconds in left) / len(left)
    return 1.0 - _age(attempt, attempt.polled_at or attempt.submitted_at or 0.0) / age if age > 0 else 1.0


def estimated_duration(attempt: Attempt, now: float) -> float:
    """What a job took that a poll has just found completed, in seconds.

    It ended somewhere between the last two polls; the middle is taken. Were it the moment of the poll, a history of
    late polls would make the next ones just as late, for ever.

    :param attempt: as it was before that poll.
    """
    return (_age(attempt, attempt.polled_at or attempt.submitted_at or 0.0) + _age(attempt, now)) / 2


def _still_running(attempt: Attempt, usual: Sequence[float]) -> Sequence[float]:
    """Of the usual durations, those that the job may still turn out to have; empty where too few are left."""
    if attempt.polled_at is None:
        return usual
    age = _age(attempt, attempt.polled_at)
    left = [seconds for seconds in usual if seconds > age]
    return left if len(left) >= ENOUGH else ()


def _age(attempt: Attempt, when: float) -> float:
    return when - (attempt.submitted_at or 0.0)
