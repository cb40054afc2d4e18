# SPDX-License-Identifier: Apache-2.0
"""The one place that turns connection ids and a destination URI into a coordinator."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook
from sqlalchemy.engine import URL

from airflow_provider_genesys.archive.archive import DEFAULT_CONCURRENCY as DEFAULT_CONCURRENCY
from airflow_provider_genesys.archive.archive import ObjectArchive
from airflow_provider_genesys.archive.download import Downloader
from airflow_provider_genesys.archive.layout import KeyTemplate, manifest_key, receipt_key, report_key
from airflow_provider_genesys.archive.pages import page_of
from airflow_provider_genesys.archive.receipts import read_receipt
from airflow_provider_genesys.archive.relay import PARTS_AT_A_TIME
from airflow_provider_genesys.archive.stores.file import FileStore
from airflow_provider_genesys.archive.stores.s3 import S3Store
from airflow_provider_genesys.export.coordinator import Coordinator
from airflow_provider_genesys.export.errors import InvalidInput, Passing
from airflow_provider_genesys.export.metering import Figure, Meter
from airflow_provider_genesys.export.pace import Pace
from airflow_provider_genesys.export.turns import Turns, shared_turns
from airflow_provider_genesys.hooks.genesys import GenesysHook
from airflow_provider_genesys.ledger.engines import shared_engine
from airflow_provider_genesys.ledger.sql import SqlLedger
from airflow_provider_genesys.metrics import StatsMeter

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_genesys.archive.stores import Store
    from airflow_provider_genesys.export.model import ExportWindow, ReceiptLine
    from airflow_provider_genesys.export.ports import Archive, ExportApi, Ledger

DEFAULT_LEDGER = "genesys_ledger"
DEFAULT_TABLE = "genesys_ledger"
DEFAULT_KEY_TEMPLATE = KeyTemplate().text

_LONGEST_WAIT_FOR_BUDGET = 120.0
"""Seconds that a task sleeps for its turn."""


@dataclass(frozen=True)
class Destination:
    """Where an archive lies: ``scheme://conn_id@bucket/prefix``, or ``file:///path``.

    :param conn_id: the Airflow connection of the store; empty for the store's default one.
    :param place: bucket; empty for ``file``.
    :param prefix: what all keys begin with, without slashes at its ends; the directory for ``file``.
    :param upload_args: options of the store for each object, which S3 alone has.
    """

    scheme: str
    conn_id: str
    place: str
    prefix: str
    upload_args: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, uri: str) -> Destination:
        """Read a destination's URI.

        :raises InvalidInput: for a URI without scheme or bucket, with a password, or of a scheme that has no store.
        """
        try:
            parts = urlsplit(uri)
        except ValueError:  # its words may quote a password
            raise InvalidInput("the destination is no URI such as scheme://conn_id@bucket/prefix") from None
        if parts.scheme not in _STORES:
            raise InvalidInput(
                f"the destination has the scheme {parts.scheme!r}: use one of "
                f"{', '.join(f'{scheme}://' for scheme in _STORES)}"
            )
        if parts.password or parts.query or parts.fragment:
            raise InvalidInput("the destination holds more than scheme://conn_id@bucket/prefix: no password, no query")
        if parts.scheme == "file" and (parts.netloc or not parts.path.startswith("/") or parts.path == "/"):
            raise InvalidInput("a local destination is an absolute path: file:///path/to/archive")
        if parts.scheme != "file" and not parts.hostname:
            raise InvalidInput(f"the destination {parts.scheme}://… names no bucket")
        return cls(
            scheme=parts.scheme,
            conn_id=parts.username or "",
            place=parts.netloc.rpartition("@")[2],
            prefix=unquote(parts.path) if parts.scheme == "file" else parts.path.strip("/"),
        )


def coordinator(
    genesys_conn_id: str,
    ledger_conn_id: str,
    owner: str,
    pace: dict[str, float] | None = None,
    destination: str | None = None,
    concurrency: int = DEFAULT_CONCURRENCY,
    key_template: str = DEFAULT_KEY_TEMPLATE,
    upload_args: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> Coordinator:
    """A coordinator for a task.

    :param owner: names the orchestrator in the ledger.
    :param pace: what is not the default of :class:`Pace`, but for the budget, which the connection states.
    :param destination: the archive's URI, for steps that need one.
    :param concurrency: recordings at a time.
    :param key_template: where recordings lie.
    :param upload_args: options of S3 for each object; they win over those of the connection's extra ``upload_args``.
    :param tags: of the task's metrics.
    :raises InvalidInput: for a connection, destination or template that can't be used, before any request.
    """
    template = KeyTemplate(key_template)
    hook = GenesysHook(genesys_conn_id)
    archive = None
    if destination is not None:
        place = replace(Destination.parse(destination), upload_args=upload_args or {})
        archive = _archive(hook, place, concurrency, template)
    return _wired(hook, ledger(ledger_conn_id), owner, pace, archive, tags)


def pages(
    genesys_conn_id: str,
    destination: str | None = None,
    *,
    job_ids: Sequence[str] = (),
    window: ExportWindow | None = None,
    interval: ExportWindow | None = None,
) -> dict[str, str]:
    """Where a person looks at jobs, and at documents of an archive, by document: URLs without any signature.

    :param destination: the archive's URI.
    :param job_ids: whose ``manifest``; of several jobs it is the folder of all. And the ``job``, where the organisation
        has a page of it.
    :param window: whose ``receipt``.
    :param interval: whose ``report``.
    :raises InvalidInput: for a destination that can't be used.
    """
    page = GenesysHook(genesys_conn_id).settings.hosts.page_of(job_ids) if job_ids else ""
    of_jobs = {"job": page} if page else {}
    if destination is None:
        return of_jobs
    keys = {}
    if job_ids:
        keys["manifest"] = manifest_key(job_ids[0]) if len(job_ids) == 1 else "manifests/"
    if window is not None:
        keys["receipt"] = receipt_key(window)
    if interval is not None:
        keys["report"] = report_key(interval)
    place = Destination.parse(destination)
    endpoint = _s3_hook(place).conn_config.get_service_endpoint_url("s3") if place.scheme == "s3" else None
    documents = {name: page_of(place.scheme, place.place, place.prefix, key, endpoint) for name, key in keys.items()}
    return of_jobs | documents


def report(destination: str, interval: ExportWindow) -> Mapping[str, Any] | None:
    """The reconciliation of an interval as its archive has it, or None where there is none. Asks the archive only.

    :param destination: the archive's URI.
    :raises InvalidInput: for a destination that can't be used.
    """
    place = Destination.parse(destination)
    return ObjectArchive(_STORES[place.scheme](place, 1), Downloader(connections=1)).report(interval)


def receipt_reader(destination: str) -> Callable[[ExportWindow], Iterator[ReceiptLine] | None]:
    """Reads the receipts of an archive, for a look inside: the lines of a window's receipt, or None where it has none.

    :param destination: the archive's URI.
    :raises InvalidInput: for a destination that can't be used.
    """
    place = Destination.parse(destination)
    store = _STORES[place.scheme](place, 1)

    def lines(window: ExportWindow) -> Iterator[ReceiptLine] | None:
        chunks = store.read(receipt_key(window))
        return None if chunks is None else read_receipt(chunks)

    return lines


def ledger(
    ledger_conn_id: str = DEFAULT_LEDGER, lookup: Callable[[str], Connection] = BaseHook.get_connection
) -> Ledger:
    """A ledger alone, for a look inside and for the guardrail of other exports.

    :param lookup: finds a connection, or raises ``AirflowNotFoundException``; by default as tasks do.
    :raises InvalidInput: for a connection that can't be used.
    """
    try:
        connection = lookup(ledger_conn_id)
    except AirflowNotFoundException:
        connection = None
    return _ledger(ledger_conn_id, connection)


def counting_api(hook: GenesysHook, record: Ledger | None) -> ExportApi:
    """The organisation's API for who only counts.

    :param record: the ledger in which its requests are reserved; without one they are made at an even pace.
    """
    pause = 60.0 / hook.limits.requests_per_minute
    reserve = _request_budget(hook, record, _LONGEST_WAIT_FOR_BUDGET, Meter()) if record else lambda: time.sleep(pause)
    return hook.get_api(before_request=reserve)


def default_ledger_file() -> Path:
    """The SQLite file that is the ledger where no connection :data:`DEFAULT_LEDGER` is defined."""
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "genesys_ledger.db"


async def coordinator_for_triggers(genesys_conn_id: str, ledger_conn_id: str) -> Coordinator:
    """A coordinator for a triggerer's event loop, without an owner: connections are looked up without blocking it.

    Its client makes every request once and never sleeps for the budget, since waiting is the triggers' part. Those of
    one organisation share HTTP connections, and what the ledger says of its polls.
    """
    hook = await GenesysHook.looked_up(genesys_conn_id)
    try:
        ledger_connection = await get_async_connection(ledger_conn_id)
    except AirflowNotFoundException:
        ledger_connection = None

    def wire() -> Coordinator:
        ledger = _ledger(ledger_conn_id, ledger_connection)
        turns = shared_turns(str(hook.organisation), ledger_conn_id)
        return _wired(hook, ledger, "", None, None, None, tries=1, longest_wait=0.0, turns=turns)

    # In a thread: reading a connection's extras masks them, by a call to the supervisor that would block the loop.
    return await asyncio.to_thread(wire)


def _wired(
    hook: GenesysHook,
    ledger: Ledger,
    owner: str,
    pace: dict[str, float] | None,
    archive: Archive | None,
    tags: Mapping[str, str] | None,
    tries: int = 5,
    longest_wait: float = _LONGEST_WAIT_FOR_BUDGET,
    turns: Turns | None = None,
) -> Coordinator:
    """A coordinator; with ``turns`` it is one of many in this process."""
    meter = StatsMeter(tags={**(tags or {}), "api": hook.export_api})
    reserve = _request_budget(hook, ledger, longest_wait, meter)
    api = hook.get_api(tries=tries, before_request=reserve, shared=turns is not None)
    full_pace = Pace(**{**(pace or {}), "polls_per_minute": hook.limits.polls_per_minute})  # type: ignore[arg-type]
    return Coordinator(hook.organisation, api, ledger, owner, full_pace, archive, meter=meter, turns=turns or Turns())


def _request_budget(hook: GenesysHook, ledger: Ledger, longest_wait: float, meter: Meter) -> Callable[[], None]:
    organisation, per_minute = str(hook.organisation), hook.limits.requests_per_minute

    def reserve() -> None:
        reserved = ledger.reserve(organisation, "requests", per_minute, within=longest_wait)
        meter.gauge(Figure.REQUESTS_LEFT, reserved.left)
        if not reserved.granted:
            raise Passing("the organisation's request budget is spent for now", reserved.wait)
        time.sleep(reserved.wait)

    return reserve


def _ledger(conn_id: str, connection: Connection | None) -> Ledger:
    if connection is None:
        if conn_id != DEFAULT_LEDGER:
            raise InvalidInput(f"the ledger's connection {conn_id!r} is not defined")
        return _sql_ledger(URL.create("sqlite", database=str(default_ledger_file())))
    if connection.conn_type not in _LEDGERS:
        raise InvalidInput(
            f"the ledger's connection {conn_id!r} has the type {connection.conn_type!r}: use one of "
            f"{', '.join(_LEDGERS)}"
        )
    return _LEDGERS[connection.conn_type](connection)


def _sql_ledger(url: URL) -> Ledger:
    return SqlLedger(shared_engine(url))


def _sqlite_ledger(connection: Connection) -> Ledger:
    """Airflow keeps a SQLite file's path as the host, or as the schema where it came from a URI."""
    return _sql_ledger(URL.create("sqlite", database=connection.host or connection.schema))


def _postgres_ledger(connection: Connection) -> Ledger:
    return _sql_ledger(_server_url("postgresql", connection, _named(connection, "ssl")))


def _mysql_ledger(connection: Connection) -> Ledger:
    """Airflow's MySQL connections have their TLS files in the extra ``ssl``, an object."""
    files = connection.extra_dejson.get("ssl") or {}
    return _sql_ledger(_server_url("mysql", connection, {f"ssl_{name}": path for name, path in files.items()}))


def _server_url(dialect: str, connection: Connection, query: dict[str, Any]) -> URL:
    return URL.create(
        dialect,
        username=connection.login,
        password=connection.password,
        host=connection.host,
        port=connection.port,
        database=connection.schema,
        query={name: str(value) for name, value in query.items()},
    )


def _redis_ledger(connection: Connection) -> Ledger:
    from airflow_provider_genesys.ledger.redis import redis_ledger, shared_client

    extra = connection.extra_dejson
    client = shared_client(
        host=connection.host or "localhost",
        port=connection.port or 6379,
        username=connection.login or None,
        password=connection.password or None,
        db=int(extra.get("db") or connection.schema or 0),
        ssl=str(extra.get("ssl", False)).lower() == "true",
        **_named(connection, "ssl_"),
    )
    return redis_ledger(client)


def _dynamodb_ledger(connection: Connection) -> Ledger:
    from airflow_provider_genesys.ledger.dynamodb import dynamodb_ledger

    uri = connection.get_uri()
    table = connection.extra_dejson.get("table_name") or DEFAULT_TABLE
    return dynamodb_ledger(lambda: _dynamodb_client(uri, os.getpid(), connection), table)


_clients: dict[tuple[str, int], Any] = {}


def _dynamodb_client(uri: str, pid: int, connection: Connection) -> Any:
    """The client of this process for a connection: it takes a moment to make, and does not bear a fork."""
    if (uri, pid) not in _clients:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
        from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper

        hook = AwsBaseHook(aws_conn_id=connection.conn_id, client_type="dynamodb")
        hook.conn_config = AwsConnectionWrapper(conn=connection)  # looked up already, as a triggerer must
        _clients[uri, pid] = hook.get_conn()
    return _clients[uri, pid]


def _named(connection: Connection, beginning: str) -> dict[str, Any]:
    """The connection's extras whose names begin so."""
    return {name: value for name, value in connection.extra_dejson.items() if name.startswith(beginning)}


_LEDGERS: dict[str, Callable[[Connection], Ledger]] = {
    "sqlite": _sqlite_ledger,
    "postgres": _postgres_ledger,
    "mysql": _mysql_ledger,
    "redis": _redis_ledger,
    "aws": _dynamodb_ledger,
}


def _file_store(destination: Destination, connections: int) -> Store:
    return FileStore(Path(destination.prefix))


def _s3_store(destination: Destination, connections: int) -> Store:
    from botocore.config import Config

    described = _s3_hook(destination).conn_config
    pool = Config(max_pool_connections=connections)
    hook = _s3_hook(destination, config=(described.botocore_config or Config()).merge(pool))
    upload_args = {**described.extra_config.get("upload_args", {}), **destination.upload_args}
    return S3Store(hook.get_conn(), destination.place, destination.prefix, upload_args)


def _s3_hook(destination: Destination, **kwargs: Any) -> S3Hook:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    return S3Hook(aws_conn_id=destination.conn_id or S3Hook.default_conn_name, **kwargs)


def _gcs_store(destination: Destination, connections: int) -> Store:
    with _extra("gcs", destination):
        from airflow.providers.google.cloud.hooks.gcs import GCSHook

        from airflow_provider_genesys.archive.stores.gcs import GcsStore, sized

    hook = GCSHook(gcp_conn_id=destination.conn_id or GCSHook.default_conn_name)
    return GcsStore(sized(hook.get_conn(), connections), destination.place, destination.prefix)


def _azure_store(destination: Destination, connections: int) -> Store:
    with _extra("azure", destination):
        from airflow.providers.microsoft.azure.hooks.wasb import WasbHook

        from airflow_provider_genesys.archive.stores.azure import AzureStore, container_client

    hook = WasbHook(wasb_conn_id=destination.conn_id or WasbHook.default_conn_name)
    options = hook.get_connection(hook.conn_id).extra_dejson
    return AzureStore(container_client(hook.get_conn(), destination.place, connections, options), destination.prefix)


@contextmanager
def _extra(name: str, destination: Destination) -> Iterator[None]:
    """Tell what is to be installed where an import of an extra's libraries fails."""
    try:
        yield
    except ImportError as error:
        raise InvalidInput(
            f"a destination {destination.scheme}://… needs the extra [{name}]: pip install "
            f"'airflow-provider-genesys[{name}]' ({error})"
        ) from error


_STORES: dict[str, Callable[[Destination, int], Store]] = {
    "file": _file_store,
    "s3": _s3_store,
    "gs": _gcs_store,
    "abfs": _azure_store,
}
"""What makes a store of a destination and the number of threads that use it."""


def _archive(hook: GenesysHook, destination: Destination, concurrency: int, template: KeyTemplate) -> Archive:
    if destination.upload_args and destination.scheme != "s3":
        raise InvalidInput(f"upload_args are options of s3://…, which a destination {destination.scheme}://… has not")
    settings = hook.settings
    connections = concurrency + PARTS_AT_A_TIME
    downloader = Downloader(
        allow_private=hook.allow_private_downloads,
        proxy=settings.proxy,
        verify=settings.verify,
        timeout=settings.timeout,
        connections=connections,
    )
    store = _STORES[destination.scheme](destination, connections)
    return ObjectArchive(store, downloader, concurrency=concurrency, key_template=template)
