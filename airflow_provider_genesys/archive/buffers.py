# SPDX-License-Identifier: Apache-2.0
"""Memory for bytes in flight: leased, used again, and never more than was agreed."""

from __future__ import annotations

import mmap
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast

_GRAIN = 256 * 1024


class Buffers:
    """Blocks of memory that threads lease in turn. Who finds none left waits: that is a transfer's back-pressure.

    Blocks are anonymous maps and not bytearrays: what is given back is given back to the system, so that the process
    never holds more than ``capacity``, in use or not.

    :param capacity: bytes in all; a single larger lease is granted when nobody else has one.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held = 0
        self._leased = 0
        self._free: list[mmap.mmap] = []
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    def take(self, size: int) -> memoryview:
        """Lease a writable block of ``size`` bytes, whatever was in it before. Who came first is served first.

        Whoever holds one must not wait for somebody who has yet to be granted his.
        """
        turn = object()
        whole = -(-max(size, 1) // _GRAIN) * _GRAIN
        with self._changed:
            self._queue.append(turn)
            try:
                self._changed.wait_for(lambda: self._queue[0] is turn and self._has_room(whole))
                return memoryview(self._block(whole))[:size]
            finally:
                self._queue.remove(turn)
                self._changed.notify_all()

    def give_back(self, view: memoryview) -> None:
        """End a lease; slices of it are gone by then."""
        block = cast("mmap.mmap", view.obj)
        view.release()
        with self._changed:
            self._leased -= len(block)
            self._free.append(block)
            if self._held > self._capacity:
                self._let_go(self._free.pop())
            self._changed.notify_all()

    @contextmanager
    def lease(self, size: int) -> Iterator[memoryview]:
        """A block for the length of a ``with``."""
        view = self.take(size)
        try:
            yield view
        finally:
            self.give_back(view)

    def close(self) -> None:
        """Give the free blocks back to the system."""
        with self._changed:
            while self._free:
                self._let_go(self._free.pop())

    def _has_room(self, size: int) -> bool:
        return self._leased + size <= self._capacity or not self._leased

    def _block(self, size: int) -> mmap.mmap:
        """The smallest free block that will do and is not far too large, or a new one in the place of free ones."""
        fitting = [block for block in self._free if size <= len(block) <= 2 * size]
        fitting = [block for block in fitting if self._has_room(len(block))]
        if fitting:
            block = min(fitting, key=len)
            self._free.remove(block)
        else:
            while self._free and self._held + size > self._capacity:
                self._let_go(self._free.pop(0))
            block = mmap.mmap(-1, size)
            self._held += size
        self._leased += len(block)
        return block

    def _let_go(self, block: mmap.mmap) -> None:
        self._held -= len(block)
        with suppress(BufferError):  # a slice lives on in an error's frames: the block ends with it
            block.close()
