# SPDX-License-Identifier: Apache-2.0
"""A source of recordings on loopback that behaves, path by path, as badly as a test wants it to."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
QUERY = "X-Amz-Expires=3600&X-Amz-Signature=verysecret"

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Request:
    """What reached the source. Names of headers are in lower case."""

    path: str
    headers: Mapping[str, str] = field(repr=False)


class Source:
    """Answers each GET by what was set for its path, the last answer again and again.

    :ivar requests: what was asked, in order.
    """

    def __init__(self, port: int, scheme: str) -> None:
        self.port = port
        self.requests: list[Request] = []
        self._scheme = scheme
        self._answers: dict[str, list[Answer]] = {}
        self._lock = threading.Lock()

    def set(self, path: str, *answers: Answer) -> str:
        """Set a path's answers and return its presigned URL."""
        self._answers[path] = list(answers)
        return self.url(path)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{host}:{self.port}{path}?{QUERY}"

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(request.path == path for request in self.requests)

    def take(self, handler: BaseHTTPRequestHandler) -> Answer:
        path = urlsplit(handler.path).path
        with self._lock:
            self.requests.append(Request(path, {name.lower(): value for name, value in handler.headers.items()}))
            answers = self._answers.get(path, [status(404)])
            return answers.pop(0) if len(answers) > 1 else answers[0]


@contextmanager
def source_server(context: ssl.SSLContext | None = None) -> Iterator[Source]:
    """Serve on a free loopback port.

    :param context: for https.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            try:
                source.take(self)(self)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        source = Source(server.server_port, "https" if context else "http")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield source
        finally:
            server.shutdown()
            thread.join()


def ok(body: bytes, **headers: str) -> Answer:
    """The body as it should come. Headers are written with ``_`` for ``-``."""
    return status(200, body, **{"Content_Type": "audio/mpeg", **headers})


def ranged(
    body: bytes,
    *,
    etag: str | None = '"e-1"',
    heeds_if_match: bool = True,
    breaks_after: int | None = None,
    span: Callable[[int, int, int], str] = "bytes {}-{}/{}".format,
    **more: str,
) -> Answer:
    """A source of ranges, as S3 is one.

    :param heeds_if_match: answers 412 where another ETag is asked for.
    :param breaks_after: bytes of each answer, after which the connection is closed.
    :param span: makes the ``Content-Range`` of first byte, last byte and total.
    """

    def answer(handler: BaseHTTPRequestHandler) -> None:
        wanted = _RANGE.fullmatch(handler.headers.get("Range", ""))
        headers = {"Content_Type": "audio/mpeg", **({"ETag": etag} if etag else {}), **more}
        if heeds_if_match and handler.headers.get("If-Match", etag) != etag:
            return status(412)(handler)
        start, stop = (int(wanted[1]), min(int(wanted[2]) + 1, len(body))) if wanted else (0, len(body))
        if start >= len(body):
            return status(416, Content_Range=f"bytes */{len(body)}")(handler)
        if wanted:
            headers["Content_Range"] = span(start, stop - 1, len(body))
        _head(handler, 206 if wanted else 200, {**headers, "Content_Length": str(stop - start)})
        part = memoryview(body)[start:stop]
        handler.wfile.write(part if breaks_after is None else part[:breaks_after])
        handler.close_connection = breaks_after is not None and breaks_after < len(part)
        return None

    return answer


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, code, {"Content_Length": str(len(body)), **headers})
        handler.wfile.write(body)

    return answer


def raw(sent: bytes) -> Answer:
    """Whatever a test wants on the wire, and the end of the connection."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(sent)
        handler.close_connection = True

    return answer


def redirect(location: str) -> Answer:
    return status(302, Location=location)


def truncated(body: bytes, missing: int = 1) -> Answer:
    """Close the connection before the declared end."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, {"Content_Length": str(len(body) + missing)})
        handler.wfile.write(body)
        handler.close_connection = True

    return answer


def over_long(body: bytes, surplus: bytes) -> Answer:
    """Send more than was declared."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, {"Content_Length": str(len(body))})
        handler.wfile.write(body + surplus)

    return answer


def chunked(*chunks: bytes, whole: bool = True, **headers: str) -> Answer:
    """Chunked framing, with or without its last chunk."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, {"Transfer_Encoding": "chunked", **headers})
        for chunk in chunks:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if whole:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = not whole

    return answer


def without_length(body: bytes) -> Answer:
    """A body that ends with its connection, as in HTTP/1.0."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, {"Connection": "close"})
        handler.wfile.write(body)
        handler.close_connection = True

    return answer


def reset(body: bytes) -> Answer:
    """Send half of the body, then a TCP reset."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, {"Content_Length": str(2 * len(body))})
        handler.wfile.write(body)
        handler.wfile.flush()
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(handler.connection.detach())

    return answer


def held(body: bytes, release: threading.Event, at: int) -> Answer:
    """Send ``at`` bytes, then nothing until ``release`` is set, then the rest."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, {"Content_Length": str(len(body))})
        handler.wfile.write(body[:at])
        handler.wfile.flush()
        release.wait(30)
        handler.wfile.write(body[at:])

    return answer


def endless(size: int, *, ranges: bool = True) -> Answer:
    """``size`` bytes that nobody holds in memory.

    :param ranges: serve what is asked for, rather than all of it.
    """
    block = bytes(range(256)) * 4096

    def answer(handler: BaseHTTPRequestHandler) -> None:
        wanted = _RANGE.fullmatch(handler.headers.get("Range", "")) if ranges else None
        start, stop = (int(wanted[1]), min(int(wanted[2]) + 1, size)) if wanted else (0, size)
        span = {"Content_Range": f"bytes {start}-{stop - 1}/{size}"} if wanted else {}
        _head(handler, 206 if wanted else 200, {"Content_Length": str(stop - start), **span})
        for at in range(start, stop, len(block)):
            handler.wfile.write(block[: stop - at])

    return answer


def listing(count: int) -> Answer:
    """A manifest of ``count`` recordings that nobody holds in memory: some 350 bytes each."""
    entry = json.dumps(
        {
            "id": "0b1ff4a6-7f1c-4c12-9b7e-0000%08d",
            "conversationId": "5a6b0b1f-7f1c-4c12-9b7e-3f1c2d4e5a6b",
            "startTime": "2024-05-01T09:30:00.000Z",
            "durationMs": 181_000,
            "agentId": "d8d4f1c2-7f1c-4c12-9b7e-3f1c2d4e5a6b",
            "agentName": "Ada Novak",
            "queueId": "c7c3e0b1-7f1c-4c12-9b7e-3f1c2d4e5a6b",
            "disposition": "resolved",
        }
    )

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, {"Content_Type": "application/json", "Transfer_Encoding": "chunked"})
        for start in range(0, count, 1000):
            block = ", ".join([entry % number for number in range(start, min(start + 1000, count))])
            chunk = (", " if start else '{"recordings": [') + block
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk.encode()))
        handler.wfile.write(b"2\r\n]}\r\n0\r\n\r\n")

    return answer


def _head(handler: BaseHTTPRequestHandler, code: int, headers: Mapping[str, str]) -> None:
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
