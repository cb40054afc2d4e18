# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json

import pytest
from google.auth.exceptions import RefreshError
from google.cloud.storage import Client

from airflow_provider_genesys.archive.stores import PART, Attributes
from airflow_provider_genesys.archive.stores.gcs import QUANTUM, GcsStore, sized
from airflow_provider_genesys.export.errors import ExportFailed, Passing
from tests.archive.sites import GcsSite, put
from tests.servers.holding_proxy import Fault, HoldingProxy, holding_proxy

KEY = "recordings/r1.mp3"
LARGE = b"x" * PART + b"y" * 300_000
CREATE, UPLOAD = "POST uploadType=multipart", "PUT upload_id"


@pytest.fixture
def gcs_proxy(gcs_site: GcsSite) -> HoldingProxy:
    with holding_proxy(gcs_site.port) as proxy:
        yield proxy


def test_the_destination_is_bucket_and_prefix(gcs_site: GcsSite) -> None:
    client = gcs_site.server.client()
    assert GcsStore(client, "calls").destination == "gs://calls"
    assert GcsStore(client, "calls", "/a/b/").destination == "gs://calls/a/b"


def test_a_small_object_keeps_its_sha256_and_a_large_one_its_crc32c_alone(gcs_site: GcsSite) -> None:
    put(gcs_site.store(), KEY, [b"abc"])
    found = gcs_site.store().find(KEY)
    assert found
    assert (found.sha256, found.checksum) == (hashlib.sha256(b"abc").hexdigest(), "crc32c:Nks/tw==")
    put(gcs_site.store(), "recordings/r2.mp3", [LARGE])
    found = gcs_site.store().find("recordings/r2.mp3")
    assert found
    assert found.sha256 is None


def test_a_small_object_is_one_request(gcs_site: GcsSite, gcs_proxy: HoldingProxy) -> None:
    store = gcs_site.store(gcs_proxy.port)
    for number in range(3):
        put(store, f"recordings/{number}.mp3", [b"abc"])
    asked = [words for words in gcs_proxy.passed if "/b/calls?" not in words]
    assert len(asked) == 3


@pytest.mark.parametrize("rest", [0, 1, QUANTUM, QUANTUM + 1])
def test_a_last_part_may_have_any_length(gcs_site: GcsSite, rest: int) -> None:
    upload = gcs_site.store().begin(KEY, Attributes())
    upload.put_part(1, b"x" * PART)
    upload.put_part(2, b"y" * rest)
    whole = b"x" * PART + b"y" * rest
    assert upload.complete(hashlib.sha256(whole).hexdigest())
    assert gcs_site.objects() == {KEY: whole}


def test_parts_come_in_order(gcs_site: GcsSite) -> None:
    upload = gcs_site.store().begin(KEY, Attributes())
    with pytest.raises(ValueError, match="part 2 doesn't follow part 0"):
        upload.put_part(2, b"x")


def test_an_answer_that_is_lost_at_the_end_is_asked_for_again(gcs_site: GcsSite, gcs_proxy: HoldingProxy) -> None:
    upload = gcs_site.store(gcs_proxy.port).begin(KEY, Attributes())
    upload.put_part(1, LARGE[:PART])
    upload.put_part(2, LARGE[PART:])
    gcs_proxy.fail(UPLOAD, Fault())
    with pytest.raises(Passing):
        upload.complete("0" * 64)
    assert gcs_site.objects() == {KEY: LARGE}
    stored = upload.complete("0" * 64)
    assert stored
    assert stored == gcs_site.store().find_all([KEY])[KEY].__class__(KEY, len(LARGE), "0" * 64, None, stored.checksum)


@pytest.mark.parametrize("kept", [0, QUANTUM, 5 * QUANTUM])
def test_the_store_may_keep_less_than_it_was_sent(gcs_site: GcsSite, gcs_proxy: HoldingProxy, kept: int) -> None:
    """The first answer is made up: less arrived than it says, so that the rest comes twice."""
    upload = gcs_site.store(gcs_proxy.port).begin(KEY, Attributes())
    upload.put_part(1, LARGE[:PART])
    headers = {"Range": f"bytes=0-{PART + kept - 1}"} if kept else {"Range": f"bytes=0-{PART - 1}"}
    gcs_proxy.fail(UPLOAD, Fault(308, b"", headers))
    rest = b"z" * PART
    if kept:
        with pytest.raises(Passing, match=r"answered 503"):  # the front was told nothing of these bytes
            upload.put_part(2, rest)
    else:
        with pytest.raises(Passing, match="takes no more"):
            upload.put_part(2, rest)
    upload.put_part(2, rest)
    assert upload.complete("0" * 64)
    assert gcs_site.objects() == {KEY: LARGE[:PART] + rest}


@pytest.mark.parametrize("status", [404, 410])
def test_an_upload_that_the_store_forgot_can_be_begun_again(
    gcs_site: GcsSite, gcs_proxy: HoldingProxy, status: int
) -> None:
    gcs_proxy.fail(UPLOAD, Fault(status))
    with pytest.raises(Passing, match="forgot"):
        put(gcs_site.store(gcs_proxy.port), KEY, [LARGE])
    assert put(gcs_site.store(), KEY, [LARGE])


def test_an_aborted_upload_is_cancelled(gcs_site: GcsSite, gcs_proxy: HoldingProxy) -> None:
    upload = gcs_site.store(gcs_proxy.port).begin(KEY, Attributes())
    upload.put_part(1, b"x" * PART)
    assert gcs_site.underway() == 1
    upload.abort()
    assert gcs_site.underway() == 0
    upload = gcs_site.store(gcs_proxy.port).begin(KEY, Attributes())
    gcs_proxy.fail("DELETE upload_id", Fault())
    upload.abort()


@pytest.mark.parametrize("body", [b"abc", LARGE], ids=["small", "large"])
def test_an_object_that_the_store_says_is_another_is_removed(
    gcs_site: GcsSite, gcs_proxy: HoldingProxy, body: bytes
) -> None:
    """A service that checks nothing: the answer tells another checksum than that of what was sent."""
    told = json.dumps({"name": KEY, "size": str(len(body)), "crc32c": "AAAAAA==", "generation": "1"}).encode()
    store = gcs_site.store(gcs_proxy.port)
    if body is LARGE:
        gcs_proxy.fail(UPLOAD, Fault(pass_on=True), times=2)
    gcs_proxy.fail(CREATE if body == b"abc" else UPLOAD, Fault(200, told, {"Content-Type": "application/json"}))
    gcs_proxy.fail("DELETE generation", Fault(204))
    with pytest.raises(Passing, match="others arrived"):
        put(store, KEY, [body])
    gcs_proxy.fail(CREATE, Fault(200, told, {"Content-Type": "application/json"}))
    gcs_proxy.fail("DELETE ifGenerationMatch=1", Fault(403))
    with pytest.raises(ExportFailed, match=r"delete its generation 1 yourself: .* storage\.objects\.delete"):
        put(store, KEY, [b"abc"])


def test_what_the_store_sends_is_compared_with_its_checksum(gcs_site: GcsSite, gcs_proxy: HoldingProxy) -> None:
    put(gcs_site.store(), KEY, [b"abc"])
    gcs_proxy.fail("GET alt=media", Fault(206, b"abd", {"Content-Range": "bytes 0-2/3"}))
    with pytest.raises(Passing, match="other bytes"):
        list(gcs_site.store(gcs_proxy.port).read(KEY) or ())


def test_credentials_that_are_refused_are_no_passing_fault(gcs_site: GcsSite) -> None:
    class Refused:
        """Credentials that can't be had: there is no server of Google's to refuse them."""

        def __init__(self, error: RefreshError) -> None:
            self._error = error

        def before_request(self, *_: object) -> None:
            raise self._error

    store = gcs_site.store()
    store._client._http.credentials = Refused(RefreshError("invalid_grant: a-secret"))
    with pytest.raises(ExportFailed, match=r"credentials are refused or missing \(RefreshError\)") as raised:
        store.find(KEY)
    assert "a-secret" not in str(raised.value)
    store._client._http.credentials = Refused(RefreshError("later", retryable=True))
    with pytest.raises(Passing):
        store.find(KEY)


def test_as_many_connections_are_kept_as_there_are_threads(gcs_site: GcsSite) -> None:
    client: Client = sized(gcs_site.server.client(), 23)
    pools = [client._http.get_adapter(url).poolmanager for url in ("https://a", "http://a")]
    assert [pool.connection_pool_kw["maxsize"] for pool in pools] == [23, 23]
