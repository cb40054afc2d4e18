# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_genesys.archive.progress import Progress, human_size, human_time


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_line_tells_how_far_how_fast_and_what_is_left() -> None:
    clock = Clock()
    progress = Progress(5000, clock)
    for number in range(1250):
        progress.received(2_000_000)
        progress.ended(archived=number % 1000 != 7)
    clock.now += 100
    assert str(progress) == (
        "1,250 of 5,000 recordings, 2 of them without an object, 2.5 GB in 1 min 40 s, 25.0 MB/s, "
        "3,750 left, about 5 min 0 s"
    )


def test_nothing_is_guessed_before_the_first_outcome() -> None:
    clock = Clock()
    progress = Progress(2, clock)
    progress.received(500)
    clock.now += 5
    assert str(progress) == "0 of 2 recordings, 500 B in 5.0 s, 100 B/s, 2 left"


def test_the_last_line_has_nothing_left() -> None:
    clock = Clock()
    progress = Progress(1, clock)
    progress.ended(archived=True)
    clock.now += 1
    assert str(progress) == "1 of 1 recordings, 0 B in 1.0 s, 0 B/s"


def test_a_line_is_due_every_so_many_seconds() -> None:
    clock = Clock()
    progress = Progress(1, clock)
    due = []
    for _ in range(50):
        clock.now += 1
        due.append(progress.due(10))
    assert sum(due) == 5
    assert due.index(True) == 9


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (2.5e9, "2.5 GB"),
        (3e15, "3000.0 TB"),
    ],
)
def test_sizes(count: float, text: str) -> None:
    assert human_size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.9, "9.9 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (3700, "1 h 1 min")],
)
def test_times(seconds: float, text: str) -> None:
    assert human_time(seconds) == text
