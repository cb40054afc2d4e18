# SPDX-License-Identifier: Apache-2.0
"""What direct PUTs say of their bytes, and how they are signed."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_genesys.archive.stores import PART, Attributes
from airflow_provider_genesys.archive.stores.s3 import S3Store
from airflow_provider_genesys.export.errors import ExportFailed, Passing
from tests.archive.certificate import self_signed
from tests.servers.seaweedfs import SeaweedServer, seaweedfs_server

BODY = b"some sound"
SHA256 = hashlib.sha256(BODY).hexdigest()


class Sent:
    """The requests that leave for a server, which gets them unless there is none.

    :param answer: the answer in its place.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Any = None) -> None:
        from botocore.httpsession import URLLib3Session

        self.requests: list[Any] = []
        send = URLLib3Session.send

        def sending(session: Any, request: Any) -> Any:
            self.requests.append(request)
            return answer or send(session, request)

        monkeypatch.setattr(URLLib3Session, "send", sending)

    @property
    def payloads(self) -> list[str]:
        """What the signatures say of the bodies."""
        return [_text(request.headers["X-Amz-Content-SHA256"]) for request in self.requests]


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SeaweedServer, Path]]:
    certificate = self_signed(tmp_path_factory.mktemp("tls"))
    with seaweedfs_server(certificate) as server:
        server.create_bucket("calls")
        yield server, certificate


def client(endpoint: str, access_key: str, secret_key: str, **options: Any) -> Any:
    from boto3.session import Session
    from botocore.config import Config

    config = Config(retries={"total_max_attempts": 1}, s3=options.pop("s3", None))
    session = Session(access_key, secret_key, options.pop("token", None), "us-east-1")
    return session.client("s3", endpoint_url=endpoint, config=config, **options)


def store_at(over_tls: tuple[SeaweedServer, Path], **options: Any) -> S3Store:
    server, certificate = over_tls
    endpoint = f"https://127.0.0.1:{server.tls_port}"
    found = client(endpoint, server.access_key, server.secret_key, verify=str(certificate), **options)
    return S3Store(found, "calls")


@pytest.mark.parametrize("operation", ["PutObject", "UploadPart"])
@pytest.mark.parametrize("token", [None, "a/session+token=="])
@pytest.mark.parametrize("endpoint", ["https://storage.example.com", "http://127.0.0.1:9000"])
def test_the_signature_is_what_botocore_makes_of_the_same_request(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, token: str | None, operation: str
) -> None:
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest, AWSResponse
    from botocore.credentials import Credentials
    from urllib3 import HTTPResponse

    from airflow_provider_genesys.archive.stores.s3_direct import DirectPuts

    sent = Sent(
        monkeypatch, AWSResponse(endpoint, 200, {"ETag": '"e"'}, HTTPResponse(BytesIO(), preload_content=False))
    )
    puts = DirectPuts(client(endpoint, "key", "secret", token=token))
    for key in ("first", "recordings/r 1%2F~ü+.mp3", "a//b/../c=d&e;f?g#h", "'(*)!@:,$", "über/日本.mp3"):
        arguments: dict[str, Any] = {"Bucket": "calls", "Key": key, "Body": BODY, "ContentLength": len(BODY)}
        if operation == "UploadPart":
            arguments |= {"UploadId": "a b/c+d=&é", "PartNumber": 7}
        else:
            described = {"ContentType": "audio/mpeg;  a = b", "Metadata": {"Source-ETag": ' two  "spaces" '}}
            condition = {"IfNoneMatch": "*"} if key == "first" else {"IfMatch": '"an etag"'}
            arguments |= {**condition, "StorageClass": "GLACIER", "Tagging": "a=b&c=d%20e", **described}
        puts.send(operation, arguments, SHA256)

    for ours in sent.requests[1:]:
        authorization, date = ours.headers.pop("Authorization"), ours.headers["X-Amz-Date"]
        monkeypatch.setattr(
            "botocore.auth.get_current_datetime", lambda at=date: datetime.strptime(at, "%Y%m%dT%H%M%SZ")
        )
        theirs = AWSRequest("PUT", ours.url, ours.headers, BODY)
        S3SigV4Auth(Credentials("key", "secret", token), "s3", "us-east-1").add_auth(theirs)
        assert theirs.headers["Authorization"] == authorization
        assert ("X-Amz-Security-Token" in ours.headers) == (token is not None)
        assert ours.headers.get("If-Match") == (None if operation == "UploadPart" else '"an etag"')
    assert len(sent.requests) == 5


def test_over_tls_parts_carry_a_checksum_that_the_store_checks_in_place_of_a_signed_one(
    over_tls: tuple[SeaweedServer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, store = Sent(monkeypatch), store_at(over_tls)
    upload = store.begin("large", Attributes())
    upload.put_part(1, b"x" * PART)
    sent.requests.clear()
    upload.put_part(2, b"y" * PART)
    assert sent.payloads == ["UNSIGNED-PAYLOAD"]
    assert upload.complete("0" * 64)

    other = store.begin("other", Attributes())
    monkeypatch.setattr(zlib, "crc32", lambda _: 1)
    with pytest.raises((Passing, ExportFailed), match="answered 400"):
        other.put_part(1, b"z" * PART)
    other.abort()


def test_over_tls_parts_are_signed_where_the_connection_says_so(
    over_tls: tuple[SeaweedServer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, store = Sent(monkeypatch), store_at(over_tls, s3={"payload_signing_enabled": True})
    upload = store.begin("signed", Attributes())
    for number in (1, 2):
        sent.requests.clear()
        upload.put_part(number, BODY * number)
        assert sent.payloads == [hashlib.sha256(BODY * number).hexdigest()]
    upload.abort()


def test_without_tls_parts_are_signed(seaweed: SeaweedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent(monkeypatch)
    upload = S3Store(seaweed.client(), seaweed.create_bucket("plain")).begin("signed", Attributes())
    for number in (1, 2):
        sent.requests.clear()
        upload.put_part(number, BODY)
        assert sent.payloads == [SHA256]
    crc32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
    assert _text(sent.requests[0].headers["x-amz-checksum-crc32"]) == crc32
    upload.abort()


def _text(header: str | bytes) -> str:
    return header.decode() if isinstance(header, bytes) else header


def test_connections_over_tls_take_turns(over_tls: tuple[SeaweedServer, Path]) -> None:
    store = store_at(over_tls)
    assert store.put("recordings/turns.mp3", BODY, Attributes("audio/mpeg", None), sha256=SHA256)
    session = store._puts._ways["PutObject"].session
    assert session._manager.connection_pool_kw["ssl_context"].sslsocket_class.__name__ == "TurnTakingSocket"
