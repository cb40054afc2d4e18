# SPDX-License-Identifier: Apache-2.0
"""A long wire to a server on this machine: a TCP proxy in a process of its own that adds a round trip.

Bytes pass as they are, TLS included, each half a round trip late. A new connection costs a round trip more, as the
handshake of TCP does. What the wire leaves out favours whoever opens many connections: there is no slow start.

A cap on bytes a second is the wire's and not nginx's ``limit_rate``, which allows each *request* its first second's
bytes at once: whoever reads ranges of some MB would never meet it.
"""

from __future__ import annotations

import argparse
import heapq
import json
import select
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CHUNK = 128 * 1024
WINDOW = 16 * 1024 * 1024
"""Bytes under way in one direction of a connection; beyond it the wire stops reading, and the sender feels it."""


class _Way:
    """One direction of a connection.

    :ivar ended: its origin has nothing more to say.
    :ivar blocked: its target takes nothing at the moment.
    :param not_before: when its first bytes may arrive.
    :param cap: bytes a second, or None.
    """

    def __init__(self, origin: _End, target: _End, not_before: float = 0.0, cap: float | None = None) -> None:
        self.origin = origin
        self.target = target
        self.under_way: deque[_Piece] = deque()
        self.bytes = 0
        self.ended = self.blocked = False
        self._not_before = not_before
        self._cap = cap
        self._free_at = 0.0

    def arrival(self, size: int, half_a_trip: float) -> float:
        """When bytes arrive that come in now."""
        leaves = time.monotonic()
        if self._cap:
            leaves = self._free_at = max(leaves, self._free_at) + size / self._cap
        return max(leaves + half_a_trip, self._not_before)


@dataclass
class _Piece:
    """Bytes under way; none for the end.

    :ivar sent: how many have been delivered.
    """

    due: float
    buffer: bytearray
    size: int
    sent: int = 0


class _End:
    """One of a connection's two sockets, with the way that begins and the way that ends at it.

    :ivar lost: closed by its peer in both directions.
    :ivar closed: by the wire.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        self.fileno = sock.fileno()
        self.events = 0
        self.lost = self.closed = False
        self.out: _Way
        self.back: _Way


class Wire:
    """Forwards connections to a port of this machine.

    :param to_port: the server's.
    :param round_trip: seconds.
    :param cap: bytes a second that one connection carries from the server to its client; None for no cap.
    :ivar carried: bytes, both directions.
    """

    def __init__(self, to_port: int, round_trip: float, cap: float | None) -> None:
        self.carried = 0
        self._to_port = to_port
        self._round_trip = round_trip
        self._cap = cap
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._poll = select.epoll()
        self._ends: dict[int, _End] = {}
        self._due: list[tuple[float, int, _Way]] = []
        self._number = 0
        self._buffers: list[bytearray] = []
        self._closed: list[socket.socket] = []

    def run(self, until_closed: int) -> None:
        """Forward until a file descriptor is closed at its other end."""
        self._poll.register(self._listener, select.EPOLLIN)
        self._poll.register(until_closed, select.EPOLLIN)
        while True:
            for fileno, events in self._poll.poll(self._timeout()):
                if fileno == self._listener.fileno():
                    self._accept()
                elif fileno == until_closed:
                    return
                elif end := self._ends.get(fileno):
                    self._handle(end, events)
            self._deliver_due()
            # Not before: the number of a closed socket may be another one's in the next moment.
            while self._closed:
                self._closed.pop().close()

    def _timeout(self) -> float:
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else -1

    def _accept(self) -> None:
        client = _End(self._listener.accept()[0])
        try:
            server = _End(socket.create_connection(("127.0.0.1", self._to_port)))
        except OSError:
            client.socket.close()
            return
        # The client believes to be connected already: its first bytes wait for the handshake that it was spared.
        client.out = server.back = _Way(client, server, not_before=time.monotonic() + 1.5 * self._round_trip)
        server.out = client.back = _Way(server, client, cap=self._cap)
        for end in (client, server):
            self._ends[end.fileno] = end
            end.events = select.EPOLLIN
            self._poll.register(end.fileno, end.events)

    def _handle(self, end: _End, events: int) -> None:
        try:
            if events & (select.EPOLLERR | select.EPOLLHUP):
                self._lose(end)
                return
            if events & select.EPOLLIN:
                self._read(end)
            if events & select.EPOLLOUT and not end.closed:
                self._deliver(end.back)
        except OSError:
            self._close(end)

    def _lose(self, end: _End) -> None:
        """An end is gone: what it has sent still goes its way, nothing more goes to it."""
        end.back.under_way.clear()
        end.back.ended = True
        self._watch(end.back.origin)
        while not end.out.ended:
            self._read(end)
        self._poll.unregister(end.fileno)
        end.lost = True
        if not end.out.under_way:
            self._close(end)

    def _read(self, end: _End) -> None:
        way, buffer = end.out, self._buffers.pop() if self._buffers else bytearray(CHUNK)
        try:
            size = end.socket.recv_into(buffer)
        except ConnectionError:
            size = 0  # reset: what came before still arrives, and then the end
        way.under_way.append(_Piece(way.arrival(size, self._round_trip / 2), buffer, size))
        way.bytes += size
        way.ended = not size
        self.carried += size
        self._watch(end)
        if len(way.under_way) == 1:
            self._schedule(way)

    def _schedule(self, way: _Way) -> None:
        self._number += 1
        heapq.heappush(self._due, (way.under_way[0].due, self._number, way))

    def _deliver_due(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            way = heapq.heappop(self._due)[2]
            if not way.target.closed:
                try:
                    self._deliver(way)
                except OSError:
                    self._close(way.target)

    def _deliver(self, way: _Way) -> None:
        """Send what is due. The rest waits for its time, or for the target to take more."""
        now, way.blocked = time.monotonic(), False
        while way.under_way and not way.blocked and (piece := way.under_way[0]).due <= now:
            if not piece.size:
                self._end(way)
                return
            try:
                sent = way.target.socket.send(memoryview(piece.buffer)[piece.sent : piece.size])
            except BlockingIOError:
                sent = 0
            way.bytes -= sent
            piece.sent += sent
            way.blocked = piece.sent < piece.size
            if not way.blocked:
                self._buffers.append(way.under_way.popleft().buffer)
        self._watch(way.target)
        self._watch(way.origin)
        if way.under_way and not way.blocked:
            self._schedule(way)

    def _end(self, way: _Way) -> None:
        way.under_way.clear()
        way.target.socket.shutdown(socket.SHUT_WR)
        if way.target.out.ended and not way.target.out.under_way:
            self._close(way.target)

    def _watch(self, end: _End) -> None:
        """Listen to what an end may do next."""
        reading = not end.out.ended and end.out.bytes < WINDOW
        events = (select.EPOLLIN if reading else 0) | (select.EPOLLOUT if end.back.blocked else 0)
        if events != end.events and not end.lost:
            end.events = events
            self._poll.modify(end.fileno, events)

    def _close(self, end: _End) -> None:
        for each in (end, end.out.target):
            if each.closed:
                continue
            if not each.lost:
                self._poll.unregister(each.fileno)
            each.closed = True
            del self._ends[each.fileno]
            self._closed.append(each.socket)


@dataclass
class RunningWire:
    """A wire in its own process.

    :ivar carried: bytes, known when it has ended.
    :ivar cpu: seconds, known when it has ended.
    """

    port: int
    carried: int = 0
    cpu: float = 0.0


@contextmanager
def wire(to_port: int, round_trip: float, cap: float | None = None) -> Iterator[RunningWire]:
    """A wire to a port of this machine, for as long as the block lasts.

    :param round_trip: seconds.
    :param cap: bytes a second and connection from the server to the client.
    """
    command = [sys.executable, "-m", "dev.transfer.wire", str(to_port), str(round_trip), str(cap or 0)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout  # noqa: S101 - it is a pipe
        running = RunningWire(int(process.stdout.readline()))
        try:
            yield running
        finally:
            last_words, _ = process.communicate()
            ended = json.loads(last_words)
            running.carried, running.cpu = ended["carried"], ended["cpu"]


@dataclass(frozen=True)
class Calibration:
    """What a wire does when nothing else is in its way.

    :param round_trip: seconds, of one byte there and back, the median.
    :param bytes_per_second: of one connection from the server to the client.
    :param cpu_per_gb: seconds.
    """

    round_trip: float
    bytes_per_second: float
    cpu_per_gb: float


def calibrate(round_trip: float, size: int = 1_000_000_000) -> Calibration:
    """Measure a wire without cap: an echo's round trips, then one connection's throughput."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_echo_and_flood, args=(listener, size), daemon=True)
        thread.start()
        with wire(listener.getsockname()[1], round_trip) as running:
            with socket.create_connection(("127.0.0.1", running.port)) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                trips = sorted(_trip(client) for _ in range(12))
                began, buffer, received = time.perf_counter(), bytearray(CHUNK), 0
                client.sendall(b"!")
                while received < size and (count := client.recv_into(buffer)):
                    received += count
                seconds = time.perf_counter() - began - round_trip
            thread.join()
    return Calibration(trips[len(trips) // 2], size / seconds, running.cpu / (running.carried / 1e9))


def _echo_and_flood(listener: socket.socket, size: int) -> None:
    server, _ = listener.accept()
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with server:
        while (byte := server.recv(1)) == b"?":
            server.sendall(byte)
        block = bytes(CHUNK)
        for _ in range(-(-size // CHUNK)):
            server.sendall(block)


def _trip(client: socket.socket) -> float:
    began = time.perf_counter()
    client.sendall(b"?")
    client.recv(1)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="A TCP proxy that adds a round trip; it ends with its stdin")
    parser.add_argument("to_port", type=int)
    parser.add_argument("round_trip", type=float, help="seconds")
    parser.add_argument("cap", type=float, help="bytes a second and connection towards the client; 0 for none")
    arguments = parser.parse_args()
    running = Wire(arguments.to_port, arguments.round_trip, arguments.cap or None)
    print(running.port, flush=True)
    running.run(sys.stdin.fileno())
    print(json.dumps({"carried": running.carried, "cpu": time.process_time()}), flush=True)


if __name__ == "__main__":
    main()
