# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import hashlib
import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest
from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from airflow_provider_genesys.archive.stores import PART, Attributes
from airflow_provider_genesys.archive.stores.azure import AzureStore, container_client
from airflow_provider_genesys.export.errors import ExportFailed, Passing
from tests.archive.sites import AzureSite, put
from tests.servers.azurite import ACCOUNT
from tests.servers.holding_proxy import Fault, holding_proxy

KEY = "recordings/r1.mp3"
LARGE = b"x" * PART + b"y" * 300_000


def sas_store(site: AzureSite, permission: str, port: int | None = None) -> tuple[AzureStore, str]:
    """A store by a shared access signature, and the signature."""
    sas = generate_container_sas(
        ACCOUNT,
        site.bucket,
        site.server.account_key,
        permission=ContainerSasPermissions.from_string(permission),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    service = BlobServiceClient(f"http://127.0.0.1:{port or site.port}/{ACCOUNT}?{sas}")
    signature = sas.partition("sig=")[2].partition("&")[0]
    assert len(signature) > 20
    return AzureStore(container_client(service, site.bucket, 4, tries=1), site.prefix), signature


def test_the_destination_names_the_account_too(azure_site: AzureSite) -> None:
    service = azure_site.server.client()
    assert AzureStore(container_client(service, "calls", 4)).destination == f"{azure_site.server.endpoint}/calls"
    assert azure_site.store().destination == f"{azure_site.server.endpoint}/calls/{azure_site.prefix}"


def test_every_object_keeps_its_sha256(azure_site: AzureSite) -> None:
    for key, body in (("recordings/r1.mp3", b"abc"), ("recordings/r2.mp3", LARGE)):
        put(azure_site.store(), key, [body])
        found = azure_site.store().find(key)
        assert found
        assert found.sha256 == hashlib.sha256(body).hexdigest()
    listed = azure_site.store().find_all(["recordings/r1.mp3", "recordings/r2.mp3"])
    assert listed["recordings/r1.mp3"].checksum == f"md5:{hashlib.md5(b'abc').hexdigest()}"
    assert (listed["recordings/r2.mp3"].checksum or "").startswith("etag:0x")


def test_an_etag_that_no_header_takes_is_left_out(azure_site: AzureSite) -> None:
    put(azure_site.store(), KEY, [b"abc"], source_etag="é")
    found = azure_site.store().find(KEY)
    assert found
    assert found.source_etag is None


def test_blocks_grow_so_that_fifty_thousand_suffice(azure_site: AzureSite) -> None:
    assert azure_site.store().begin(KEY, Attributes(), size=9 * 1024 * 1024 * 50_000).part_size == 9 * 1024 * 1024
    assert azure_site.store().begin(KEY, Attributes(), size=1).part_size == PART


def test_blocks_that_another_writer_took_away_may_be_put_again(azure_site: AzureSite) -> None:
    upload = azure_site.store().begin(KEY, Attributes(), overwrite=True)
    upload.put_part(1, LARGE)
    assert put(azure_site.store(), KEY, [LARGE, b"another"], overwrite=True)
    with pytest.raises(Passing, match="InvalidBlockList"):
        upload.complete("0" * 64)
    assert azure_site.objects() == {KEY: LARGE + b"another"}


def test_blocks_that_a_killed_writer_left_are_no_object(azure_site: AzureSite) -> None:
    azure_site.store().begin(KEY, Attributes()).put_part(1, LARGE)
    assert put(azure_site.store(), KEY, [b"small"])
    assert azure_site.objects() == {KEY: b"small"}
    assert put(azure_site.store(), KEY, [b"another"]) is None


def test_what_is_not_worth_a_listing_is_looked_up(azure_site: AzureSite) -> None:
    for number in range(30):
        put(azure_site.store(), f"recordings/{number:02}.mp3", [b"abc"])
    with holding_proxy(azure_site.port) as proxy:
        service = replace(azure_site.server, port=proxy.port).client()
        store = AzureStore(container_client(service, azure_site.bucket, 4), azure_site.prefix, page=4)
        found = store.find_all(["recordings/25.mp3", "recordings/29.mp3", "recordings/99.mp3"])
        asked = [words.partition(" ")[0] for words in proxy.passed]
    assert {key: one.checksum for key, one in found.items()} == {
        f"recordings/{number}.mp3": f"md5:{hashlib.md5(b'abc').hexdigest()}" for number in (25, 29)
    }
    assert asked == ["GET", "HEAD", "HEAD", "HEAD"]


@pytest.mark.parametrize("permission", ["r", "racwl"])
def test_a_signature_is_in_no_error_and_no_log(
    azure_site: AzureSite, permission: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    said: list[str] = []
    with holding_proxy(azure_site.port) as proxy:
        store, signature = sas_store(azure_site, permission, proxy.port)
        for fault in (None, Fault(503), Fault(), Fault(403), Fault(400)):
            for method in ("PUT", "GET", "HEAD"):
                if fault:
                    proxy.fail(f"{method} /", fault)
            for act in (
                lambda: put(store, KEY, [b"abc"], overwrite=True),
                lambda: put(store, KEY, [LARGE], overwrite=True),
                lambda: store.find(KEY),
                lambda: list(store.read(KEY) or ()),
                lambda: store.find_all([KEY]),
            ):
                try:
                    said.append(repr(act()))
                except (Passing, ExportFailed) as error:
                    said.append("".join(traceback.format_exception(error)))
    said += [caplog.text, store.destination, repr(store)]
    assert "no answer from" in "".join(said)
    assert signature not in "\n".join(said)
    assert unquote(signature) not in "\n".join(said)


def test_a_signature_without_the_right_to_write_is_told(azure_site: AzureSite) -> None:
    store, _ = sas_store(azure_site, "r")
    with pytest.raises(ExportFailed, match=r"'calls' denied a request .*'Storage Blob Data Contributor' grants that"):
        put(store, KEY, [b"abc"])


@pytest.mark.parametrize("key", [base64.b64encode(b"another key" * 3).decode(), "no base64!"])
def test_a_wrong_key_is_no_passing_fault(azure_site: AzureSite, key: str) -> None:
    service = BlobServiceClient(azure_site.server.endpoint, credential=key)
    store = AzureStore(container_client(service, "calls", 4))
    with pytest.raises(ExportFailed, match="check the connection's credentials") as raised:
        put(store, KEY, [b"abc"])
    assert key not in str(raised.value)


def test_a_connections_extras_about_tls_and_proxies_are_kept(azure_site: AzureSite) -> None:
    options = {"connection_verify": "/ca.pem", "proxies": {"http": "http://127.0.0.1:1"}, "connection_string": "x"}
    client = container_client(azure_site.server.client(), "calls", 23, options, tries=1)
    assert client._config.proxy_policy.proxies == {"http": "http://127.0.0.1:1"}
    with pytest.raises(Passing, match="no answer from"):
        AzureStore(client).find(KEY)
