# SPDX-License-Identifier: Apache-2.0
"""TLS sockets of many threads that move their bytes in turns.

TLS comes in records of 16 kB, and Python lets go of its interpreter lock for each: threads that all have bytes to move
hand the lock to one another for every record, which costs more than the encryption. Here a thread waits until its
socket is ready, and then moves all that can be moved at once while the others let it.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from select import POLLIN, POLLOUT, poll
from typing import Any, ClassVar


def take_turns(context: ssl.SSLContext) -> None:
    """Let the sockets that a context will make take turns with each other: one reads at a time, and one writes."""
    turns = {"reading": threading.Lock(), "writing": threading.Lock()}
    context.sslsocket_class = type("TurnTakingSocket", (_TurnTakingSocket,), turns)


class _TurnTakingSocket(ssl.SSLSocket):
    """What ``http.client`` calls of a socket, by the same contract but for one: reads fill more than a record."""

    reading: ClassVar[threading.Lock]
    writing: ClassVar[threading.Lock]

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        if flags or self.gettimeout() == 0 or self.version() is None:
            return super().recv_into(buffer, nbytes, flags)
        view = memoryview(buffer).cast("B")[: nbytes or None]
        record, received = super().recv_into, 0

        def receive() -> None:
            nonlocal received
            while received < len(view) and (count := record(view[received:])):
                received += count

        event = 0 if self.pending() else POLLIN
        while True:
            if event:
                self._wait(event)
            event = self._in_turn(self.reading, receive)
            if received or not event:
                return received

    def sendall(self, data: Any, flags: int = 0) -> None:
        if flags or self.gettimeout() == 0 or self.version() is None:
            super().sendall(data, flags)
            return
        view = memoryview(data).cast("B")
        sent = 0

        def send() -> None:
            nonlocal sent
            while sent < len(view):
                sent += self.send(view[sent:])

        while event := self._in_turn(self.writing, send):
            self._wait(event)

    def _in_turn(self, turn: threading.Lock, move: Callable[[], None]) -> int:
        """Move bytes until there are no more, or the socket has to be waited for: for which event, or 0."""
        timeout = self.gettimeout()
        with turn:
            self.settimeout(0)
            try:
                move()
            except ssl.SSLWantReadError:
                return POLLIN
            except ssl.SSLWantWriteError:
                return POLLOUT
            finally:
                self.settimeout(timeout)
        return 0

    def _wait(self, event: int) -> None:
        timeout, poller = self.gettimeout(), poll()
        poller.register(self, event)
        if not poller.poll(None if timeout is None else timeout * 1000):
            raise TimeoutError("the socket was not ready in time")
