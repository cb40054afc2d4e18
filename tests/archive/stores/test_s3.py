# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_genesys.archive.stores import PART, Attributes, Overwrite, Store
from airflow_provider_genesys.archive.stores.s3 import S3Store
from airflow_provider_genesys.archive.writing import write_object
from airflow_provider_genesys.export.errors import ExportFailed, InvalidInput, Passing
from airflow_provider_genesys.export.model import StoredObject, Version
from tests.archive.sites import S3Site, put
from tests.servers.moto import moto_server

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
def test_the_destination_is_bucket_and_prefix(s3_site: S3Site, prefix: str, destination: str) -> None:
    assert S3Store(s3_site.client, "calls", prefix).destination == destination


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
    assert head["ChecksumCRC32"].endswith("-2")
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
        params["Body"] = b"z" + params["Body"].read()[1:]

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


def stored(
    store: S3Store, key: str, body: bytes, sha256: str = "", *, overwrite: Overwrite = False
) -> StoredObject | None:
    sha256 = sha256 or hashlib.sha256(body).hexdigest()
    return store.put(key, memoryview(body), Attributes("audio/mpeg", "e-1"), sha256=sha256, overwrite=overwrite)


def test_only_the_first_put_goes_through_boto3(s3_site: S3Site) -> None:
    store, asked = counting(s3_site, "PutObject")
    keys = ["a.mp3", "recordings/r 1%2F~ü+.mp3", "recordings/b=c&d.mp3"]
    for key in keys:
        assert stored(store, key, key.encode())
    assert len(asked) == 1
    assert s3_site.objects() == {key: key.encode() for key in keys}
    for key in keys:
        head = s3_site.client.head_object(Bucket="calls", Key=f"{s3_site.prefix}/{key}", ChecksumMode="ENABLED")
        assert (head["ContentType"], head["Metadata"]) == ("audio/mpeg", {"source-etag": "e-1"})
        found = store.find(key)
        assert found
        assert found.sha256 == hashlib.sha256(key.encode()).hexdigest()


def test_a_direct_put_keeps_what_is_there_and_its_bytes_are_checked(s3_site: S3Site) -> None:
    store = s3_site.store()
    first = stored(store, "first", b"abc")
    assert first
    assert stored(store, "first", b"abcd") is None
    assert stored(store, "first", b"abcd", overwrite=True)
    for overwrite in (False, True):
        with pytest.raises((Passing, ExportFailed), match="answered 400"):
            stored(store, "second", b"abc", hashlib.sha256(b"other").hexdigest(), overwrite=overwrite)
    assert s3_site.objects() == {"first": b"abcd"}


def test_a_direct_put_replaces_the_expected_version_only(s3_site: S3Site) -> None:
    store, asked = counting(s3_site, "PutObject")
    first = stored(store, "first", b"a")
    assert first
    assert first.version
    second = stored(store, "first", b"ab", overwrite=first.version)
    assert second
    assert second.version
    assert stored(store, "first", b"abc", overwrite=first.version) is None
    assert stored(store, "first", b"abc", overwrite=second.version)
    assert len(asked) == 1
    assert s3_site.objects() == {"first": b"abc"}


@pytest.mark.parametrize(("operation", "body"), [("PutObject", [b"abc"]), ("CompleteMultipartUpload", LARGE)])
def test_a_version_that_is_gone_may_be_told_as_an_absent_key(
    s3_site: S3Site, operation: str, body: list[bytes]
) -> None:
    """So says Amazon of If-Match where there is no object; SeaweedFS says that the condition failed."""
    first = put(s3_site.store(), KEY, [b"first"])
    assert first
    assert first.version
    store = store_with(s3_site, operation, answering(404, "NoSuchKey", times=1))
    assert write_object(store, KEY, body, Attributes(), first.version) is None
    assert s3_site.objects() == {KEY: b"first"}
    assert s3_site.unfinished() == []


def test_the_version_of_an_upload_is_the_stores_answer_and_not_what_lies_there_by_then(s3_site: S3Site) -> None:
    def overwrite(**_: object) -> None:
        put(s3_site.store(), KEY, [b"z" * sum(map(len, LARGE))], overwrite=True)

    written = put(store_with(s3_site, "HeadObject", overwrite), KEY, LARGE)
    found = s3_site.store().find(KEY)
    assert written
    assert found
    assert written.version != found.version


@pytest.mark.parametrize("overwrite", [False, Version('"etag"')])
def test_a_store_without_conditional_puts_is_no_passing_fault(s3_site: S3Site, overwrite: Overwrite) -> None:
    store = store_with(s3_site, "PutObject", answering(501, "NotImplemented"))
    with pytest.raises(
        ExportFailed, match=r"501 NotImplemented: injected\. An archive needs .* If-None-Match and If-Match"
    ):
        stored(store, KEY, b"abc", overwrite=overwrite)


def test_direct_parts_are_checked_too(s3_site: S3Site) -> None:
    store, asked = counting(s3_site, "UploadPart")
    upload = store.begin(KEY, Attributes())
    for number in (1, 3, 2, 2):
        upload.put_part(number, memoryview(bytes([number]) * PART))
    assert len(asked) == 1
    assert upload.complete("0" * 64)
    assert s3_site.objects() == {KEY: b"".join(bytes([number]) * PART for number in (1, 2, 3))}


def test_a_direct_put_that_fails_goes_through_boto3(s3_site: S3Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ConnectionClosedError
    from botocore.httpsession import URLLib3Session

    store, asked = counting(s3_site, "PutObject")
    assert stored(store, "first", b"abc")
    send, faults = URLLib3Session.send, [ConnectionClosedError(endpoint_url="http://127.0.0.1")]

    def failing(session: Any, request: Any) -> Any:
        if faults:
            raise faults.pop()
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", failing)
    assert stored(store, "second", b"abc")
    assert len(asked) == 2
    assert s3_site.objects() == {"first": b"abc", "second": b"abc"}


def test_a_refusal_of_a_direct_put_makes_boto3_show_the_way_again(s3_site: S3Site) -> None:
    store, asked = counting(s3_site, "PutObject")
    stored(store, "first", b"abc")
    with pytest.raises((Passing, ExportFailed), match="answered 400"):
        stored(store, "second", b"abc", hashlib.sha256(b"other").hexdigest())
    assert len(asked) == 2
    for key in ("third", "fourth", "fifth"):
        assert stored(store, key, b"abc")
    assert len(asked) == 3


def test_sixteen_direct_puts_of_one_key_have_one_winner(s3_site: S3Site) -> None:
    store = s3_site.store()
    stored(store, "first", b"abc")
    for key in (f"raced/{number}" for number in range(10)):
        with ThreadPoolExecutor(16) as threads:
            won = list(threads.map(lambda number: stored(store, key, bytes([number]) * 50_000), range(16)))  # noqa: B023
        (winner,) = (number for number, created in enumerate(won) if created)
        assert s3_site.objects()[key] == bytes([winner]) * 50_000


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


OPTIONS = {
    "ServerSideEncryption": "aws:kms",
    "SSEKMSKeyId": "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555",
    "BucketKeyEnabled": "true",
    "StorageClass": "STANDARD_IA",
    "Tagging": "team=calls&kept=7 years",
}
KEPT = ("ServerSideEncryption", "SSEKMSKeyId", "StorageClass")
"""What the server tells again."""


@pytest.fixture
def moto_client() -> Iterator[Any]:
    """A server that has encryption, tags and storage classes, in name at least."""
    with moto_server() as server:
        client = server.client("s3")
        client.create_bucket(Bucket="calls", ObjectLockEnabledForBucket=True)
        yield client


def test_options_go_with_every_object(moto_client: Any) -> None:
    store = S3Store(moto_client, "calls", "p", OPTIONS)
    for key in ("through-boto3", "direct", "again"):
        assert stored(store, key, key.encode())
    assert put(store, "parts", LARGE)
    for key in ("through-boto3", "direct", "again", "parts"):
        head = moto_client.head_object(Bucket="calls", Key=f"p/{key}")
        assert {name: head[name] for name in KEPT} == {name: OPTIONS[name] for name in KEPT}
        tags = moto_client.get_object_tagging(Bucket="calls", Key=f"p/{key}")["TagSet"]
        assert sorted((tag["Key"], tag["Value"]) for tag in tags) == [("kept", "7 years"), ("team", "calls")]


def test_objects_can_be_locked(moto_client: Any) -> None:
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until.isoformat()}
    store = S3Store(moto_client, "calls", "", {**lock, "ObjectLockLegalHoldStatus": "ON"})
    for key in ("through-boto3", "direct"):
        assert stored(store, key, b"abc")
        head = moto_client.head_object(Bucket="calls", Key=key)
        assert (head["ObjectLockMode"], head["ObjectLockLegalHoldStatus"]) == ("GOVERNANCE", "ON")
        assert head["ObjectLockRetainUntilDate"] == until


def test_an_unknown_option_is_refused_before_any_request(s3_site: S3Site) -> None:
    with pytest.raises(InvalidInput, match=r"'Body', 'storageclass'; known are ACL, .*StorageClass"):
        S3Store(s3_site.client, "calls", "", {"storageclass": "GLACIER_IR", "Body": b"x"})


def test_who_has_to_own_the_bucket_is_said_by_every_request(s3_site: S3Site) -> None:
    client = s3_site.server.client()
    seen: list[tuple[str, str]] = []

    def note(request: Any, event_name: str, **_: object) -> None:
        owner = request.headers.get("x-amz-expected-bucket-owner", b"")
        seen.append((event_name.rpartition(".")[2], owner.decode() if isinstance(owner, bytes) else owner))

    client.meta.events.register("before-send.s3", note)
    store = S3Store(client, s3_site.bucket, s3_site.prefix, {"ExpectedBucketOwner": "123456789012"})
    put(store, KEY, [b"abc"])
    put(store, "recordings/r2.mp3", LARGE)
    store.find(KEY)
    list(store.read(KEY) or ())
    store.find_all([KEY])
    list(store.folders())
    list(store.browse("recordings/"))
    store.remove_unfinished([KEY])
    assert len({operation for operation, _ in seen}) >= 8
    assert {owner for _, owner in seen} == {"123456789012"}
