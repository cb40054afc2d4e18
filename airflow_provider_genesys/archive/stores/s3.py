# SPDX-License-Identifier: Apache-2.0
"""A bucket of Amazon S3, or of a server that speaks its protocol, as a store."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from os.path import commonprefix
from pathlib import PurePosixPath
from typing import Any

from airflow_provider_genesys.export.errors import ExportError, ExportFailed, Passing
from airflow_provider_genesys.export.model import StoredObject

logger = logging.getLogger(__name__)

PART = 8 * 1024 * 1024
"""Bytes: what is smaller goes up in one request, what is larger in parts of this size."""

_MOST_PARTS = 10_000
_CHUNK = 1024 * 1024
_ETAG = "source-etag"
_MEDIA_TYPES = {
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
}
_ABSENT = {"NoSuchKey", "NotFound", "404"}
_PRESENT = {"PreconditionFailed", "412"}
_DENIED = {"AccessDenied", "Forbidden", "403", "AllAccessDisabled"}
_PASSING = {"BadDigest", "NoSuchUpload", "RequestTimeout", "SlowDown"}
"""Beside the statuses 408, 409, 429 and 5xx. ``NoSuchUpload``: another transfer of the same recording cleaned up."""


class S3Store:
    """Objects below a prefix of a bucket.

    The store checks each request's SHA-256 and creates an object only where there is none, both by itself.

    :param client: a boto3 S3 client; its own retries come before the ``Passing`` that this store raises.
    :param prefix: without a leading slash; empty for the whole bucket.
    """

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @property
    def destination(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def find(self, key: str) -> StoredObject | None:
        try:
            with self._asking("s3:GetObject and s3:ListBucket"):
                head = self._client.head_object(**self._at(key), ChecksumMode="ENABLED")
        except _Absent:
            return None
        return StoredObject(key, head["ContentLength"], _sha256(head), head.get("Metadata", {}).get(_ETAG))

    def read(self, key: str) -> Iterator[bytes] | None:
        try:
            with self._asking("s3:GetObject and s3:ListBucket"):
                body = self._client.get_object(**self._at(key))["Body"]
        except _Absent:
            return None

        def chunks() -> Iterator[bytes]:
            with body, self._asking("s3:GetObject"):
                yield from body.iter_chunks(_CHUNK)

        return chunks()

    def put(
        self,
        key: str,
        body: Iterable[bytes],
        *,
        size: int | None = None,
        overwrite: bool = False,
        source_etag: str | None = None,
    ) -> bool:
        part_size = max(PART, -(-(size or 0) // _MOST_PARTS))
        parts = _parts(body, part_size)
        first = next(parts)
        description = {
            "ContentType": _MEDIA_TYPES.get(PurePosixPath(key).suffix, "application/octet-stream"),
            "Metadata": {_ETAG: source_etag} if source_etag else {},
        }
        condition = {} if overwrite else {"IfNoneMatch": "*"}
        try:
            if len(first) < part_size:
                self._put_whole(key, first, description | condition)
            else:
                self._put_parts(key, chain([first], parts), description, condition)
        except _Present:
            return False
        return True

    def remove_unfinished(self, keys: Collection[str]) -> None:
        if not keys:
            return
        wanted = {self._prefix + key for key in keys}
        prefix = commonprefix(list(wanted))  # noqa: RUF071 - a prefix of keys is one of characters
        try:
            for upload in self._open_uploads(prefix):
                if upload["Key"] in wanted:
                    self._abort(upload["Key"], upload["UploadId"])
        except _Denied as error:
            logger.warning(
                "%s; what killed transfers left unfinished stays there until a lifecycle rule with "
                "AbortIncompleteMultipartUpload removes it",
                error,
            )

    def _put_whole(self, key: str, body: bytearray, arguments: dict[str, Any]) -> None:
        with self._asking("s3:PutObject"):
            self._client.put_object(
                **self._at(key), Body=body, ContentLength=len(body), ChecksumSHA256=_checksum(body), **arguments
            )

    def _put_parts(
        self, key: str, parts: Iterable[bytearray], description: dict[str, Any], condition: dict[str, str]
    ) -> None:
        with self._asking("s3:PutObject"):
            upload = self._client.create_multipart_upload(**self._at(key), ChecksumAlgorithm="SHA256", **description)
        here = self._at(key) | {"UploadId": upload["UploadId"]}
        sent, done = 0, []
        try:
            for number, part in enumerate(parts, start=1):
                checksum = {"ChecksumSHA256": _checksum(part)}
                with self._asking("s3:PutObject"):
                    answer = self._client.upload_part(
                        **here, PartNumber=number, Body=part, ContentLength=len(part), **checksum
                    )
                done.append({"PartNumber": number, "ETag": answer["ETag"], **checksum})
                sent += len(part)
            with self._asking("s3:PutObject"):
                self._client.complete_multipart_upload(**here, MultipartUpload={"Parts": done}, **condition)
        except BaseException:
            self._abort(here["Key"], here["UploadId"])
            raise
        if (stored := self.find(key)) is None or stored.size != sent:
            raise Passing(f"{sent} bytes went to {key} in {self.destination}, and {stored and stored.size} arrived")

    def _open_uploads(self, prefix: str) -> Iterator[dict[str, Any]]:
        with self._asking("s3:ListBucketMultipartUploads"):
            pages = self._client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                yield from page.get("Uploads", ())

    def _abort(self, full_key: str, upload_id: str) -> None:
        try:
            with self._asking("s3:AbortMultipartUpload"):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=full_key, UploadId=upload_id)
        except ExportError as error:
            logger.warning("An upload of %s to s3://%s stays open: %s", full_key, self._bucket, error)

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    @contextmanager
    def _asking(self, permission: str) -> Iterator[None]:
        """Tell the client's errors in ours.

        :param permission: what the request needs, for whoever has to grant it.
        """
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            ParamValidationError,
            PartialCredentialsError,
        )

        try:
            yield
        except ClientError as error:
            raise self._told(error.response, permission) from None
        except (NoCredentialsError, PartialCredentialsError, ParamValidationError) as error:
            raise ExportFailed(f"no request to {self.destination} is possible: {error}") from None
        except BotoCoreError as error:
            raise Passing(f"no answer from {self.destination} ({type(error).__name__})") from None

    def _told(self, response: dict[str, Any], permission: str) -> ExportError:
        code = str(response.get("Error", {}).get("Code", ""))
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in _ABSENT:
            return _Absent(code)
        if code in _PRESENT:
            return _Present(code)
        if code in _DENIED:
            return _Denied(
                f"bucket {self._bucket!r} denied a request: check the connection's credentials, "
                f"and that they grant {permission} on {self.destination}"
            )
        if code == "NoSuchBucket":
            return ExportFailed(f"there is no bucket {self._bucket!r}: create it, or name another destination")
        words = f"{self.destination} answered {status} {code}: {response.get('Error', {}).get('Message', '')}"
        passing = code in _PASSING or status in (408, 409, 429) or status >= 500
        return Passing(words) if passing else ExportFailed(words)


class _Absent(ExportError):
    """There is no such object."""


class _Present(ExportError):
    """There is one already."""


class _Denied(ExportFailed):
    """A permission is missing."""


def _parts(body: Iterable[bytes], size: int) -> Iterator[bytearray]:
    """``body`` in parts of ``size`` bytes, the last one shorter, and one at least. All are the same buffer in turn."""
    buffer = bytearray()
    number = 0
    for chunk in body:
        rest = memoryview(chunk)
        while len(buffer) + len(rest) >= size:
            room = size - len(buffer)
            buffer += rest[:room]
            rest = rest[room:]
            yield buffer
            number += 1
            buffer.clear()
        buffer += rest
    if buffer or not number:
        yield buffer


def _checksum(body: bytearray) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _sha256(head: dict[str, Any]) -> str | None:
    """The SHA-256 of an object's bytes; that of a multipart upload is one of its parts' checksums, ``…-N``."""
    checksum = head.get("ChecksumSHA256")
    if checksum is None or "-" in checksum or head.get("ChecksumType") == "COMPOSITE":
        return None
    return base64.b64decode(checksum).hex()
