# SPDX-License-Identifier: Apache-2.0
"""Polls per job, and how late a job's end is found: the learned schedule beside the guide's, by arithmetic alone.

A made-up platform completes jobs of five sizes; one after the other is followed, and remembered as the ledger would.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from statistics import mean, quantiles

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus
from airflow_provider_genesys.export.polling import durations_of_size, estimated_duration, next_poll_at

JOBS = 4000
REMEMBERED = 300
SIZES = (50, 200, 800, 2000, 4500)
SHORTEST, LONGEST = 15.0, 180.0


@dataclass(frozen=True)
class Platform:
    """How long jobs take: a start, then so much for each recording, give or take.

    :param spread: of the logarithm.
    :param pace: what the durations are multiplied by, from the middle of the run.
    """

    name: str
    spread: float = 0.25
    pace: float = 1.0

    def duration(self, recordings: int, chance: random.Random, number: int) -> float:
        pace = self.pace if number >= JOBS // 2 else 1.0
        return (10.0 + 0.06 * recordings) * chance.lognormvariate(0.0, self.spread) * pace


@dataclass(frozen=True)
class Followed:
    """One job: how often it was polled, and how many seconds after its end the last poll came."""

    polls: int
    late: float


Schedule = Callable[[int, float], Followed]


def guide(recordings: int, duration: float) -> Followed:
    """The guide's loop: at once, then after ``min(15 * 2 ** n, 180)`` seconds."""
    return next(Followed(polls, at - duration) for polls, at in enumerate(_times_of_the_guide(), 1) if at >= duration)


def _times_of_the_guide() -> Iterator[float]:
    at = 0.0
    for attempt in count(1):
        yield at
        at += min(15.0 * 2**attempt, 180.0)


def jitter() -> Schedule:
    """Ours without a history: as on the first day."""
    return _ours(learning=False)


def learned() -> Schedule:
    """Ours with what the ledger remembers of the jobs before."""
    return _ours(learning=True)


def _ours(*, learning: bool) -> Schedule:
    history: deque[tuple[int, float]] = deque(maxlen=REMEMBERED)
    numbers = count()

    def follow(recordings: int, duration: float) -> Followed:
        usual = durations_of_size(list(history), recordings)
        attempt = Attempt(0, 0, AttemptStatus.SUBMITTED, f"job-{next(numbers)}", submitted_at=0.0)
        while (at := next_poll_at(attempt, SHORTEST, LONGEST, usual)) < duration:
            attempt = replace(attempt, polls=attempt.polls + 1, polled_at=at)
        if learning:
            history.append((recordings, estimated_duration(attempt, at)))
        return Followed(attempt.polls + 1, at - duration)

    return follow


PLATFORMS = (
    Platform("steady"),
    Platform("erratic", spread=0.7),
    Platform("grows 3 times faster", pace=1 / 3),
    Platform("grows 3 times slower", pace=3.0),
)
SCHEDULES: dict[str, Callable[[], Schedule]] = {
    "guide, fixed": lambda: guide,
    "ours, no history": jitter,
    "ours, learned": learned,
}


def main() -> None:
    print(f"{'platform':<22}{'schedule':<18}{'polls a job':>12}{'late, mean':>12}{'late, p90':>12}")
    for platform in PLATFORMS:
        for name, schedule in SCHEDULES.items():
            jobs = _followed(platform, schedule())[JOBS * 3 // 4 :]
            late = [job.late for job in jobs]
            polls = mean(job.polls for job in jobs)
            print(
                f"{platform.name:<22}{name:<18}{polls:>12.2f}{mean(late):>10.0f} s{quantiles(late, n=10)[-1]:>10.0f} s"
            )


def _followed(platform: Platform, schedule: Schedule) -> list[Followed]:
    chance = random.Random(2024)  # noqa: S311 - made-up jobs, the same for every schedule
    jobs = []
    for number in range(JOBS):
        recordings = chance.choice(SIZES)
        jobs.append(schedule(recordings, platform.duration(recordings, chance, number)))
    return jobs


if __name__ == "__main__":
    main()
