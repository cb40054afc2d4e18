# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_genesys.archive.stores import PART, Attributes, Store
from airflow_provider_genesys.archive.stores.s3 import S3Store
from airflow_provider_genesys.export.errors import ExportFailed, Passing
from tests.archive.sites import S3Site, put

KEY = "recordings/r1.mp3"
LARGE = [b"x" * PART, b"y" * 1000]


class RawBody:
    """What botocore reads an injected answer from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: object) -> list[bytes]:
        return [self._content]


def answering(status: int, code: str, times: int = 1_000) -> Callable[..., Any]:
    """A handler that answers in the server's place: faults that a local server doesn't have."""
    from botocore.awsrequest import AWSResponse

    left = [times]

    def handler(request: Any, **_: object) -> Any:
        if not left[0]:
            return None
        left[0] -= 1
        body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
        return AWSResponse(request.url, status, {}, RawBody(body))

    return handler


def store_with(site: S3Site, operation: str, handler: Callable[..., Any], event: str = "before-send") -> S3Store:
    client = site.server.client(retries={"total_max_attempts": 1})
    client.meta.events.register(f"{event}.s3.{operation}", handler)
    return S3Store(client, site.bucket, site.prefix)


def counting(site: S3Site, operation: str) -> tuple[S3Store, list[str]]:
    """A store, and the requests of one operation that it makes."""
    asked: list[str] = []
    return store_with(site, operation, lambda request, **_: asked.append(request.url)), asked


@pytest.mark.parametrize(
    ("prefix", "destination"),
    [("", "s3://calls"), ("/", "s3://calls"), ("a/b", "s3://calls/a/b"), ("/a/b/", "s3://calls/a/b")],
)
def test_the_destination_is_bucket_and_prefix(prefix: str, destination: str) -> None:
    assert S3Store(None, "calls", prefix).destination == destination


def test_a_small_object_keeps_its_checksum_type_and_etag(s3_site: S3Site) -> None:
    put(s3_site.store(), KEY, [b"abc"], source_etag="e-1")
    found = s3_site.store().find(KEY)
    assert found is not None
    assert found.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert found.source_etag == "e-1"
    head = s3_site.client.head_object(Bucket=s3_site.bucket, Key=f"{s3_site.prefix}/{KEY}")
    assert head["ContentType"] == "audio/mpeg"


def test_a_checksum_of_parts_is_not_taken_for_one_of_the_bytes(s3_site: S3Site) -> None:
    put(s3_site.store(), KEY, LARGE, source_etag="e-2")
    head = s3_site.client.head_object(Bucket=s3_site.bucket, Key=f"{s3_site.prefix}/{KEY}", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"].endswith("-2")
    found = s3_site.store().find(KEY)
    assert found is not None
    assert found.sha256 is None
    assert found.source_etag == "e-2"


def test_parts_grow_so_that_ten_thousand_suffice(s3_site: S3Site) -> None:
    upload = s3_site.store().begin(KEY, Attributes(), size=9 * 1024 * 1024 * 10_000)
    upload.abort()
    assert upload.part_size == 9 * 1024 * 1024


@pytest.mark.parametrize(("operation", "body"), [("PutObject", [b"abc"]), ("UploadPart", LARGE)])
def test_the_server_refuses_bytes_that_changed_on_the_way(s3_site: S3Site, operation: str, body: list[bytes]) -> None:
    def corrupt(params: dict[str, Any], **_: object) -> None:
        params["Body"] = b"z" + bytes(params["Body"][1:])

    store = store_with(s3_site, operation, corrupt, "provide-client-params")
    with pytest.raises((Passing, ExportFailed), match="answered 400"):
        put(store, KEY, body)
    assert s3_site.objects() == {}
    assert s3_site.unfinished() == []


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("PutObject", [b"abc"]),
        ("CreateMultipartUpload", LARGE),
        ("UploadPart", LARGE),
        ("CompleteMultipartUpload", LARGE),
    ],
)
@pytest.mark.parametrize(
    ("status", "code"), [(503, "SlowDown"), (409, "ConditionalRequestConflict"), (400, "BadDigest")]
)
def test_a_passing_fault_leaves_nothing_open(
    s3_site: S3Site, operation: str, body: list[bytes], status: int, code: str
) -> None:
    with pytest.raises(Passing, match=f"answered {status} {code}: injected"):
        put(store_with(s3_site, operation, answering(status, code)), KEY, body)
    assert s3_site.objects() == {}
    assert s3_site.unfinished() == []


def test_a_conflict_is_over_at_the_next_try(s3_site: S3Site) -> None:
    store = store_with(s3_site, "PutObject", answering(409, "ConditionalRequestConflict", times=1))
    with pytest.raises(Passing):
        put(store, KEY, [b"abc"])
    assert put(store, KEY, [b"abc"])


def test_an_upload_that_cannot_be_aborted_is_told_and_removed_next_time(
    s3_site: S3Site, caplog: pytest.LogCaptureFixture
) -> None:
    store = store_with(s3_site, "AbortMultipartUpload", answering(500, "InternalError"))

    def broken() -> Any:
        yield from LARGE
        raise RuntimeError

    with pytest.raises(RuntimeError):
        put(store, KEY, broken())
    assert "stays open" in caplog.text
    assert s3_site.unfinished() == [KEY]
    s3_site.store().remove_unfinished(["recordings/r2.mp3"])
    assert s3_site.unfinished() == [KEY]
    s3_site.store().remove_unfinished([KEY, "recordings/r2.mp3"])
    assert s3_site.unfinished() == []


@pytest.mark.parametrize(
    ("operation", "permission", "call"),
    [
        ("HeadObject", "s3:GetObject", lambda store: store.find(KEY)),
        ("GetObject", "s3:GetObject", lambda store: store.read(KEY)),
        ("ListObjectsV2", "s3:ListBucket", lambda store: store.find_all([KEY])),
        ("PutObject", "s3:PutObject", lambda store: put(store, KEY, [b"abc"])),
        ("CreateMultipartUpload", "s3:PutObject", lambda store: put(store, KEY, LARGE)),
    ],
)
def test_a_missing_permission_is_named_with_its_bucket(
    s3_site: S3Site, operation: str, permission: str, call: Callable[[Store], Any]
) -> None:
    store = store_with(s3_site, operation, answering(403, "AccessDenied"))
    with pytest.raises(ExportFailed, match=rf"'{s3_site.bucket}'.* {permission}"):
        call(store)


def test_a_listing_begins_at_the_next_wanted_key(s3_site: S3Site) -> None:
    store, asked = counting(s3_site, "ListObjectsV2")
    keys = [f"recordings/{number:04}.mp3" for number in range(2500)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda key: put(store, key, [key.encode()]), keys))
    found = store.find_all([*keys, "recordings/9999.mp3"])
    assert found.keys() == set(keys)
    assert found[keys[7]] == replace(store.find(keys[7]) or found[keys[0]], sha256=None)
    assert len(asked) == 3
    asked.clear()
    assert store.find_all([keys[0], keys[1200], keys[2400], "recordings/0.mp3"]).keys() == {
        keys[0], keys[1200], keys[2400]
    }  # fmt: skip
    assert len(asked) == 3
    asked.clear()
    assert store.find_all(()) == {}
    assert asked == []


def test_without_the_permission_to_clean_up_a_transfer_still_goes_on(
    s3_site: S3Site, caplog: pytest.LogCaptureFixture
) -> None:
    store_with(s3_site, "ListMultipartUploads", answering(403, "AccessDenied")).remove_unfinished([KEY])
    assert "s3:ListBucketMultipartUploads" in caplog.text


def test_a_missing_bucket_is_named(s3_site: S3Site) -> None:
    missing = S3Store(s3_site.client, "no-such-bucket")
    words = "there is no bucket 'no-such-bucket'"
    with pytest.raises(ExportFailed, match=words):
        missing.read(KEY)
    with pytest.raises(ExportFailed, match=words):
        missing.remove_unfinished([KEY])


def test_wrong_credentials_are_no_passing_fault(s3_site: S3Site) -> None:
    client = replace(s3_site.server, secret_key="wrong").client()
    with pytest.raises(ExportFailed, match="SignatureDoesNotMatch"):
        put(S3Store(client, s3_site.bucket), KEY, [b"abc"])


def test_a_server_that_does_not_answer_is_a_passing_fault(s3_site: S3Site, unused_port: int) -> None:
    client = replace(s3_site.server, port=unused_port).client(retries={"total_max_attempts": 1})
    store = S3Store(client, "calls")
    for call in (lambda: store.find(KEY), lambda: store.read(KEY), lambda: put(store, KEY, [b"abc"])):
        with pytest.raises(Passing, match="no answer from s3://calls"):
            call()
