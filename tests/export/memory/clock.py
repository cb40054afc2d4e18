# SPDX-License-Identifier: Apache-2.0
"""The time of platform, ledger and archive."""

from __future__ import annotations

from datetime import UTC, datetime

NOON = datetime(2024, 5, 2, 12, tzinfo=UTC)


class Clock:
    """A clock that stands still until somebody sleeps.

    :ivar slept: every sleep, in seconds.
    """

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now.timestamp()
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds
