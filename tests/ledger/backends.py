# SPDX-License-Identifier: Apache-2.0
"""The ledgers that have to conform. A new one is a line in each of the two tables."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING, Any

import redis

from airflow_provider_genesys.export.ports import Ledger
from airflow_provider_genesys.ledger.dynamodb import dynamodb_ledger
from airflow_provider_genesys.ledger.engines import ledger_engine
from airflow_provider_genesys.ledger.redis import SESSION, redis_ledger
from airflow_provider_genesys.ledger.sql import SqlLedger
from tests.servers.dynalite import dynamodb_client

if TYPE_CHECKING:
    import pytest

_numbers = count()


def open_ledger(address: str, **options: Any) -> Ledger:
    """Open a ledger at an address, in this process or in another."""
    return OPENERS[address.partition(":")[0]](address, **options)


def _open_sql(address: str, **options: Any) -> Ledger:
    return SqlLedger(ledger_engine(address), **options)


def _sqlite_address(request: pytest.FixtureRequest) -> str:
    return f"sqlite:///{request.getfixturevalue('tmp_path')}/ledger/ledger.db"


def _postgresql_address(request: pytest.FixtureRequest) -> str:
    """A schema of its own, which is made much faster than a database."""
    server, database, schema = request.getfixturevalue("postgres"), "ledger", f"test_{next(_numbers)}"
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {schema}")
    return f"{server.url(database)}?options=-csearch_path%3D{schema}"


def _mysql_address(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("mariadb").create_database(f"test_{next(_numbers)}")
    return url


def _redis_address(request: pytest.FixtureRequest) -> str:
    """A prefix of its own."""
    return f"{request.getfixturevalue('redis').address}#test_{next(_numbers)}:"


def _dynamodb_address(request: pytest.FixtureRequest) -> str:
    """A table of its own."""
    return f"dynamodb:{request.getfixturevalue('dynalite').endpoint}#test_{next(_numbers)}"


def _open_redis(address: str, *, clock: Callable[[], float] | None = None, **options: Any) -> Ledger:
    """:param clock: has no say: the server's is asked."""
    url, _, prefix = address.partition("#")
    return redis_ledger(redis.Redis.from_url(url, **SESSION), prefix=prefix, **options)


def _open_dynamodb(address: str, **options: Any) -> Ledger:
    endpoint, _, table = address.removeprefix("dynamodb:").partition("#")
    return dynamodb_ledger(lambda: dynamodb_client(endpoint, os.getpid()), table, **options)


ADDRESSES: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "sqlite": _sqlite_address,
    "postgresql": _postgresql_address,
    "mysql": _mysql_address,
    "redis": _redis_address,
    "dynamodb": _dynamodb_address,
}
"""How a test gets an empty ledger's address."""

OPENERS: dict[str, Callable[..., Ledger]] = {
    "sqlite": _open_sql,
    "postgresql": _open_sql,
    "mysql": _open_sql,
    "redis": _open_redis,
    "dynamodb": _open_dynamodb,
}
"""How an address is opened, by its scheme."""

SQL = ("sqlite", "postgresql", "mysql")
"""Those whose address is a database's URL."""

SERVED = tuple(scheme for scheme in ADDRESSES if scheme != "sqlite")
"""Those that have a server, and with it a clock."""
