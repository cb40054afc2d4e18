# SPDX-License-Identifier: Apache-2.0
"""What an S3 client wants to hear around the PUTs of a sink: multipart uploads, and listings.

A completed upload becomes a hole of its size: the sink answers a HEAD as if the parts were joined, and nobody waits
for a copy that S3 would not make.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

_INITIATED = "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId></{0}>"
_COMPLETED = '<CompleteMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><ETag>"not-checked"</ETag></{0}>'
_UPLOADS = "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></{0}>"
_OBJECTS = "<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></{0}>"


@contextmanager
def multipart_answers(sink: Path) -> Iterator[int]:
    """Answer on a free loopback port, for as long as the block lasts.

    :param sink: the directory into which parts are put, each beside its object's path as ``.part-N``.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(sink))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(sink: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            if "uploadId=" not in url.query:
                self._answer(_INITIATED)
                return
            _join(sink / unquote(url.path).lstrip("/"))
            self._answer(_COMPLETED)

        def do_GET(self) -> None:
            self._answer(_UPLOADS if "uploads" in urlsplit(self.path).query else _OBJECTS)

        def _answer(self, document: str) -> None:
            body = document.format(document[1:].partition(">")[0]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _join(target: Path) -> None:
    parts = list(target.parent.glob(f"{target.name}.part-*"))
    size = sum(part.stat().st_size for part in parts)
    with target.open("wb") as hole:
        hole.truncate(size)
    for part in parts:
        part.unlink()
