# SPDX-License-Identifier: Apache-2.0
"""A wire that loses an answer: a TCP proxy that passes a question on, and cuts the connection when it is answered."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 1 << 16


class SeveringProxy:
    """Forwards connections to a port of this machine.

    :param to_port: the server's.
    """

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._answers_left: int | None = None
        self.severed = 0
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def sever_after(self, answers: int) -> None:
        """Let so many answers through, and lose the next one."""
        with self._lock:
            self._answers_left = answers

    def close(self) -> None:
        """Accept no more connections; those that are open go on."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._to_port))
                except OSError:
                    client.close()
                    continue
                threading.Thread(target=_forward, args=(client, server), daemon=True).start()
                threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while (answer := server.recv(CHUNK)) and not self._is_to_be_lost():
                client.sendall(answer)
        _shut(client)
        _shut(server)

    def _is_to_be_lost(self) -> bool:
        with self._lock:
            if self._answers_left is None:
                return False
            if self._answers_left:
                self._answers_left -= 1
                return False
            self._answers_left = None
            self.severed += 1
            return True


def _forward(client: socket.socket, server: socket.socket) -> None:
    with suppress(OSError):
        while question := client.recv(CHUNK):
            server.sendall(question)
    _shut(server)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def severing_proxy(to_port: int) -> Iterator[SeveringProxy]:
    """A proxy to a port of this machine."""
    proxy = SeveringProxy(to_port)
    try:
        yield proxy
    finally:
        proxy.close()
