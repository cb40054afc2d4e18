# SPDX-License-Identifier: Apache-2.0
"""What is carried, and under which conditions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.transfer.task import Source

PIECE = 8 * 1024 * 1024
"""Bytes: a raw copy takes larger recordings in such pieces."""

_QUERY = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20240501T000000Z&X-Amz-Expires=86400&X-Amz-Signature="


@dataclass(frozen=True)
class Case:
    """So many recordings of one size.

    :param size: bytes.
    :param sample: how many of them those carry who take one after the other, and of which size; at a long wire a
        second number.
    """

    name: str
    count: int
    size: int
    sample: tuple[int, int]
    sample_size: int

    @property
    def small(self) -> bool:
        return self.size <= PIECE


@dataclass(frozen=True)
class Condition:
    """The wires on both sides.

    :param round_trip: seconds.
    :param cap: bytes a second that one connection to the source carries; None for no cap.
    """

    round_trip: float
    cap: float | None

    @property
    def short(self) -> str:
        """For a column."""
        return f"{1000 * self.round_trip:.0f} ms, {f'{self.cap / 1e6:.0f} MB/s' if self.cap else 'no cap'}"

    def __str__(self) -> str:
        cap = f"{self.cap / 1e6:.0f} MB/s a connection from the source" if self.cap else "no cap on a connection"
        return f"{1000 * self.round_trip:.0f} ms round trip on both sides, {cap}"


CASES = (
    Case("2,000 x 500 kB", 2000, 500_000, sample=(100, 40), sample_size=500_000),
    Case("20 x 50 MB", 20, 50_000_000, sample=(5, 2), sample_size=50_000_000),
    Case("1 x 2 GB", 1, 2_000_000_000, sample=(1, 1), sample_size=500_000_000),
)
QUICK = (
    Case("300 x 500 kB", 300, 500_000, sample=(50, 10), sample_size=500_000),
    Case("8 x 30 MB", 8, 30_000_000, sample=(2, 1), sample_size=30_000_000),
    Case("1 x 200 MB", 1, 200_000_000, sample=(1, 1), sample_size=100_000_000),
)
NEAR = Condition(0.0, None)
FAR = Condition(0.03, 60e6)


@contextmanager
def files(directory: Path, name: str, count: int, size: int) -> Iterator[list[str]]:
    """Recordings of random bytes, no two alike, for as long as the block lasts; gives their ids.

    :param name: tells their ids from those of other files.
    """
    noise = random.Random(size).randbytes(min(size, PIECE))  # noqa: S311 - sound, not secrets
    ids = [f"{name}-{number:08x}-0000-4000-8000-{size:012x}" for number in range(count)]
    try:
        for recording_id in ids:
            with (directory / f"{recording_id}.mp3").open("wb") as file:
                file.write(recording_id.encode())
                while left := size - file.tell():
                    file.write(noise[:left])
        yield ids
    finally:
        for recording_id in ids:
            (directory / f"{recording_id}.mp3").unlink(missing_ok=True)


def sources(port: int, ids: list[str], size: int) -> list[Source]:
    """Recordings at URLs that look presigned."""
    signature = "0" * 64
    return [
        Source(recording_id, f"https://127.0.0.1:{port}/{recording_id}.mp3?{_QUERY}{signature}", size)
        for recording_id in ids
    ]
