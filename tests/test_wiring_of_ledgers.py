# SPDX-License-Identifier: Apache-2.0
"""From an Airflow connection to a ledger that works, on every kind of server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.models.connection import Connection
from sqlalchemy.engine import make_url

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.ports import Ledger
from airflow_provider_genesys.wiring import _ledger
from tests.servers.dynalite import DynaliteServer, dynamodb_client
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer


def works(ledger: Ledger) -> bool:
    ledger.keep_plan("wired", [])
    return ledger.plan("wired") == ()


def connection_to(conn_type: str, url: str, **extra: Any) -> Connection:
    """The connection that a user would write for a database's URL."""
    parsed = make_url(url)
    return Connection(
        conn_id="genesys_ledger",
        conn_type=conn_type,
        host=parsed.host,
        port=parsed.port,
        login=parsed.username,
        password=parsed.password,
        schema=parsed.database,
        extra=json.dumps(extra),
    )


def test_without_a_connection_the_ledger_is_a_file_in_airflows_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert works(_ledger("genesys_ledger", None))
    assert (tmp_path / "genesys_ledger.db").exists()
    with pytest.raises(InvalidInput, match="'my_ledger' is not defined"):
        _ledger("my_ledger", None)


def test_a_type_that_is_no_ledger_is_refused_with_those_that_are() -> None:
    with pytest.raises(InvalidInput, match=r"'mongo': use one of sqlite, postgres, mysql, redis, aws"):
        _ledger("genesys_ledger", Connection(conn_id="genesys_ledger", conn_type="mongo"))


def test_sqlite(tmp_path: Path) -> None:
    connection = Connection(conn_id="genesys_ledger", conn_type="sqlite", host=f"{tmp_path}/ledger.db")
    assert works(_ledger("genesys_ledger", connection))
    assert (tmp_path / "ledger.db").exists()


def test_postgres(postgres: PostgresServer) -> None:
    url = postgres.create_database("ledger_wired")
    assert works(_ledger("genesys_ledger", connection_to("postgres", url, sslmode="prefer")))


def test_mysql(mariadb: MariadbServer) -> None:
    url = mariadb.create_database("ledger_wired")
    assert works(_ledger("genesys_ledger", connection_to("mysql", url)))
    assert mariadb.execute("SELECT count(*) FROM ledger_wired.genesys_plan") == [(1,)]


@pytest.mark.parametrize(("schema", "extra"), [("", {"db": 3}), ("3", {}), ("3", {"ssl": False})])
def test_redis(redis: RedisServer, schema: str, extra: dict[str, Any]) -> None:
    redis.client(db=3).flushdb()
    connection = connection_to("redis", redis.address, **extra)
    connection.schema = schema
    assert works(_ledger("genesys_ledger", connection))
    assert redis.client(db=3).exists("genesys:plan:wired")


@pytest.mark.parametrize(("extra", "table"), [({}, "genesys_ledger"), ({"table_name": "our_ledger"}, "our_ledger")])
def test_aws(dynalite: DynaliteServer, extra: dict[str, str], table: str) -> None:
    connection = Connection(
        conn_id="genesys_ledger",
        conn_type="aws",
        login="key",
        password="secret",
        extra=json.dumps({"region_name": "eu-central-1", "endpoint_url": dynalite.endpoint, **extra}),
    )
    assert works(_ledger("genesys_ledger", connection))
    assert table in dynamodb_client(dynalite.endpoint, 0).list_tables()["TableNames"]
