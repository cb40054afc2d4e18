# SPDX-License-Identifier: Apache-2.0
"""The wire of the transfer's benchmark: bytes pass as they are, and late."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dev.transfer.wire import WINDOW, wire

ROUND_TRIP = 0.1


@contextmanager
def echo(size: int) -> Iterator[int]:
    """A server that sends so many bytes back to each client, and then no more."""

    def answer(client: socket.socket) -> None:
        with client:
            left = size
            while left and (received := client.recv(min(left, 1 << 16))):
                client.sendall(received)
                left -= len(received)

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def received(client: socket.socket) -> bytes:
    chunks = []
    while chunk := client.recv(1 << 16):
        chunks.append(chunk)
    return b"".join(chunks)


def test_bytes_pass_as_they_are_beyond_the_window_and_both_ways_at_once() -> None:
    body = random.Random(1).randbytes(2 * WINDOW + 12345)
    with (
        echo(len(body)) as port,
        wire(port, 0.02) as running,
        socket.create_connection(("127.0.0.1", running.port)) as client,
    ):
        threading.Thread(target=client.sendall, args=(body,), daemon=True).start()
        assert received(client) == body
    assert running.carried == 2 * len(body)


def test_the_first_answer_takes_two_round_trips_and_the_next_one_takes_one() -> None:
    with (
        echo(2) as port,
        wire(port, ROUND_TRIP) as running,
        socket.create_connection(("127.0.0.1", running.port)) as client,
    ):
        taken = []
        for _ in range(2):
            began = time.monotonic()
            client.sendall(b"?")
            assert client.recv(1) == b"?"
            taken.append(time.monotonic() - began)
    assert taken[0] >= 2 * ROUND_TRIP - 0.001
    assert ROUND_TRIP - 0.001 <= taken[1] < 2 * ROUND_TRIP


def test_a_cap_holds_for_what_comes_from_the_server() -> None:
    body = bytes(1_000_000)
    with (
        echo(len(body)) as port,
        wire(port, 0.001, cap=2_000_000) as running,
        socket.create_connection(("127.0.0.1", running.port)) as client,
    ):
        began = time.monotonic()
        threading.Thread(target=client.sendall, args=(body,), daemon=True).start()
        assert received(client) == body
        assert time.monotonic() - began >= 0.5


def test_a_connection_that_the_server_drops_ends_for_the_client() -> None:
    with echo(1) as port, wire(port, 0.0) as running:
        for _ in range(20):  # the numbers of closed sockets come back: none may be taken for another
            with socket.create_connection(("127.0.0.1", running.port)) as client:
                client.sendall(b"?!")
                assert received(client) == b"?"


def test_where_nobody_listens_the_connection_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with wire(port, 0.0) as running, socket.create_connection(("127.0.0.1", running.port)) as client:
        assert received(client) == b""
