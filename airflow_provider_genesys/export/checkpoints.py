# SPDX-License-Identifier: Apache-2.0
"""Receipts on the way: a retrieval that is killed after thousands of recordings does not begin from the first."""

from __future__ import annotations

from collections.abc import Callable

_SECONDS = 30.0
_SHARE = 10


class Checkpoints:
    """Writes down now and then what has been reached: at first at once, then at most every 30 s.

    :param write: does it.
    :param clock: seconds.
    """

    def __init__(self, write: Callable[[], None], clock: Callable[[], float]) -> None:
        self._write = write
        self._clock = clock
        self._next_at = clock()

    def come_by(self) -> None:
        """Write, if it is time. What takes long is done the less often: a tenth of the time at most is spent here."""
        begun = self._clock()
        if begun < self._next_at:
            return
        self._write()
        ended = self._clock()
        self._next_at = ended + max(_SECONDS, _SHARE * (ended - begun))
