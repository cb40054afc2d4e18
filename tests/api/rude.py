# SPDX-License-Identifier: Apache-2.0
"""A platform on loopback that answers as a test dictates: what the simulator is too well-behaved for."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOKEN = "token-that-nobody-may-see"


@dataclass(frozen=True)
class Answer:
    """What is sent.

    :param body: bytes as they are, or a value as JSON.
    """

    status: int = 200
    body: Any = b""
    headers: tuple[tuple[str, str], ...] = ()

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        handler.send_response(self.status)
        for name, value in self.headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


class Dropped(Answer):
    """The connection is closed in place of an answer."""

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True


@dataclass(frozen=True)
class Request:
    """What reached the server; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class RudePlatform:
    """Answers what it was told to, the last answer again and again; logs everybody in.

    :ivar requests: what was asked, logins left out.
    :ivar logins: how often a token was asked for.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self.logins = 0
        self.login = Answer(200, {"access_token": TOKEN, "expires_in": 3600})
        self.before_login: Callable[[], None] = lambda: None
        self._answers: list[Answer] = [Answer(200, {})]
        self._lock = threading.Lock()

    def will(self, *answers: Answer) -> None:
        """Set what comes next."""
        self._answers = list(answers)

    def take(self, request: Request) -> Answer:
        with self._lock:
            if request.path == "/oauth/token":
                self.logins += 1
                self.before_login()
                return self.login
            self.requests.append(request)
            return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@contextmanager
def rude_platform(certificate: Path | None = None) -> Iterator[RudePlatform]:
    """Serve on a free port of 127.0.0.1.

    :param certificate: PEM file of key and certificate: TLS is spoken then.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            platform.take(Request(self.command, self.path, headers, body)).send(self)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *args: Any) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: Any) -> None:
            """A client that hangs up in the handshake is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            scheme = "https"
        platform = RudePlatform(f"{scheme}://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield platform
        finally:
            server.shutdown()
            thread.join()
