# SPDX-License-Identifier: Apache-2.0
"""A copy without any logic of a store: GET, PUT, on connections that stay open. What this machine can carry at most."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from urllib.parse import urlsplit

from dev.transfer.task import Piece

PROCESSES = 2
"""One per core, so that the interpreter's lock is no limit."""


def copy(pieces: list[Piece], certificates: str, connections: int) -> None:
    """Bring every piece to its target.

    :param connections: at a time, on each side.
    :raises RuntimeError: for a piece that was refused.
    """
    shares = [pieces[number::PROCESSES] for number in range(PROCESSES)]
    with get_context("fork").Pool(PROCESSES) as pool:
        pool.starmap(_copy_share, [(share, certificates, -(-connections // PROCESSES)) for share in shares], 1)
        pool.close()
        pool.join()


def _copy_share(pieces: list[Piece], certificates: str, connections: int) -> None:
    trust = ssl.create_default_context(cafile=certificates)
    waiting = iter(pieces)
    with ThreadPoolExecutor(connections) as threads:
        for done in [threads.submit(_carry, waiting, trust) for _ in range(connections)]:
            done.result()


def _carry(waiting: Iterator[Piece], trust: ssl.SSLContext) -> None:
    buffer, source, sink = bytearray(), None, None
    for piece in waiting:
        if len(buffer) < piece.size:
            buffer = bytearray(piece.size)
        body = memoryview(buffer)[: piece.size]
        source = source or _Connection(piece.url, trust)
        sink = sink or _Connection(piece.target, trust)
        source.ask("GET", piece.url, f"Range: bytes={piece.start}-{piece.start + piece.size - 1}")
        source.answer(body)
        sink.ask("PUT", piece.target, f"Content-Length: {piece.size}", body)
        sink.answer(None)


class _Connection:
    """HTTP/1.1, no more of it than these two servers speak."""

    def __init__(self, url: str, trust: ssl.SSLContext) -> None:
        host = urlsplit(url).hostname or ""
        plain = socket.create_connection((host, urlsplit(url).port or 443))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = trust.wrap_socket(plain, server_hostname=host)

    def ask(self, method: str, url: str, header: str, body: memoryview | None = None) -> None:
        parts = urlsplit(url)
        head = f"{method} {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n{header}\r\n\r\n"
        self._socket.sendall(head.encode())
        if body is not None:
            self._socket.sendall(body)

    def answer(self, into: memoryview | None) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            more = self._socket.recv(16384)
            if not more:
                raise RuntimeError("a connection was closed")
            received += more
        head, _, rest = received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"a piece was refused: {received[:300]!r}")
        length = _length(head)
        target = into if into is not None else memoryview(bytearray(length))
        target[: len(rest)] = rest
        count = len(rest)
        while count < length:
            read = self._socket.recv_into(target[count:])
            if not read:
                raise RuntimeError("a connection was closed")
            count += read


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
