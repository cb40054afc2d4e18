# SPDX-License-Identifier: Apache-2.0
"""Points at which a request can be held, so that a test may kill its client exactly there.

============== =============================================================================================
point          what has happened while a request is held there
============== =============================================================================================
submit:before  nothing; a client that dies here has never submitted
submit:after   the job exists, the answer is withheld
search         nothing; it looks for conversations, by a query of details or a job for them
execute:before nothing; a client that dies here has never started its bulk job
execute:after  the bulk job is started, the answer is withheld
poll           nothing
transcoding    nothing; it asks for the recordings of a conversation
manifest       headers and half the manifest are sent
recording      headers and half the recording are sent
============== =============================================================================================
"""

from __future__ import annotations

import asyncio
import threading
import time

POINTS = (
    *("submit:before", "submit:after", "search", "execute:before", "execute:after"),
    *("poll", "transcoding", "manifest", "recording"),
)
_LOOK_EVERY = 0.01


class Holds:
    """Arms points, holds the requests that reach them, lets them go. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: dict[str, int] = {}
        self._held: list[str] = []
        self._round = 0

    def arm(self, point: str, nth: int = 1) -> None:
        """Hold the n-th request from here on that reaches a point.

        :raises ValueError: no such point, or ``nth`` below 1.
        """
        if point not in POINTS:
            raise ValueError(f"no hold point {point!r}; there are: {', '.join(POINTS)}")
        if type(nth) is not int or nth < 1:
            raise ValueError(f"nth must be a whole number from 1, not {nth!r}")
        with self._lock:
            self._armed[point] = nth

    def catches(self, point: str) -> bool:
        """Count a request at a point; True if it is the one to be held, which must then :meth:`wait`."""
        with self._lock:
            left = self._armed.pop(point, 0)
            if left > 1:
                self._armed[point] = left - 1
            return left == 1

    async def wait(self, point: str) -> None:
        """Be held until released."""
        with self._lock:
            self._held.append(point)
            began = self._round
        try:
            while self._round == began:
                await asyncio.sleep(_LOOK_EVERY)
        finally:
            with self._lock:
                self._held.remove(point)

    async def at(self, point: str) -> None:
        """Pass a point: at once, or held until released."""
        if self.catches(point):
            await self.wait(point)

    def release(self) -> None:
        """Let go of everything that is held, and disarm every point."""
        with self._lock:
            self._armed.clear()
            self._round += 1

    @property
    def held(self) -> tuple[str, ...]:
        """Points at which a request is held right now."""
        with self._lock:
            return tuple(self._held)

    def wait_until_held(self, timeout: float) -> None:
        """Block the calling thread until a request is held.

        :param timeout: seconds.
        :raises TimeoutError: nobody came.
        """
        deadline = time.monotonic() + timeout
        while not self.held:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no request was held within {timeout} s")
            time.sleep(_LOOK_EVERY)
