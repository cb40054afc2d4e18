# SPDX-License-Identifier: Apache-2.0
"""Sockets that take turns, against a server that speaks TLS."""

from __future__ import annotations

import hashlib
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from airflow_provider_genesys.archive.download import Downloader
from airflow_provider_genesys.archive.turns import take_turns
from tests.archive.certificate import self_signed

BODY = random.Random(7).randbytes(3_000_000)
RECORD = 16_384

Connect = Callable[[], ssl.SSLSocket]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path)


@pytest.fixture
def client(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificate)
    take_turns(context)
    return context


@contextmanager
def server(certificate: Path, client: ssl.SSLContext, serve: Callable[[ssl.SSLSocket], None]) -> Iterator[Connect]:
    """Serve each connection in a thread of its own; gives what connects to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def handle(connection: socket.socket) -> None:
        with connection, context.wrap_socket(connection, server_side=True) as wrapped:
            serve(wrapped)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    def connect() -> ssl.SSLSocket:
        return client.wrap_socket(socket.create_connection(listener.getsockname(), 10), server_hostname="127.0.0.1")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield connect
        listener.shutdown(socket.SHUT_RDWR)


def read_all(connection: ssl.SSLSocket, size: int) -> bytes:
    buffer, count = bytearray(size), 0
    while count < size and (more := connection.recv_into(memoryview(buffer)[count:])):
        count += more
    return bytes(buffer[:count])


def read(connection: ssl.SSLSocket) -> int:
    return connection.recv_into(bytearray(32))


def echo(connection: ssl.SSLSocket) -> None:
    """Take a body, give its hash and the body back."""
    received = read_all(connection, len(BODY))
    connection.sendall(hashlib.sha256(received).digest())
    connection.sendall(received)


def wait_for(event: threading.Event) -> None:
    assert event.wait(10)


def test_many_threads_move_bytes_each_of_which_arrives(certificate: Path, client: ssl.SSLContext) -> None:
    def there_and_back(number: int) -> tuple[bytes, bytes, bytes]:
        body = number.to_bytes(4, "big") + BODY[4:]
        with connect() as connection:
            connection.sendall(body)
            return body, read_all(connection, 32), read_all(connection, len(body))

    with server(certificate, client, echo) as connect, ThreadPoolExecutor(8) as threads:
        for body, digest, back in threads.map(there_and_back, range(16)):
            assert digest == hashlib.sha256(body).digest()
            assert back == body


def test_a_read_takes_all_that_is_there(certificate: Path, client: ssl.SSLContext) -> None:
    def serve(connection: ssl.SSLSocket) -> None:
        connection.sendall(BODY[: 4 * RECORD])
        sent.set()
        done.wait(10)

    sent, done = threading.Event(), threading.Event()
    with server(certificate, client, serve) as connect, connect() as connection:
        assert sent.wait(10)
        time.sleep(0.1)  # for the loopback
        assert connection.recv_into(bytearray(10 * RECORD)) == 4 * RECORD
        done.set()


def test_bytes_of_a_record_that_were_left_come_without_a_wait(certificate: Path, client: ssl.SSLContext) -> None:
    def serve(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"status and body")
        done.wait(10)

    done = threading.Event()
    with server(certificate, client, serve) as connect, connect() as connection:
        head, rest = bytearray(6), bytearray(100)
        assert connection.recv_into(head) == 6
        assert connection.recv_into(rest, 4) == 4
        assert (bytes(head), bytes(rest[:4])) == (b"status", b" and")
        assert connection.recv_into(rest) == 5
        done.set()


def test_who_reads_slowly_is_waited_for_and_keeps_no_other_from_its_turn(
    certificate: Path, client: ssl.SSLContext
) -> None:
    def serve(connection: ssl.SSLSocket) -> None:
        if read_all(connection, 1) == b"s":
            released.wait(10)
        connection.sendall(hashlib.sha256(read_all(connection, 4 * len(BODY))).digest())

    def send(kind: bytes) -> bytes:
        with connect() as connection:
            connection.sendall(kind + 4 * BODY)
            return read_all(connection, 32)

    released = threading.Event()
    with server(certificate, client, serve) as connect, ThreadPoolExecutor(2) as threads:
        slow = threads.submit(send, b"s")
        assert threads.submit(send, b"q").result(10) == hashlib.sha256(4 * BODY).digest()
        assert not slow.done()
        released.set()
        assert slow.result(10) == hashlib.sha256(4 * BODY).digest()


@pytest.mark.parametrize(
    "move", [lambda connection: connection.recv_into(bytearray(10)), lambda connection: connection.sendall(20 * BODY)]
)
def test_a_silence_ends_by_the_timeout(
    certificate: Path, client: ssl.SSLContext, move: Callable[[ssl.SSLSocket], object]
) -> None:
    done = threading.Event()
    with server(certificate, client, lambda _: wait_for(done)) as connect, connect() as connection:
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            move(connection)
        assert connection.gettimeout() == 0.2
        done.set()


def test_the_end_is_told_as_any_socket_tells_it(certificate: Path, client: ssl.SSLContext) -> None:
    with server(certificate, client, lambda connection: connection.sendall(b"all")) as connect, connect() as connection:
        assert read_all(connection, 10) == b"all"
        assert connection.recv_into(bytearray(10)) == 0


def test_who_does_not_block_is_left_alone(certificate: Path, client: ssl.SSLContext) -> None:
    done = threading.Event()
    with server(certificate, client, lambda _: wait_for(done)) as connect, connect() as connection:
        connection.settimeout(0)
        with pytest.raises(ssl.SSLWantReadError):
            connection.recv_into(bytearray(10))
        done.set()


@pytest.mark.parametrize("turn", ["reading", "writing"])
def test_a_thread_waits_for_its_turn(certificate: Path, client: ssl.SSLContext, turn: str) -> None:
    with server(certificate, client, echo) as connect, ThreadPoolExecutor(1) as threads, connect() as connection:
        if turn == "reading":
            connection.sendall(BODY)
        with vars(client.sslsocket_class)[turn]:
            move: Callable[[], int | None] = partial(read, connection)
            if turn == "writing":
                move = partial(connection.sendall, BODY)
            moved = threads.submit(move)
            with pytest.raises(TimeoutError):
                moved.result(0.5)
        answered = moved.result(10) or 0
        assert len(read_all(connection, 32 + len(BODY) - answered)) == 32 + len(BODY) - answered


def test_downloads_take_turns() -> None:
    pools = Downloader()._pools
    assert pools.connection_pool_kw["ssl_context"].sslsocket_class.__name__ == "TurnTakingSocket"


def test_contexts_take_turns_of_their_own(client: ssl.SSLContext) -> None:
    other = ssl.create_default_context()
    take_turns(other)
    assert vars(client.sslsocket_class)["reading"] is not vars(other.sslsocket_class)["reading"]
