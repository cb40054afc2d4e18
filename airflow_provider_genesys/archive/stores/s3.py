# SPDX-License-Identifier: Apache-2.0
"""A bucket of Amazon S3, or of a server that speaks its protocol, as a store."""

from __future__ import annotations

import base64
import logging
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from os.path import commonprefix
from typing import Any

from airflow_provider_genesys.archive.stores import PART, Attributes, Bytes, Content, Overwrite, Upload
from airflow_provider_genesys.export.errors import ExportError, ExportFailed, InvalidInput, Passing
from airflow_provider_genesys.export.model import StoredObject, Version

logger = logging.getLogger(__name__)

_MOST_PARTS = 10_000
_CHUNK = 1024 * 1024
_ETAG = "source-etag"
UPLOAD_ARGS = (
    "ACL",
    "BucketKeyEnabled",
    "CacheControl",
    "ExpectedBucketOwner",
    "GrantFullControl",
    "GrantRead",
    "GrantReadACP",
    "GrantWriteACP",
    "ObjectLockLegalHoldStatus",
    "ObjectLockMode",
    "ObjectLockRetainUntilDate",
    "SSEKMSEncryptionContext",
    "SSEKMSKeyId",
    "ServerSideEncryption",
    "StorageClass",
    "Tagging",
)
"""Options of S3 that an object may be given, by the names that boto3's ``put_object`` has for them."""

_ABSENT = {"NoSuchKey", "NotFound", "404"}
_PRESENT = {"PreconditionFailed", "412"}
_DENIED = {"AccessDenied", "Forbidden", "403", "AllAccessDisabled"}
_PASSING = {"BadDigest", "NoSuchUpload", "RequestTimeout", "SlowDown"}
"""Beside the statuses 408, 409, 429 and 5xx. ``NoSuchUpload``: another transfer of the same recording cleaned up."""


class S3Store:
    """Objects below a prefix of a bucket.

    The store checks an object's SHA-256, or each part's CRC32, and creates an object only where there is none, or
    replaces one version of it only, all by itself. A version is an ETag.

    :param client: a boto3 S3 client; its own retries come before the ``Passing`` that this store raises.
    :param prefix: without a leading slash; empty for the whole bucket.
    :param upload_args: options of S3 for each object: encryption, storage class, tags, object lock; some of
        :data:`UPLOAD_ARGS`.
    :raises InvalidInput: for another option.
    """

    parts_in_order = False

    def __init__(
        self, client: Any, bucket: str, prefix: str = "", upload_args: Mapping[str, Any] | None = None
    ) -> None:
        from airflow_provider_genesys.archive.stores.s3_direct import DirectPuts

        self._client = client
        self._puts = DirectPuts(client)
        self._bucket = bucket
        self._upload_args, self._owner = _checked(upload_args or {})
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
        source_etag = head.get("Metadata", {}).get(_ETAG)
        return StoredObject(key, head["ContentLength"], _sha256(head), source_etag, _etag(head), Version(head["ETag"]))

    def read(self, key: str) -> Content | None:
        try:
            with self._asking("s3:GetObject and s3:ListBucket"):
                answer = self._client.get_object(**self._at(key))
        except _Absent:
            return None
        body = answer["Body"]

        def chunks() -> Iterator[bytes]:
            with body, self._asking("s3:GetObject"):
                yield from body.iter_chunks(_CHUNK)

        return Content(Version(answer["ETag"]), chunks())

    def find_all(self, keys: Collection[str]) -> dict[str, StoredObject]:
        wanted = sorted({self._prefix + key: key for key in keys}.items())
        prefix = commonprefix([wanted[0][0], wanted[-1][0]]) if wanted else ""  # noqa: RUF071 - of characters
        found: dict[str, StoredObject] = {}
        last, at = "", 0
        while at < len(wanted):
            page = self._listing(prefix, max(last, _just_before(wanted[at][0])))
            listed = {entry["Key"]: entry for entry in page.get("Contents", ())}
            last = max(listed, default=wanted[at][0])
            ended = not page.get("IsTruncated")
            while at < len(wanted) and (ended or wanted[at][0] <= last):
                full_key, key = wanted[at]
                if entry := listed.get(full_key):
                    found[key] = StoredObject(key, entry["Size"], checksum=_etag(entry))
                at += 1
        return found

    def folders(self) -> Iterator[str]:
        for page in self._pages(self._prefix, Delimiter="/"):
            for folder in page.get("CommonPrefixes", ()):
                yield folder["Prefix"].removeprefix(self._prefix).rstrip("/")

    def browse(self, prefix: str) -> Iterator[StoredObject]:
        for page in self._pages(self._prefix + prefix):
            for entry in page.get("Contents", ()):
                key = entry["Key"].removeprefix(self._prefix)
                stored_at = entry["LastModified"].timestamp()
                yield StoredObject(key, entry["Size"], checksum=_etag(entry), stored_at=stored_at)

    def put(
        self, key: str, body: Bytes, attributes: Attributes, *, sha256: str, overwrite: Overwrite = False
    ) -> StoredObject | None:
        arguments = {**self._at(key), **self._described(attributes), **_condition(overwrite)}
        try:
            # named beside the checksum itself, which servers want for objects that are locked
            checksum = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": _base64(bytes.fromhex(sha256))}
            answer = self._sent("PutObject", {**arguments, **checksum}, body, sha256)
        except (_Present, _Absent):
            return None
        return StoredObject(key, len(body), sha256, attributes.source_etag, _etag(answer), Version(answer["ETag"]))

    def begin(
        self, key: str, attributes: Attributes, *, size: int | None = None, overwrite: Overwrite = False
    ) -> Upload:
        with self._asking("s3:PutObject"):
            answer = self._client.create_multipart_upload(
                **self._at(key), **self._described(attributes), ChecksumAlgorithm="CRC32"
            )
        part_size = max(PART, -(-(size or 0) // _MOST_PARTS))
        return _S3Upload(self, key, answer["UploadId"], attributes, part_size, overwrite)

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

    def _sent(
        self, operation: str, arguments: Mapping[str, Any], body: Bytes, sha256: str | None = None
    ) -> Mapping[str, Any]:
        content = {"Body": body, "ContentLength": len(body)}
        with self._asking("s3:PutObject"):
            return self._puts.send(operation, {**arguments, **content}, sha256)

    def _described(self, attributes: Attributes) -> dict[str, Any]:
        metadata = {_ETAG: attributes.source_etag} if attributes.source_etag else {}
        return {"ContentType": attributes.media_type, "Metadata": metadata, **self._upload_args}

    def _listing(self, prefix: str, after: str) -> dict[str, Any]:
        with self._asking("s3:ListBucket"):
            page: dict[str, Any] = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=prefix, StartAfter=after, **self._owner
            )
            return page

    def _pages(self, prefix: str, **options: str) -> Iterator[dict[str, Any]]:
        with self._asking("s3:ListBucket"):
            yield from self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix, **options, **self._owner
            )

    def _open_uploads(self, prefix: str) -> Iterator[dict[str, Any]]:
        with self._asking("s3:ListBucketMultipartUploads"):
            pages = self._client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, **self._owner):
                yield from page.get("Uploads", ())

    def _abort(self, full_key: str, upload_id: str) -> None:
        try:
            with self._asking("s3:AbortMultipartUpload"):
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=full_key, UploadId=upload_id, **self._owner
                )
        except ExportError as error:
            logger.warning("An upload of %s to s3://%s stays open: %s", full_key, self._bucket, error)

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key, **self._owner}

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
        if status == 501:
            return ExportFailed(f"{words}. An archive needs a store that knows If-None-Match and If-Match of a PUT")
        passing = code in _PASSING or status in (408, 409, 429) or status >= 500
        return Passing(words) if passing else ExportFailed(words)


class _S3Upload:
    """A multipart upload."""

    def __init__(
        self, store: S3Store, key: str, upload_id: str, attributes: Attributes, part_size: int, overwrite: Overwrite
    ) -> None:
        self.part_size = part_size
        self._store = store
        self._key = key
        self._here = store._at(key) | {"UploadId": upload_id}
        self._attributes = attributes
        self._condition = _condition(overwrite)
        self._parts: dict[int, dict[str, Any]] = {}
        self._sizes: dict[int, int] = {}

    def put_part(self, number: int, body: Bytes) -> None:
        # the whole is hashed by SHA-256 already: its parts, too, would cost another 0.5 CPU s per GB
        crc32 = _base64(zlib.crc32(body).to_bytes(4, "big"))
        answer = self._store._sent("UploadPart", {**self._here, "PartNumber": number, "ChecksumCRC32": crc32}, body)
        self._parts[number] = {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": crc32}
        self._sizes[number] = len(body)

    def complete(self, sha256: str) -> StoredObject | None:
        parts = [self._parts[number] for number in sorted(self._parts)]
        try:
            with self._store._asking("s3:PutObject"):
                answer = self._store._client.complete_multipart_upload(
                    **self._here, MultipartUpload={"Parts": parts}, **self._condition
                )
        except (_Present, _Absent):
            self.abort()
            return None
        sent, stored = sum(self._sizes.values()), self._store.find(self._key)
        if stored is None or stored.size != sent:
            raise Passing(
                f"{sent} bytes went to {self._key} in {self._store.destination}, and {stored and stored.size} arrived"
            )
        # the version is the answer's: what was found may be a successor's already
        return StoredObject(
            self._key, sent, sha256, self._attributes.source_etag, stored.checksum, Version(answer["ETag"])
        )

    def abort(self) -> None:
        self._store._abort(self._here["Key"], self._here["UploadId"])


class _Absent(ExportError):
    """There is no such object."""


class _Present(ExportError):
    """There is one already, or another version of it."""


class _Denied(ExportFailed):
    """A permission is missing."""


def _checked(upload_args: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of an object, and who has to own its bucket, which every request says.

    :raises InvalidInput: for an option that is not known.
    """
    if unknown := sorted(set(upload_args) - set(UPLOAD_ARGS)):
        raise InvalidInput(f"upload_args has {', '.join(map(repr, unknown))}; known are {', '.join(UPLOAD_ARGS)}")
    options = dict(upload_args)
    if "BucketKeyEnabled" in options:  # a text where it was templated
        options["BucketKeyEnabled"] = str(options["BucketKeyEnabled"]).lower() == "true"
    owner = options.pop("ExpectedBucketOwner", None)
    return options, {"ExpectedBucketOwner": str(owner)} if owner else {}


def _condition(overwrite: Overwrite) -> dict[str, str]:
    if isinstance(overwrite, bool):
        return {} if overwrite else {"IfNoneMatch": "*"}
    return {"IfMatch": overwrite}


def _just_before(key: str) -> str:
    """A listing that starts after this one begins at ``key``: no key of an archive has a character above ``~``."""
    return f"{key[:-1]}{chr(ord(key[-1]) - 1)}~"


def _base64(checksum: bytes) -> str:
    return base64.b64encode(checksum).decode()


def _etag(answer: Mapping[str, Any]) -> str | None:
    etag = answer.get("ETag", "").strip('"')
    return f"etag:{etag}" if etag else None


def _sha256(head: dict[str, Any]) -> str | None:
    """The SHA-256 of an object's bytes; that of a multipart upload is one of its parts' checksums, ``…-N``."""
    checksum = head.get("ChecksumSHA256")
    if checksum is None or "-" in checksum or head.get("ChecksumType") == "COMPOSITE":
        return None
    return base64.b64decode(checksum).hex()
