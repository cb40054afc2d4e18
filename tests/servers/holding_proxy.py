# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy in front of one server that can hold a request: before it is passed on, or before its answer is.

It can also do what a local server doesn't: answer with a fault in its place, or lose an answer.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection

from tests.servers.http import Handler, Server

_HOP_BY_HOP = {"connection", "expect", "transfer-encoding", "keep-alive"}


@dataclass(frozen=True)
class Fault:
    """An answer in the server's place.

    :param status: None to lose the answer of the server, which does what it is asked for.
    :param corrupt: change a byte of what the server is sent, and let it answer.
    :param pass_on: none at all: for the requests before the one that fails.
    """

    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    corrupt: bool = False
    pass_on: bool = False


class HoldingProxy:
    """Passes requests on as they are, their ``Host`` included, so that a signature over it stays good.

    :param upstream: the server's port on loopback.
    :ivar passed: ``METHOD /path`` of everything that was passed on, in order.
    """

    def __init__(self, upstream: int) -> None:
        self.passed: list[str] = []
        self._upstream = upstream
        self._server = Server(("127.0.0.1", 0), self._handler())
        self._lock = threading.Lock()
        self._wanted: tuple[str, bool, int] | None = None
        self._held = threading.Event()
        self._released = threading.Event()
        self._faults: list[tuple[str, Fault]] = []

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def hold(self, words: str, nth: int = 1, *, answer: bool = False) -> None:
        """Hold the n-th request from here on that has these words in its ``METHOD /path``.

        :param answer: let the server do what it is asked for, and hold the answer.
        """
        with self._lock:
            self._wanted = (words, answer, nth)
            self._held.clear()
            self._released.clear()

    def wait_until_held(self, timeout: float = 10.0) -> None:
        """Block until a request is held.

        :raises TimeoutError: nobody came.
        """
        if not self._held.wait(timeout):
            raise TimeoutError(f"no request was held within {timeout} s; passed on: {self.passed[-5:]}")

    def release(self) -> None:
        """Let go. A request whose client died meanwhile is never passed on."""
        with self._lock:
            self._wanted = None
            self._released.set()

    def fail(self, words: str, fault: Fault, times: int = 1) -> None:
        """Let the next requests that have these words in their ``METHOD /path`` fail."""
        with self._lock:
            self._faults += [(words, fault)] * times

    def _fault(self, words: str) -> Fault | None:
        with self._lock:
            for at, (wanted, fault) in enumerate(self._faults):
                if _matches(words, wanted):
                    del self._faults[at]
                    return fault
        return None

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def _pass(self, words: str, *, answer: bool) -> None:
        """Go by, or be held."""
        with self._lock:
            wanted, when, left = self._wanted or ("", False, 0)
            if not left or when is not answer or not _matches(words, wanted):
                return
            self._wanted = (wanted, when, left - 1) if left > 1 else None
            if left > 1:
                return
            self._held.set()
        self._released.wait()

    def _handler(proxy) -> type[Handler]:  # the handler's ``self`` comes below
        class Exchange(Handler):
            def _exchange(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                words = f"{self.command} {self.path}"
                proxy._pass(words, answer=False)
                if _is_gone(self.connection):
                    self.close_connection = True
                    return
                fault = proxy._fault(words)
                if fault and fault.status:
                    self.send_response_only(fault.status, "injected")
                    for name, value in {**fault.headers, "Content-Length": str(len(fault.body))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(b"" if self.command == "HEAD" else fault.body)
                    return
                upstream = HTTPConnection("127.0.0.1", proxy._upstream, timeout=30)
                upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in _HOP_BY_HOP:
                        upstream.putheader(name, value)
                if fault and fault.corrupt:
                    body = _corrupted(body)
                upstream.endheaders(body)
                answer = upstream.getresponse()
                content = answer.read()
                upstream.close()
                proxy.passed.append(words)
                proxy._pass(words, answer=True)
                if fault and not (fault.corrupt or fault.pass_on):
                    self.close_connection = True
                    return
                self.send_response_only(answer.status, answer.reason)
                for name, value in answer.getheaders():
                    if name.lower() not in {*_HOP_BY_HOP, "content-length"}:
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else None
                self.send_header("Content-Length", length or str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _exchange

        return Exchange


@contextmanager
def holding_proxy(upstream: int) -> Iterator[HoldingProxy]:
    """A proxy on a free loopback port, for as long as the block lasts."""
    proxy = HoldingProxy(upstream)
    thread = threading.Thread(target=proxy.serve, name="holding-proxy", daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()


def _matches(words: str, wanted: str) -> bool:
    method, _, part = wanted.partition(" ")
    return words.startswith(f"{method} ") and part in words


def _corrupted(body: bytes) -> bytes:
    """The same with another byte in its middle."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def _is_gone(connection: socket.socket) -> bool:
    """Whether the other side has closed a connection on which it has nothing more to say."""
    readable, _, _ = select.select([connection], [], [], 0)
    if not readable:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except ConnectionError:
        return True
