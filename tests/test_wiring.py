# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_genesys.archive.stores.azure import AzureStore
from airflow_provider_genesys.archive.stores.file import FileStore
from airflow_provider_genesys.archive.stores.gcs import GcsStore
from airflow_provider_genesys.archive.stores.s3 import S3Store
from airflow_provider_genesys.export.errors import ExportError, ExportFailed, InvalidInput, Passing
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.wiring import Destination, coordinator, coordinator_for_triggers, pages
from tests.archive.sites import put
from tests.archive.stores.test_s3_direct import Sent
from tests.rig import DAY, SECRET, Rig, rig
from tests.servers.azurite import ACCOUNT, AzuriteServer
from tests.servers.gcs import GcsServer
from tests.servers.moto import REGION, moto_server
from tests.servers.postgres import PostgresServer, postgres_server

__all__ = ["rig"]

WINDOW = ExportWindow(DAY, datetime(2024, 5, 2, tzinfo=UTC))
AWS = {"conn_type": "aws", "login": "key", "password": SECRET, "extra": {"region_name": "eu-west-1"}}


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def defined(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Defines an Airflow connection for the length of a test."""

    def define(conn_id: str, **connection: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    return define


@pytest.mark.parametrize(
    ("uri", "destination"),
    [
        ("file:///var/archive", Destination("file", "", "", "/var/archive")),
        ("file:///var/a%20b", Destination("file", "", "", "/var/a b")),
        ("s3://calls", Destination("s3", "", "calls", "")),
        ("s3://calls/", Destination("s3", "", "calls", "")),
        ("s3://calls/genesys/eu/", Destination("s3", "", "calls", "genesys/eu")),
        ("s3://aws_archive@calls/genesys", Destination("s3", "aws_archive", "calls", "genesys")),
        ("s3://aws-archive.eu@my.bucket/p", Destination("s3", "aws-archive.eu", "my.bucket", "p")),
        ("s3://Calls/Prefix", Destination("s3", "", "Calls", "Prefix")),
        ("S3://calls/p", Destination("s3", "", "calls", "p")),
        ("gs://my_gcp@calls/p", Destination("gs", "my_gcp", "calls", "p")),
        ("abfs://calls/p", Destination("abfs", "", "calls", "p")),
    ],
)
def test_a_destination_is_read(uri: str, destination: Destination) -> None:
    assert Destination.parse(uri) == destination


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("", "has the scheme ''"),
        ("/var/archive", "has the scheme ''"),
        ("calls/genesys", "has the scheme ''"),
        ("ftp://host/path", "has the scheme 'ftp': use one of file://, s3://, gs://, abfs://"),
        ("az://container/path", "has the scheme 'az'"),
        ("s3://", "names no bucket"),
        ("s3:///prefix", "names no bucket"),
        ("s3://aws_archive@/prefix", "names no bucket"),
        ("file://", "an absolute path"),
        ("file:///", "an absolute path"),
        ("file://archive/path", "an absolute path"),
        ("file:relative", "an absolute path"),
        ("gs://", "names no bucket"),
        ("abfs://wasb@/prefix", "names no bucket"),
        ("s3://user:secret@calls/p", "no password, no query"),
        ("s3://calls/p?secret=1", "no password, no query"),
        ("s3://calls/p#secret", "no password, no query"),
        ("s3://user:secret@[calls/p", "is no URI"),
        ("s3://user:secret\u2100@calls/p", "is no URI"),
    ],
)
def test_what_is_no_destination_is_refused_without_being_quoted(uri: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint) as refused:
        Destination.parse(uri)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_file_destination_is_an_archive_in_a_directory(rig: Callable[..., Rig], tmp_path: Path) -> None:
    rig()
    archive: Any = _wired(destination=f"file://{tmp_path}/archive").archive
    assert isinstance(archive._store, FileStore)
    assert archive.destination == f"file://{tmp_path}/archive"


@pytest.mark.parametrize(("uri", "conn_id"), [("s3://calls/p", "aws_default"), ("s3://mine@calls/p", "mine")])
def test_an_s3_destination_takes_its_airflow_connection(
    rig: Callable[..., Rig], defined: Callable[..., None], uri: str, conn_id: str
) -> None:
    rig()
    defined(conn_id, **{**AWS, "login": conn_id})
    archive: Any = _wired(destination=uri).archive
    assert isinstance(archive._store, S3Store)
    assert archive.destination == "s3://calls/p"
    assert archive._store._client._get_credentials().access_key == conn_id


def test_an_s3_destination_is_written_as_the_role_of_its_connection_for_as_long_as_it_takes(
    rig: Callable[..., Rig], defined: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore renews credentials a quarter of an hour before their end: those that live no longer, each time."""
    rig()
    with moto_server() as aws:
        aws.client("s3").create_bucket(Bucket="calls")
        login, password = aws.user("airflow", "sts:AssumeRole")
        role = aws.role("archivist", "s3:GetObject", "s3:PutObject")
        aws.enforce()
        extra = {
            "region_name": REGION,
            "role_arn": role,
            "assume_role_kwargs": {"DurationSeconds": 900},
            "service_config": {name: {"endpoint_url": aws.endpoint} for name in ("s3", "sts")},
        }
        alone = {name: value for name, value in extra.items() if name != "role_arn"}
        defined("aws_default", conn_type="aws", login=login, password=password, extra=extra)
        defined("aws_alone", conn_type="aws", login=login, password=password, extra=alone)
        with pytest.raises(ExportFailed, match=r"denied a request.* s3:PutObject"):
            put(_wired(destination="s3://aws_alone@calls/p").archive._store, "first", [b"abc"])

        store = _wired(destination="s3://calls/p").archive._store
        through_boto3: list[str] = []
        store._client.meta.events.register("before-send.s3.PutObject", lambda request, **_: through_boto3.append("one"))
        sent = Sent(monkeypatch)
        for key in ("first", "second", "third"):
            assert put(store, key, [b"abc"])
        by = [(request.method, _credential(request)) for request in sent.requests]
        assert len(through_boto3) == 1, "the others go past it"
        assert by[::2] == [("POST", login)] * 3, "asks for the role"
        assert [method for method, _ in by[1::2]] == ["PUT"] * 3
        assert all(credential.startswith("ASIA") for _, credential in by[1::2])
        assert len({credential for _, credential in by[1::2]}) == 3
        assert store.find("third")


def test_options_of_s3_come_from_the_connection_and_the_operator(
    rig: Callable[..., Rig], defined: Callable[..., None]
) -> None:
    rig()
    of_connection = {"StorageClass": "STANDARD_IA", "ServerSideEncryption": "aws:kms"}
    extra = {**AWS.get("extra", {}), "upload_args": of_connection, "config_kwargs": {"read_timeout": 7}}
    defined("aws_default", **{**AWS, "extra": extra})
    archive: Any = _wired(destination="s3://calls", upload_args={"StorageClass": "GLACIER_IR"}).archive
    assert archive._store._upload_args == {**of_connection, "StorageClass": "GLACIER_IR"}
    config = archive._store._client.meta.config
    assert (config.max_pool_connections, config.read_timeout) == (42, 7), "32 recordings, and 10 parts"


def test_options_of_s3_are_refused_where_they_mean_nothing(rig: Callable[..., Rig], tmp_path: Path) -> None:
    rig()
    with pytest.raises(InvalidInput, match=r"upload_args are options of s3"):
        _wired(destination=tmp_path.as_uri(), upload_args={"StorageClass": "GLACIER_IR"})
    with pytest.raises(InvalidInput, match=r"upload_args has 'storageclass'; known are ACL"):
        _wired(destination="s3://calls", upload_args={"storageclass": "GLACIER_IR"})


def test_a_gs_destination_takes_its_airflow_connection(
    rig: Callable[..., Rig], defined: Callable[..., None], monkeypatch: pytest.MonkeyPatch, gcs: GcsServer
) -> None:
    rig()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.endpoint)
    for uri, conn_id in (("gs://calls/p", "google_cloud_default"), ("gs://mine@calls/p", "mine")):
        defined(conn_id, conn_type="google_cloud_platform", extra={"is_anonymous": True, "project": conn_id})
        archive: Any = _wired(destination=uri, concurrency=23).archive
        assert isinstance(archive._store, GcsStore)
        assert archive.destination == "gs://calls/p"
        assert archive._store.find("nothing") is None
        assert archive._store._client.project == conn_id
        connections = archive._store._client._http.get_adapter("https://storage")._pool_maxsize
        assert connections == 33, "23 recordings, and 10 parts"


def test_an_abfs_destination_takes_its_airflow_connection(
    rig: Callable[..., Rig], defined: Callable[..., None], azurite: AzuriteServer
) -> None:
    rig()
    string = {"connection_string": azurite.connection_string, "connection_verify": True}
    shared_key = {"conn_type": "wasb", "host": azurite.endpoint, "login": ACCOUNT, "password": azurite.account_key}
    for uri, conn_id, connection in (
        ("abfs://calls/p", "wasb_default", {"conn_type": "wasb", "extra": string}),
        ("abfs://mine@calls/p", "mine", shared_key),
    ):
        defined(conn_id, **connection)
        archive: Any = _wired(destination=uri).archive
        assert isinstance(archive._store, AzureStore)
        assert archive.destination == f"{azurite.endpoint}/calls/p"
        assert archive._store.find("nothing") is None


@pytest.mark.parametrize(
    ("uri", "module", "extra"),
    [
        ("gs://calls", "airflow.providers.google.cloud.hooks.gcs", "gcs"),
        ("abfs://calls", "airflow.providers.microsoft.azure.hooks.wasb", "azure"),
        ("gs://calls", "google_crc32c", "gcs"),
    ],
)
def test_a_store_without_its_libraries_names_the_extra(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch, uri: str, module: str, extra: str
) -> None:
    rig()
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "airflow_provider_genesys.archive.stores.gcs", raising=False)
    with pytest.raises(InvalidInput, match=rf"needs the extra \[{extra}\]: pip install"):
        _wired(destination=uri)


def test_a_step_may_do_without_a_destination(rig: Callable[..., Rig]) -> None:
    rig()
    assert _wired().archive is None


def test_downloads_go_where_the_connection_allows(rig: Callable[..., Rig], defined: Callable[..., None]) -> None:
    platform = rig()
    assert "404" in _words_about_a_download(platform)
    defined("genesys_default", conn_type="genesys", host="api.mypurecloud.com", login="a", password=SECRET)
    assert "allow_private_downloads" in _words_about_a_download(platform)


def test_without_a_ledger_of_the_default_name_it_is_a_file_in_airflows_home(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rig()
    monkeypatch.delenv("AIRFLOW_CONN_GENESYS_LEDGER")
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    _wired().ledger.now()
    assert (tmp_path / "home" / "genesys_ledger.db").stat().st_size
    asyncio.run(coordinator_for_triggers("genesys_default", "genesys_ledger")).ledger.now()


def test_a_ledger_of_another_name_must_be_defined(rig: Callable[..., Rig]) -> None:
    rig()
    with pytest.raises(InvalidInput, match="the ledger's connection 'elsewhere' is not defined"):
        _wired(ledger_conn_id="elsewhere")
    with pytest.raises(InvalidInput, match="the ledger's connection 'elsewhere' is not defined"):
        asyncio.run(coordinator_for_triggers("genesys_default", "elsewhere"))


@pytest.mark.parametrize("conn_type", ["mongo", "http"])
def test_a_ledger_of_a_kind_that_is_not_known_is_refused(
    rig: Callable[..., Rig], defined: Callable[..., None], conn_type: str
) -> None:
    rig()
    defined("genesys_ledger", conn_type=conn_type, host="host", password=SECRET)
    with pytest.raises(InvalidInput, match=f"'genesys_ledger' has the type '{conn_type}': use one of sqlite, postgres"):
        _wired()


@pytest.mark.parametrize(
    "connection", ["sqlite:///{}", '{{"conn_type": "sqlite", "host": "{}"}}', "sqlite:///{}?timeout=3"]
)
def test_a_ledger_in_a_sqlite_file(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, connection: str
) -> None:
    rig()
    monkeypatch.setenv("AIRFLOW_CONN_GENESYS_LEDGER", connection.format(tmp_path / "other.db"))
    _wired().ledger.now()
    assert (tmp_path / "other.db").exists()


def test_a_ledger_in_postgresql(
    rig: Callable[..., Rig], defined: Callable[..., None], postgres: PostgresServer
) -> None:
    rig()
    password = "p@ss/w:rd?&#% ü'\""
    with postgres.connect().cursor() as cursor:
        cursor.execute("CREATE ROLE ledger LOGIN PASSWORD %s", (password,))
        cursor.execute("CREATE DATABASE ledger OWNER ledger")
    server = {"host": "127.0.0.1", "port": postgres.port, "login": "ledger", "schema": "ledger"}
    defined("genesys_ledger", conn_type="postgres", password=password, extra={"sslmode": "prefer"}, **server)
    wired = _wired()
    request = wired.request(WINDOW, "mp3")
    assert wired.ledger.acquire(request, "me", 30).lease
    assert coordinator_for_this_loop().ledger.acquire(request, "you", 30).held_by == "me"


def test_a_postgresql_connections_tls_options_are_kept(
    rig: Callable[..., Rig], defined: Callable[..., None], postgres: PostgresServer
) -> None:
    rig()
    server = {"host": "127.0.0.1", "port": postgres.port, "login": "postgres", "password": postgres.password}
    defined("genesys_ledger", conn_type="postgres", schema="postgres", extra={"sslmode": "require"}, **server)
    with pytest.raises(Passing):  # the test's server has no TLS
        _wired().ledger.now()


def test_the_pace_is_the_tasks_and_the_budget_the_connections(rig: Callable[..., Rig]) -> None:
    rig()
    pace = _wired(pace={"poll_interval": 2.0, "max_poll_interval": 9.0, "lease_seconds": 7.0}).pace
    assert (pace.poll_interval, pace.max_poll_interval, pace.lease_seconds) == (2.0, 9.0, 7.0)
    assert pace.polls_per_minute == 60_000


def test_an_organisation_must_be_defined(rig: Callable[..., Rig]) -> None:
    rig()
    with pytest.raises(AirflowNotFoundException, match="nowhere"):
        _wired(genesys_conn_id="nowhere")


def test_every_request_is_reserved_in_the_ledger(rig: Callable[..., Rig]) -> None:
    platform = rig()
    platform.limit(requests_per_minute=2)
    wired = _wired()
    for _ in range(2):
        wired.api.volume(wired.request(WINDOW, "mp3"))
    left = wired.ledger.reserve(str(wired.organisation), "requests", 2)
    assert (left.granted, 55 < left.wait < 62) == (False, True)
    assert platform.asked_for() == {"token": 1, "volume": 2}


def test_a_task_sleeps_for_its_turn(rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    rig().limit(requests_per_minute=1)
    slept: list[float] = []
    monkeypatch.setattr("airflow_provider_genesys.wiring.time.sleep", slept.append)
    wired = _wired()
    for _ in range(2):
        wired.api.volume(wired.request(WINDOW, "mp3"))
    assert slept[0] == 0
    assert 55 < slept[1] < 62


def test_a_trigger_does_not_sleep_for_its_turn(rig: Callable[..., Rig]) -> None:
    platform = rig()
    platform.limit(requests_per_minute=1)
    wired = coordinator_for_this_loop()
    wired.api.volume(wired.request(WINDOW, "mp3"))
    with pytest.raises(Passing, match="request budget is spent") as raised:
        wired.api.volume(wired.request(WINDOW, "mp3"))
    assert 55 < (raised.value.retry_after or 0) < 62
    assert platform.asked_for() == {"token": 1, "volume": 1}


def test_the_waits_of_a_triggerer_share_connections_and_turns(rig: Callable[..., Rig]) -> None:
    rig()
    one, other = coordinator_for_this_loop(), coordinator_for_this_loop()
    assert one.api._client._session is other.api._client._session
    assert one.ledger._engine is other.ledger._engine
    assert one.turns is other.turns
    assert _wired().api._client._session is not _wired().api._client._session


def _credential(request: Any) -> str:
    """The access key id that a request is signed with."""
    authorization = request.headers["Authorization"]
    text = authorization.decode() if isinstance(authorization, bytes) else authorization
    return str(text).partition("Credential=")[2].partition("/")[0]


def coordinator_for_this_loop() -> Any:
    return asyncio.run(coordinator_for_triggers("genesys_default", "genesys_ledger"))


def _wired(genesys_conn_id: str = "genesys_default", ledger_conn_id: str = "genesys_ledger", **arguments: Any) -> Any:
    return coordinator(genesys_conn_id, ledger_conn_id, "me", **arguments)


def _words_about_a_download(rig: Rig) -> str:
    archive: Any = _wired(destination=rig.destination).archive
    with pytest.raises(ExportError) as raised:
        archive.fetch_manifest("job", f"{rig.simulator.url}/nothing")
    return str(raised.value)


@pytest.mark.parametrize(
    ("extra", "page"),
    [
        ({}, "https://console.aws.amazon.com/s3/object/calls?prefix=eu%2F"),
        ({"endpoint_url": "http://127.0.0.1:8333"}, "http://127.0.0.1:8333/calls/eu/"),
        ({"service_config": {"s3": {"endpoint_url": "http://127.0.0.1:9000"}}}, "http://127.0.0.1:9000/calls/eu/"),
    ],
)
def test_pages_are_where_the_stores_connection_leads(
    defined: Callable[..., None], extra: dict[str, Any], page: str
) -> None:
    defined("calls_store", **{**AWS, "extra": extra})
    (report,) = pages("genesys_default", "s3://calls_store@calls/eu", interval=WINDOW).values()
    assert report.startswith(page)
    assert report.endswith("20240501T000000Z_20240502T000000Z.json")
    assert SECRET not in report


GENESYS = {"conn_type": "genesys", "login": "client", "password": SECRET}


def test_a_window_with_several_jobs_leads_to_the_folder_of_manifests(defined: Callable[..., None]) -> None:
    defined("genesys", **GENESYS, host="api.mypurecloud.com")
    assert pages("genesys", "file:///calls", job_ids=["a"]) == {"manifest": "file:///calls/manifests/job_a.json"}
    assert pages("genesys", "file:///calls", job_ids=["a", "b"]) == {"manifest": "file:///calls/manifests"}


def test_only_a_simulator_has_a_page_of_jobs(defined: Callable[..., None]) -> None:
    defined("genesys", **GENESYS, host="api.mypurecloud.com")
    defined("simulated", **GENESYS, host="http://127.0.0.1:8088")
    assert pages("genesys", job_ids=["a"]) == {}
    assert pages("simulated", job_ids=["a"]) == {"job": "http://127.0.0.1:8088/_simulator/jobs.html#a"}
    assert pages("simulated", job_ids=[]) == {}
