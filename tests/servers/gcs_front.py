# SPDX-License-Identifier: Apache-2.0
"""What fake-gcs-server lacks of Cloud Storage's documented behaviour, put in front of it.

Behind it all is kept by fake-gcs-server, which is exact about conditions, in races too. It checks no checksum, though,
and its resumable uploads forget conditions and media types, can't be cancelled, and end at the question how far they
came. So this front does those by the book (Cloud Storage, Resumable uploads; JSON API, Objects: insert): an object is
stored when its last byte is there, its CRC32C is right and its condition holds. It proves that the store keeps to the
book, not that the service does.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import google_crc32c

from tests.servers.http import Handler, Server

QUANTUM = 256 * 1024
UPLOADS = re.compile(r"/upload/storage/v1/b/([^/]+)/o")
OBJECTS = re.compile(r"/storage/v1/b/([^/]+)/o(?:/([^/]+))?")


@dataclass
class Session:
    """A resumable upload.

    :param answer: the finished object's, which a question after it gets again.
    """

    bucket: str
    query: dict[str, str]
    metadata: dict[str, Any]
    data: bytearray = field(default_factory=bytearray)
    answer: Answer | None = None


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class GcsFront:
    """Serves on a loopback port.

    :param upstream: fake-gcs-server's port.
    :ivar sessions: the resumable uploads that are open.
    """

    def __init__(self, upstream: int) -> None:
        self.sessions: dict[str, Session] = {}
        self._upstream = upstream
        self._server = Server(("127.0.0.1", 0), _handler(self))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """What a request gets; links in it lead here, or to the proxy that was asked."""
        answer = self._answer(method, path, headers, body)
        if answer.headers.get("Content-Type") != "application/json":
            return answer
        here = answer.body.replace(
            f"http://127.0.0.1:{self._upstream}/".encode(), f"http://{headers['host']}/".encode()
        )
        return replace(answer, body=here)

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if upload := UPLOADS.fullmatch(parts.path):
            if "upload_id" in query:
                return self._resumed(method, query["upload_id"], headers, body)
            if query.get("uploadType") == "resumable":
                return self._begun(upload[1], path, query, headers, body)
            return self._whole(path, headers, body) or self._passed_on(method, path, headers, body)
        answer = self._passed_on(method, path, headers, body)
        if answer.status == 404 and (at := OBJECTS.fullmatch(parts.path)):
            return self._missing(at[1], at[2] or "")
        return answer

    def _missing(self, bucket: str, name: str) -> Answer:
        if self._passed_on("GET", f"/storage/v1/b/{bucket}").status == 404:
            return _error(404, "The specified bucket does not exist.")
        return _error(404, f"No such object: {bucket}/{name}")

    def _whole(self, path: str, headers: dict[str, str], body: bytes) -> Answer | None:
        """The refusal of an upload in one request, if there is a reason."""
        boundary = b"--" + headers["content-type"].partition("boundary=")[2].strip('"').encode()
        _, metadata, content, _ = body.split(boundary, 3)
        declared = json.loads(metadata.partition(b"\r\n\r\n")[2]).get("crc32c")
        sent = _crc32c(content.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n"))
        if declared not in (None, sent):
            return _error(400, f'Provided CRC32C "{declared}" doesn\'t match calculated CRC32C "{sent}".')
        bucket = urlsplit(path).path.split("/")[5]
        if self._passed_on("GET", f"/storage/v1/b/{bucket}").status == 404:
            return self._missing(bucket, "")
        return None

    def _begun(self, bucket: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Answer:
        if self._passed_on("GET", f"/storage/v1/b/{bucket}").status == 404:
            return self._missing(bucket, "")
        metadata = {**json.loads(body or b"{}"), "name": query.get("name") or json.loads(body)["name"]}
        metadata.setdefault("contentType", headers.get("x-upload-content-type", "application/octet-stream"))
        there = self._passed_on("GET", f"/storage/v1/b/{bucket}/o/{quote(metadata['name'], safe='')}").status == 200
        if there and query.get("ifGenerationMatch") == "0":
            return _error(412, "At least one of the pre-conditions you specified did not hold.")
        upload_id = uuid4().hex
        self.sessions[upload_id] = Session(bucket, query, metadata)
        host = headers["host"]  # that of a proxy in front, if there is one
        return Answer(200, headers={"Location": f"http://{host}{urlsplit(path).path}?upload_id={upload_id}"})

    def _resumed(self, method: str, upload_id: str, headers: dict[str, str], body: bytes) -> Answer:
        session = self.sessions.get(upload_id)
        if session is None:
            return _error(404, "Not Found")
        if method == "DELETE":
            del self.sessions[upload_id]
            return Answer(499)
        if session.answer:
            return session.answer
        sent, _, total = headers["content-range"].removeprefix("bytes ").partition("/")
        if sent != "*":
            start = int(sent.partition("-")[0])
            if start > len(session.data):
                return _error(503, "bytes are missing before these")
            if total == "*" and len(body) % QUANTUM:
                return _error(400, f"not a multiple of {QUANTUM} bytes")
            session.data[start:] = body
        if total == "*" or int(total) != len(session.data):
            stored = {"Range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}
            return Answer(308, headers=stored)
        return self._finished(upload_id, session, headers.get("x-goog-hash", ""))

    def _finished(self, upload_id: str, session: Session, declared: str) -> Answer:
        if declared not in ("", f"crc32c={_crc32c(session.data)}"):
            del self.sessions[upload_id]
            return _error(400, f"Provided {declared} doesn't match what was sent")
        query = {**session.query, "uploadType": "multipart"}
        path = f"/upload/storage/v1/b/{session.bucket}/o?" + "&".join(
            f"{name}={quote(value, safe='')}" for name, value in query.items()
        )
        boundary = uuid4().hex
        media_type = session.metadata["contentType"]
        head = (
            f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{json.dumps(session.metadata)}\r\n"
            f"--{boundary}\r\nContent-Type: {media_type}\r\n\r\n"
        )
        answer = self._passed_on(
            "POST",
            path,
            {"content-type": f'multipart/related; boundary="{boundary}"'},
            head.encode() + session.data + f"\r\n--{boundary}--".encode(),
        )
        session.data, session.answer = bytearray(), answer
        return answer

    def _passed_on(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        upstream = HTTPConnection("127.0.0.1", self._upstream, timeout=30)
        try:
            kept = {name: value for name, value in (headers or {}).items() if name not in ("host", "accept-encoding")}
            upstream.request(method, path, body, {**kept, "content-length": str(len(body))})
            answer = upstream.getresponse()
            named = ("Content-Type", "Content-Range", "X-Goog-Generation", "X-Goog-Hash", "Etag")
            kept = {name: value for name in named if (value := answer.getheader(name))}
            return Answer(answer.status, answer.read(), kept)
        finally:
            upstream.close()


@contextmanager
def gcs_front(upstream: int) -> Iterator[GcsFront]:
    """The front on a free loopback port, for as long as the block lasts."""
    front = GcsFront(upstream)
    thread = threading.Thread(target=front.serve, name="gcs-front", daemon=True)
    thread.start()
    try:
        yield front
    finally:
        front.close()
        thread.join()


def _handler(front: GcsFront) -> type[Handler]:
    class Exchange(Handler):
        def _exchange(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if len(body) < length:  # the client was killed half way
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = front.answer(self.command, self.path, headers, body)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _exchange

    return Exchange


def _error(status: int, message: str) -> Answer:
    body = {"error": {"code": status, "message": message, "errors": [{"message": message, "reason": "front"}]}}
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _crc32c(data: bytes | bytearray) -> str:
    return base64.b64encode(google_crc32c.Checksum(bytes(data)).digest()).decode()
