# SPDX-License-Identifier: Apache-2.0
"""PUTs of bytes to S3 without what boto3 does around them, which costs as much as the bytes themselves.

The first request of an operation goes through boto3 as any other. What leaves it shows the way: the bucket's URL, after
redirects to its region; headers that are the same for all; the signer, which renews credentials; the session, which
knows proxies, certificates and pools. Requests after it differ in their key, bytes and checksum only. They are made of
that, signed by botocore's own signature version 4, and sent by that session. Whatever is not plainly a success goes
through boto3 once more, for its retries and its words.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import SEEK_CUR, SEEK_END, SEEK_SET, RawIOBase
from typing import Any
from urllib.parse import quote, urlencode

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.exceptions import BotoCoreError, ClientError

from airflow_provider_genesys.archive.turns import take_turns

_VERSIONS = ("s3v4", "v4")
_UNSIGNED = "UNSIGNED-PAYLOAD"
"""In the place of a body's SHA-256, where TLS protects it and the store checks another sum of it."""

_HEADERS = {
    "ChecksumCRC32": "x-amz-checksum-crc32",
    "ChecksumSHA256": "x-amz-checksum-sha256",
    "ContentLength": "Content-Length",
    "ContentType": "Content-Type",
    "IfMatch": "If-Match",
    "IfNoneMatch": "If-None-Match",
}
_QUERY = {"PartNumber": "partNumber", "UploadId": "uploadId"}
_OWN_HEADERS = {
    "x-amz-checksum-crc32",
    "x-amz-checksum-sha256",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-security-token",
    "x-amz-trailer",
}
"""What each request has for itself. Metadata is that, too."""

_SPECIAL = {"request_credentials", "identity_cache"}
"""Signing contexts of which each request has one of its own, such as those of directory buckets."""


@dataclass(frozen=True)
class _Way:
    """What the requests of an operation have in common.

    :param base: the URL that a quoted key is appended to.
    :param headers: options of the upload, and who asks.
    :param signed_headers: those of them that are signed, and the host, by names in lower case.
    :param signs_bodies: whether bodies have to be signed.
    """

    base: str
    headers: Mapping[str, str]
    signed_headers: Mapping[str, str]
    signs_bodies: bool
    region: str
    service: str
    signer: Any
    session: Any


_UNKNOWN = _Way("", {}, {}, True, "", "", None, None)


class DirectPuts:
    """Sends PUTs directly, where a request of the same operation has gone through the client before.

    :param client: a boto3 S3 client.
    """

    def __init__(self, client: Any) -> None:
        self._calls = {"PutObject": client.put_object, "UploadPart": client.upload_part}
        self._ways: dict[str, _Way | None] = {}
        self._here = threading.local()
        client.meta.events.register("before-sign.s3", self._before_sign)
        client.meta.events.register("needs-retry.s3", self._answered)

    def send(self, operation: str, arguments: Mapping[str, Any], sha256: str | None = None) -> Mapping[str, Any]:
        """Send one PUT, as the client's method would.

        :param operation: ``PutObject`` or ``UploadPart``.
        :param arguments: the method's, with bytes for a body.
        :param sha256: the body's, hexadecimal, which is signed; where it is not known, only what has to be signed is.
        :return: the answer, of which the ``ETag`` is certain.
        """
        way, answer = self._ways.get(operation, _UNKNOWN), None
        if way is _UNKNOWN:
            return self._show(operation, arguments)
        if way is not None:
            with suppress(BotoCoreError):  # no answer: the client asks again, and tells it in its words
                answer = way.session.send(_request(way, arguments, sha256))
        if answer is not None and answer.status_code // 100 == 2 and "ETag" in answer.headers:
            return {"ETag": answer.headers["ETag"]}
        if answer is not None and answer.status_code == 412:  # said by a status alone
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, operation)
        if answer is not None and 300 <= answer.status_code < 500:  # the way may have changed: it is shown again
            self._ways.pop(operation, None)
        return self._through_client(operation, arguments)

    def _through_client(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        with _Reader(memoryview(arguments["Body"])) as body:
            answer: Mapping[str, Any] = self._calls[operation](**{**arguments, "Body": body})
        return answer

    def _show(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self._here.key = arguments["Key"]
        try:
            return self._through_client(operation, arguments)
        finally:
            self._here.key = None

    def _before_sign(
        self,
        request: Any,
        signing_name: str,
        region_name: str,
        signature_version: Any,
        request_signer: Any,
        operation_name: str,
        **_: object,
    ) -> None:
        """The client is about to sign a request: again after a redirect, and for each of its retries."""
        if getattr(self._here, "key", None) is None:
            return
        signing = request.context.get("signing", {})
        base = request.url.partition("?")[0].removesuffix(_quoted(self._here.key))
        is_plain = signature_version in _VERSIONS and base.endswith("/") and not signing.keys() & _SPECIAL
        headers = {name: value for name, value in request.headers.items() if _is_common(name)}
        service, region = signing.get("signing_name") or signing_name, signing.get("region") or region_name
        self._here.request = is_plain and {
            "base": base,
            "headers": headers,
            "signed_headers": dict(
                S3SigV4Auth(None, service, region).headers_to_sign(AWSRequest("PUT", base, headers)).items()
            ),
            "signs_bodies": not base.startswith("https:") or _wants_signed_bodies(request.context.get("client_config")),
            "region": region,
            "service": service,
            "signer": request_signer,
        }

    def _answered(self, response: Any, endpoint: Any, operation: Any, **_: object) -> None:
        """The client has an answer."""
        if getattr(self._here, "key", None) is None or response is None or response[0].status_code // 100 != 2:
            return
        request, session = self._here.request, endpoint.http_session
        if not self._ways:
            _let_take_turns(session)
        self._ways[operation.name] = _Way(**request, session=session) if request else None


class _Reader(RawIOBase):
    """A file of bytes that are in memory, which boto3 takes for a body, and no copy of them."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._view[self._at : self._at + len(buffer)]
        buffer[: len(chunk)] = chunk
        self._at += len(chunk)
        return len(chunk)

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        self._at = offset + {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: len(self._view)}[whence]
        return self._at

    def tell(self) -> int:
        return self._at


class _Signed(S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """Signs a request of a way, whose body's hash is known.

    What is signed and how is botocore's. It would gather the headers twice, each time as those of an e-mail, which
    takes most of a signature's time: here they are gathered once, as what they are.
    """

    def __init__(self, credentials: Any, way: _Way, payload: str) -> None:
        super().__init__(credentials, way.service, way.region)
        self._way = way
        self._payload = payload
        self._to_sign = _Headers()

    def headers_to_sign(self, request: Any) -> _Headers:
        if not self._to_sign:
            own = {name.lower(): value for name, value in request.headers.items() if name not in self._way.headers}
            self._to_sign = _Headers({**self._way.signed_headers, **own})
        return self._to_sign

    def payload(self, request: Any) -> str:
        return self._payload


class _Headers(dict[str, str]):
    """Headers as the signer asks for them, each of which is there once."""

    def get_all(self, name: str) -> list[str]:
        return [self[name]]


def _request(way: _Way, arguments: Mapping[str, Any], sha256: str | None) -> Any:
    body = arguments["Body"]
    own = {name: str(arguments[argument]) for argument, name in _HEADERS.items() if argument in arguments}
    metadata = {f"x-amz-meta-{name}": value for name, value in arguments.get("Metadata", {}).items()}
    query = urlencode({name: arguments[argument] for argument, name in _QUERY.items() if argument in arguments})
    request = AWSRequest("PUT", f"{way.base}{_quoted(arguments['Key'])}{'?' if query else ''}{query}")
    request.headers = {**way.headers, **own, **metadata}
    credentials = way.signer.get_auth_instance(way.service, way.region, _VERSIONS[0]).credentials
    payload = sha256 or (hashlib.sha256(body).hexdigest() if way.signs_bodies else _UNSIGNED)
    _Signed(credentials, way, payload).add_auth(request)
    return AWSPreparedRequest(request.method, request.url, request.headers, body, False)


def _let_take_turns(session: Any) -> None:
    """Botocore makes its TLS context itself, and has no public way to it: one that keeps it elsewhere is slower."""
    pools = getattr(getattr(session, "_manager", None), "connection_pool_kw", {})
    if context := pools.get("ssl_context"):
        take_turns(context)


def _wants_signed_bodies(config: Any) -> bool:
    """Whether the connection says that bodies are to be signed over TLS, too."""
    return bool((getattr(config, "s3", None) or {}).get("payload_signing_enabled"))


def _quoted(key: str) -> str:
    return quote(key, safe="/~")


def _is_common(header: str) -> bool:
    name = header.lower()
    return name == "user-agent" or (
        name.startswith("x-amz-") and not name.startswith("x-amz-meta-") and name not in _OWN_HEADERS
    )
