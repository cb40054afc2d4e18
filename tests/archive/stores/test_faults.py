# SPDX-License-Identifier: Apache-2.0
"""What every store on a server does when the server, the wire or the rights fail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_genesys.archive.stores import PART, Attributes, Store
from airflow_provider_genesys.export.errors import ExportFailed, Passing
from airflow_provider_genesys.export.model import StoredObject
from tests.archive.sites import SITES, AzureSite, GcsSite, S3Site, ServedSite, put
from tests.servers.holding_proxy import Fault, HoldingProxy

KEY = "recordings/r1.mp3"
SMALL, LARGE = b"abc" * 2000, b"x" * PART + b"y" * 300_000
LOST = Fault()
MISSING = r"there is no (bucket|container) 'no-such-bucket': create it"

REQUESTS: dict[type[ServedSite], dict[str, str]] = {
    S3Site: {
        "find": "HEAD ",
        "read": "GET ",
        "find_all": "GET list-type=2",
        "put": "PUT ",
        "begin": "POST uploads",
        "part": "PUT partNumber=1",
        "complete": "POST uploadId",
    },
    GcsSite: {
        "find": "GET /o/",
        "read": "GET /o/",
        "find_all": "GET /o?",
        "put": "POST uploadType=multipart",
        "begin": "POST uploadType=resumable",
        "part": "PUT upload_id",
        "complete": "PUT upload_id",
    },
    AzureSite: {
        "find": "HEAD ",
        "read": "GET ",
        "find_all": "GET comp=list",
        "put": "PUT ",
        "begin": "PUT comp=block&",
        "part": "PUT comp=block&",
        "complete": "PUT comp=blocklist",
    },
}
"""How each store asks its server: method, and a part of the path. Azure's uploads begin with their first part."""


def in_parts(store: Store) -> StoredObject | None:
    """Store what takes two parts."""
    upload = store.begin(KEY, Attributes())
    try:
        upload.put_part(1, LARGE[:PART])
        upload.put_part(2, LARGE[PART:])
        return upload.complete(hashlib.sha256(LARGE).hexdigest())
    except BaseException:
        upload.abort()
        raise


CALLS: dict[str, Callable[[Store], Any]] = {
    "find": lambda store: store.find(KEY),
    "read": lambda store: b"".join(store.read(KEY) or ()),
    "find_all": lambda store: store.find_all([KEY]),
    "put": lambda store: put(store, KEY, [SMALL]),
    "begin": in_parts,
    "part": in_parts,
    "complete": in_parts,
}


def fail(proxy: HoldingProxy, site: ServedSite, call: str, fault: Fault) -> None:
    """Let one request of a call fail; where parts and the end look alike, the third one is the end."""
    words = REQUESTS[type(site)][call]
    if call == "complete" and isinstance(site, GcsSite):
        proxy.fail(words, Fault(pass_on=True), times=2)
    proxy.fail(words, fault)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_fault_that_may_pass_is_told_as_one_and_leaves_nothing(
    served: ServedSite, proxy: HoldingProxy, call: str, status: int
) -> None:
    fail(proxy, served, call, Fault(status))
    with pytest.raises(Passing, match=f"answered {status}"):
        CALLS[call](served.store(proxy.port))
    assert served.objects() == {}
    assert served.unfinished() == []
    CALLS[call](served.store(proxy.port))


@pytest.mark.parametrize("call", CALLS)
def test_a_lost_answer_is_healed_by_the_next_try(served: ServedSite, proxy: HoldingProxy, call: str) -> None:
    fail(proxy, served, call, LOST)
    store = served.store(proxy.port)
    with pytest.raises(Passing, match="no answer from"):
        CALLS[call](store)
    CALLS[call](store)
    assert served.objects().get(KEY) in {
        "put": (SMALL,),
        "begin": (LARGE,),
        "part": (LARGE,),
        "complete": (LARGE,),
    }.get(call, (None,))


def test_a_part_goes_on_after_its_answer_was_lost(served: ServedSite, proxy: HoldingProxy) -> None:
    upload = served.store(proxy.port).begin(KEY, Attributes())
    words = REQUESTS[type(served)]["part"]
    for fault in (LOST, Fault(503)):
        proxy.fail(words, fault)
        with pytest.raises(Passing):
            upload.put_part(1, LARGE[:PART])
    upload.put_part(1, LARGE[:PART])
    upload.put_part(2, LARGE[PART:])
    stored = upload.complete(hashlib.sha256(LARGE).hexdigest())
    assert stored
    assert served.objects() == {KEY: LARGE}
    assert stored.checksum == served.store().find_all([KEY])[KEY].checksum


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_bytes_that_changed_on_the_way_are_refused(
    served: ServedSite, proxy: HoldingProxy, body: bytes, overwrite: bool
) -> None:
    proxy.fail(REQUESTS[type(served)]["put" if body is SMALL else "part"], Fault(corrupt=True))
    # S3's signature covers the bytes: its word is final
    with pytest.raises((Passing, ExportFailed) if isinstance(served, S3Site) else Passing, match="answered 400"):
        put(served.store(proxy.port), KEY, [body], overwrite=overwrite)
    assert served.objects() == {}


@pytest.mark.parametrize("call", ["read", "find_all"])
def test_a_missing_bucket_is_named(served: ServedSite, call: str) -> None:
    with pytest.raises(ExportFailed, match=MISSING):
        CALLS[call](served.missing())


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("scheme", ["gs", "abfs"])
def test_a_missing_bucket_is_named_by_whatever_is_asked(
    request: pytest.FixtureRequest, tmp_path: Path, scheme: str, call: str
) -> None:
    """S3 does not tell it to who asks for an object's head, and SeaweedFS makes a bucket for whoever writes to it."""
    site = SITES[scheme](request, tmp_path)
    assert isinstance(site, ServedSite)
    with pytest.raises(ExportFailed, match=MISSING):
        CALLS[call](site.missing())


@pytest.mark.parametrize("call", CALLS)
def test_a_denied_request_is_final_and_names_what_to_grant(served: ServedSite, proxy: HoldingProxy, call: str) -> None:
    code = "AccessDenied" if isinstance(served, S3Site) else "AuthorizationPermissionMismatch"
    body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
    fail(proxy, served, call, Fault(403, body, {"x-ms-error-code": code}))
    with pytest.raises(ExportFailed, match=r"denied a request.* grants? (s3:|storage\.objects|that)"):
        CALLS[call](served.store(proxy.port))
    assert served.objects() == {}


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_is_gone_may_come_back(served: ServedSite, unused_port: int, call: str) -> None:
    with pytest.raises(Passing, match="no answer from"):
        CALLS[call](served.store(unused_port))


@pytest.mark.parametrize("call", CALLS)
def test_no_url_stands_in_an_error_or_log(
    served: ServedSite, proxy: HoldingProxy, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    for fault in (Fault(503), LOST):
        fail(proxy, served, call, fault)
        with pytest.raises(Passing) as raised:
            CALLS[call](served.store(proxy.port))
        assert "upload_id" not in str(raised.value)
        assert raised.value.__suppress_context__
    assert "upload_id=" not in caplog.text
