# SPDX-License-Identifier: Apache-2.0
"""When a job is polled: after the base delay first, then exponentially later, with full jitter (guide, section 2)."""

from __future__ import annotations

import random

from airflow_provider_genesys.export.model import Attempt


def next_poll_at(attempt: Attempt, shortest: float, longest: float) -> float:
    """When an attempt's job is due, epoch seconds.

    The jitter is drawn from the job's id and the number of polls: a restarted process comes to the same moment.

    :param shortest: seconds before the first poll, and the least between two.
    :param longest: the most seconds between two polls.
    """
    last = attempt.polled_at or attempt.submitted_at or 0.0
    ceiling = min(longest, shortest * 2.0 ** min(attempt.polls, 32))
    return last + random.Random(f"{attempt.job_id}:{attempt.polls}").uniform(shortest, max(shortest, ceiling))  # noqa: S311 (jitter, no secret)
