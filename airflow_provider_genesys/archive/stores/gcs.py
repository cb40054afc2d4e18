# SPDX-License-Identifier: Apache-2.0
"""A bucket of Google Cloud Storage as a store."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from os.path import commonprefix
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import google_crc32c
from google.api_core.exceptions import GoogleAPICallError, RetryError, from_http_response
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage import Blob, Client
from google.cloud.storage.retry import DEFAULT_RETRY
from requests import RequestException, Response

from airflow_provider_genesys.archive.redaction import redact_urllib3
from airflow_provider_genesys.archive.stores import PART, Attributes, Bytes, Content, Overwrite, Upload
from airflow_provider_genesys.archive.stores.sending import Readable, widen
from airflow_provider_genesys.export.errors import ExportError, ExportFailed, Passing
from airflow_provider_genesys.export.model import StoredObject, Version

QUANTUM = 256 * 1024
"""Bytes: what comes before the end of a resumable upload is a multiple of this (Cloud Storage, Resumable uploads)."""

ROLE = "roles/storage.objectUser"
"""Grants all that an archive needs: creating alone does not let a report be replaced, nor a listing be made."""

RETRY = DEFAULT_RETRY.with_delay(initial=0.5, multiplier=2.0, maximum=2.0).with_timeout(5.0)
"""The client's own tries, over so quickly that the provider's are the ones that count."""

_TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and to wait for an answer's next byte."""

_PAGE = 1000
_LISTED = "items(name,size,crc32c,metadata),nextPageToken"
_ETAG, _SHA256 = "source-etag", "sha256"


class GcsStore:
    """Objects below a prefix of a bucket.

    The store checks the CRC32C of all bytes before an object appears, and creates it only where there is none, or
    replaces one version of it only, all by itself. What it says it has stored is compared once more. A version is a
    generation.

    An object in parts goes up by a resumable upload, whose metadata are settled when it begins: its SHA-256 is known
    only at the end, so that :meth:`find` can't tell it, and its CRC32C has to prove it.

    :param client: as :func:`sized` leaves it.
    :param prefix: without a leading slash; empty for the whole bucket.
    :param retry: the client's own tries, which come before the ``Passing`` that this store raises.
    """

    parts_in_order = True

    def __init__(self, client: Client, bucket: str, prefix: str = "", *, retry: Any = RETRY) -> None:
        redact_urllib3()  # the URL of a resumable upload is a secret
        self._client = client
        self._bucket = client.bucket(bucket)
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._options = {"retry": retry, "timeout": _TIMEOUT}

    @property
    def destination(self) -> str:
        return f"gs://{self._bucket.name}/{self._prefix}".rstrip("/")

    def find(self, key: str) -> StoredObject | None:
        blob = self._looked_up(key)
        return None if blob is None else _stored(key, blob)

    def find_all(self, keys: Collection[str]) -> dict[str, StoredObject]:
        wanted = sorted({self._prefix + key: key for key in keys}.items())
        prefix = commonprefix([wanted[0][0], wanted[-1][0]]) if wanted else ""  # noqa: RUF071 - of characters
        found: dict[str, StoredObject] = {}
        at = 0
        while at < len(wanted):
            listed, ended = self._listing(prefix, wanted[at][0])
            last = max(listed, default="")
            while at < len(wanted) and (ended or wanted[at][0] <= last):
                full_key, key = wanted[at]
                if full_key in listed:
                    found[key] = _stored(key, listed[full_key])
                at += 1
        return found

    def read(self, key: str) -> Content | None:
        blob = self._looked_up(key)
        if blob is None:
            return None

        def chunks() -> Iterator[bytes]:
            checksum = google_crc32c.Checksum()
            pinned = {"if_generation_match": blob.generation, "raw_download": True, "checksum": None}
            for start in range(0, blob.size, PART):
                with self._asking("storage.objects.get"):
                    # its end is never beyond the object's: that is answered with an error
                    end = min(start + PART, blob.size) - 1
                    chunk = blob.download_as_bytes(start=start, end=end, **pinned, **self._options)
                checksum.update(chunk)
                yield chunk
            if _base64(checksum) != blob.crc32c:
                raise Passing(f"{self.destination} sent other bytes of {key} than it holds")

        return Content(_version(blob), chunks())

    def put(
        self, key: str, body: Bytes, attributes: Attributes, *, sha256: str, overwrite: Overwrite = False
    ) -> StoredObject | None:
        blob = self._blob(key, attributes, sha256)
        checksum = google_crc32c.Checksum()
        _update(checksum, body)
        blob.crc32c = _base64(checksum)
        try:
            with self._asking("storage.objects.create"):
                self._insert(blob, body, attributes.media_type, overwrite)
        except _Present:
            return None
        self._prove(blob, key, len(body), checksum)
        return _stored(key, blob)

    def begin(
        self, key: str, attributes: Attributes, *, size: int | None = None, overwrite: Overwrite = False
    ) -> Upload:
        blob = self._blob(key, attributes)
        try:
            with self._asking("storage.objects.create"):
                url = blob.create_resumable_upload_session(
                    attributes.media_type, checksum=None, if_generation_match=_wanted(overwrite), **self._options
                )
        except _Present:
            url = None
        return _GcsUpload(self, key, blob, url)

    def remove_unfinished(self, keys: Collection[str]) -> None:
        """Nothing: an upload that was not completed can't be seen or listed, and is gone after a week by itself."""

    def _insert(self, blob: Blob, body: Bytes, media_type: str, overwrite: Overwrite) -> None:
        """Store a blob by one request (JSON API, Objects: insert, multipart), as the client does, which copies it."""
        boundary = uuid4().hex
        metadata = {"name": blob.name, "metadata": blob.metadata, "crc32c": blob.crc32c}
        head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(metadata)}\r\n"
            f"--{boundary}\r\nContent-Type: {media_type}\r\n\r\n"
        )
        url = f"{self._client.api_endpoint}/upload/storage/v1/b/{quote(self._bucket.name)}/o"

        def send() -> Any:
            with Readable(head.encode(), body, f"\r\n--{boundary}--\r\n".encode()) as content:
                answer = self._client._http.post(
                    url,
                    params={"uploadType": "multipart", "ifGenerationMatch": _wanted(overwrite)},
                    data=content,
                    headers={"Content-Type": f'multipart/related; boundary="{boundary}"'},
                    timeout=_TIMEOUT,
                )
            if answer.status_code != 200:
                raise from_http_response(answer)
            return answer.json()

        retry = self._options["retry"]
        blob._set_properties((retry(send) if retry else send)())

    def _looked_up(self, key: str) -> Blob | None:
        blob = self._blob(key)
        try:
            with self._asking("storage.objects.get and storage.objects.list"):
                blob.reload(**self._options)
        except _Absent:
            return None
        return blob

    def _listing(self, prefix: str, start: str) -> tuple[dict[str, Blob], bool]:
        """The objects of a page that begins at ``start``, and whether it is the last. A page may be empty and yet not
        be the last one."""
        listed: dict[str, Blob] = {}
        with self._asking("storage.objects.list"):
            listing = self._client.list_blobs(
                self._bucket, prefix=prefix, start_offset=start, page_size=_PAGE, fields=_LISTED, **self._options
            )
            for page in listing.pages:
                listed = {blob.name: blob for blob in page}
                if listed:
                    break
        return listed, not listing.next_page_token

    def _blob(self, key: str, attributes: Attributes | None = None, sha256: str | None = None) -> Blob:
        blob = self._bucket.blob(self._prefix + key)
        if attributes:
            blob.content_type = attributes.media_type
            known = {_ETAG: attributes.source_etag, _SHA256: sha256}
            blob.metadata = {name: value for name, value in known.items() if value}
        return blob

    def _prove(self, blob: Blob, key: str, size: int, checksum: google_crc32c.Checksum) -> None:
        """Compare what was stored with what was sent, and leave nothing wrong behind."""
        if blob.crc32c == _base64(checksum) and blob.size == size:
            return
        words = f"{size} bytes went to {key} in {self.destination}, and others arrived"
        try:
            with self._asking("storage.objects.delete"):
                blob.delete(if_generation_match=blob.generation, **self._options)
        except (_Absent, _Present):
            pass
        except ExportError as error:
            raise ExportFailed(f"{words}; delete its generation {blob.generation} yourself: {error}") from None
        raise Passing(words)

    @contextmanager
    def _asking(self, permission: str) -> Iterator[None]:
        """Tell the client's errors in ours. Its own words hold URLs, and with them the secret of an upload.

        :param permission: what the request needs, for whoever has to grant it.
        """
        try:
            yield
        except RetryError as error:
            raise self._told(error.cause, permission) from None
        except (GoogleAPICallError, GoogleAuthError, RequestException, ConnectionError) as error:
            raise self._told(error, permission) from None

    def _told(self, error: Exception | None, permission: str) -> ExportError:
        if isinstance(error, GoogleAuthError) and not error.retryable:
            return ExportFailed(
                f"no request to {self.destination} is possible: the connection's credentials "
                f"are refused or missing ({type(error).__name__})"
            )
        if not isinstance(error, GoogleAPICallError):
            return Passing(f"no answer from {self.destination} ({type(error).__name__})")
        status, words = int(error.code or 0), error.message.partition(": ")[2]
        if status == 404:
            kind = ExportFailed if "bucket does not exist" in words else _Absent
            return kind(f"there is no bucket {self._bucket.name!r}: create it, or name another destination")
        if status == 412:
            return _Present(f"another object came to {self.destination} meanwhile")
        if status in (401, 403):
            reason = next((detail["reason"] for detail in error.errors if "reason" in detail), status)
            return ExportFailed(
                f"bucket {self._bucket.name!r} denied a request ({reason}): check the connection's credentials, "
                f"and that they grant {permission} on {self.destination}; {ROLE} grants all that is needed"
            )
        passing = status in (408, 409, 429) or status >= 500 or (status == 400 and "crc32c" in words.lower())
        words = f"{self.destination} answered {status}: {words}"
        return Passing(words) if passing else ExportFailed(words)


class _GcsUpload:
    """A resumable upload: bytes in order, kept by the store as they come.

    What is sent before the end has to be a multiple of :data:`QUANTUM`, so that the rest of the last part waits for
    :meth:`complete`. Where an answer was lost, the store is asked how far it came.

    :param blob: what is to appear.
    :param url: the upload's; a secret. None where another writer's object is there already.
    """

    part_size = PART

    def __init__(self, store: GcsStore, key: str, blob: Blob, url: str | None) -> None:
        self._store = store
        self._key = key
        self._blob = blob
        self._url = url
        self._number = 0
        self._size = 0
        self._checksum = google_crc32c.Checksum()
        self._rest = b""
        self._stored = 0
        self._is_sure = True

    def put_part(self, number: int, body: Bytes) -> None:
        if number <= self._number:
            return
        start = (number - 1) * self.part_size
        if start != self._size:
            raise ValueError(f"part {number} doesn't follow part {self._number}")
        whole = len(body) - len(body) % QUANTUM
        with memoryview(body) as view, view[:whole] as sent:
            if self._url is not None:
                self._send(start, sent)
            self._rest = bytes(view[whole:])
        _update(self._checksum, body)
        self._number, self._size = number, start + len(body)

    def complete(self, sha256: str) -> StoredObject | None:
        if self._url is None:
            return None
        try:
            answer = self._finish()
        except _Present:
            return None
        self._blob._set_properties(answer.json())
        self._store._prove(self._blob, self._key, self._size, self._checksum)
        return replace(_stored(self._key, self._blob), sha256=sha256)

    def abort(self) -> None:
        if self._url is not None:
            try:
                self._store._client._http.delete(self._url, timeout=_TIMEOUT)
            except (GoogleAuthError, RequestException, ConnectionError):
                return  # nobody sees it, and it is gone after a week

    def _send(self, start: int, body: memoryview) -> None:
        """Send what the store doesn't have yet; it may keep less than it is sent."""
        end = start + len(body)
        if not self._is_sure:
            self._ask()
        while self._stored < end:
            before = self._stored
            if before < start:
                raise Passing(f"{self._store.destination} lost the beginning of {self._key}")
            with body[before - start :] as rest:
                self._put(rest, f"bytes {before}-{end - 1}/*")
            if self._stored == before:
                raise Passing(f"{self._store.destination} takes no more of {self._key}")

    def _finish(self) -> Response:
        if not self._is_sure and (answer := self._ask()).status_code != 308:
            return answer
        if self._stored + len(self._rest) != self._size:
            raise Passing(f"{self._store.destination} lost a part of {self._key}")
        length = f"{self._stored}-{self._size - 1}" if self._rest else "*"
        # The store checks the whole by this before it lets the object appear
        answer = self._put(
            self._rest, f"bytes {length}/{self._size}", {"X-Goog-Hash": f"crc32c={_base64(self._checksum)}"}
        )
        if answer.status_code == 308:
            raise Passing(f"{self._store.destination} waits for more of {self._key} than there is")
        return answer

    def _ask(self) -> Response:
        return self._put(b"", "bytes */*")

    def _put(self, body: bytes | memoryview, content_range: str, headers: dict[str, str] | None = None) -> Response:
        """Send bytes, or the question how many there are.

        :return: an answer 308, or the finished object's.
        """
        self._is_sure = False
        with self._store._asking("storage.objects.create"):
            answer: Response = self._store._client._http.put(
                self._url, data=body, headers={"Content-Range": content_range, **(headers or {})}, timeout=_TIMEOUT
            )
            if answer.status_code in (404, 410):
                raise Passing(f"{self._store.destination} forgot an upload of {self._key}")
            if answer.status_code not in (200, 201, 308):
                raise from_http_response(answer)
        if answer.status_code == 308:
            self._stored = int(answer.headers.get("Range", "bytes=0--1").rpartition("-")[2]) + 1
        self._is_sure = True
        return answer


class _Absent(ExportFailed):
    """There is no such object."""


class _Present(Passing):
    """There is one already, or another one."""


def sized(client: Client, connections: int) -> Client:
    """The same client, with as many connections to keep open as there are threads to use them.

    :param connections: threads.
    """
    widen(client._http, connections)
    return client


def _wanted(overwrite: Overwrite) -> int | None:
    """The generation that has to be there: 0 is none at all; None: whatever is there."""
    if isinstance(overwrite, bool):
        return None if overwrite else 0
    return int(overwrite)


def _stored(key: str, blob: Blob) -> StoredObject:
    known = blob.metadata or {}
    version = _version(blob) if blob.generation else None  # a listing has none
    return StoredObject(key, blob.size, known.get(_SHA256), known.get(_ETAG), f"crc32c:{blob.crc32c}", version)


def _version(blob: Blob) -> Version:
    return Version(str(blob.generation))


def _update(checksum: google_crc32c.Checksum, body: Bytes) -> None:
    """Piece by piece, since it takes nothing but ``bytes``, and a part is not to be copied."""
    with memoryview(body) as view:
        for at in range(0, len(view), QUANTUM):
            checksum.update(bytes(view[at : at + QUANTUM]))


def _base64(checksum: google_crc32c.Checksum) -> str:
    return base64.b64encode(checksum.digest()).decode()
