# SPDX-License-Identifier: Apache-2.0
"""How far a transfer is, in words for the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_UNITS = ("kB", "MB", "GB", "TB")


class Progress:
    """Counts a transfer's recordings and bytes; the bytes from several threads.

    :param total: how many recordings there are to do.
    :param clock: seconds, monotonic.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.done = 0
        self.absent = 0
        self.bytes = 0
        self._total = total
        self._clock = clock
        self._began = self._told = clock()
        self._lock = threading.Lock()

    def received(self, count: int) -> None:
        """Bytes have arrived."""
        with self._lock:
            self.bytes += count

    def ended(self, *, archived: bool) -> None:
        """A recording has its outcome."""
        self.done += 1
        self.absent += not archived

    def due(self, every: float) -> bool:
        """Whether the last line is at least ``every`` seconds old; a yes counts as a line."""
        if self._clock() - self._told < every:
            return False
        self._told = self._clock()
        return True

    def __str__(self) -> str:
        seconds = max(self._clock() - self._began, 1e-3)
        absent = f", {self.absent} of them without an object" if self.absent else ""
        left = self._total - self.done
        rest = f", {left:,} left" + (f", about {human_time(left * seconds / self.done)}" if self.done else "")
        return (
            f"{self.done:,} of {self._total:,} recordings{absent}, {human_size(self.bytes)} in {human_time(seconds)}, "
            f"{human_size(self.bytes / seconds)}/s{rest if left else ''}"
        )


def human_size(count: float) -> str:
    """A number of bytes in decimal units: ``1.5 MB``."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in _UNITS:
        count /= 1000
        if count < 999.95 or unit == _UNITS[-1]:
            break
    return f"{count:.1f} {unit}"


def human_time(seconds: float) -> str:
    """A span of time in the two units that matter: ``2 min 5 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
