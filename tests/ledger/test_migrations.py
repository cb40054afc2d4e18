# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, inspect
from sqlalchemy.engine import Engine

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.ledger.engines import ledger_engine
from airflow_provider_genesys.ledger.schema import tables
from airflow_provider_genesys.ledger.sql import SqlLedger
from tests.ledger import version_1
from tests.ledger.backends import ADDRESSES
from tests.ledger.racing import Racers
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

NAMES = {
    "genesys_request",
    "genesys_attempt",
    "genesys_plan",
    "genesys_volume",
    "genesys_budget",
    "genesys_duration",
    "genesys_fence",
    "genesys_standing",
    "genesys_schema",
}


@pytest.fixture
def engine(sql_address: str) -> Engine:
    return ledger_engine(sql_address)


def open_and_ask(number: int, address: str) -> None:
    SqlLedger(ledger_engine(address)).entry(str(number))


def statements_of(engine: Engine, ledger: SqlLedger) -> list[str]:
    """What reading an entry sends to the database."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement != "BEGIN":
            statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    ledger.entry("key")
    event.remove(engine, "before_cursor_execute", note)
    return statements


def test_eight_processes_may_create_the_tables_at_the_same_moment(sql_address: str, racers: Racers) -> None:
    racers.race(open_and_ask, sql_address)
    assert set(tables_of(sql_address)) == NAMES
    assert versions_of(sql_address) == [5]


def tables_of(address: str) -> dict[str, tuple[set[str], set[tuple[str, ...]]]]:
    """Columns and indexes by table."""
    inspector = inspect(ledger_engine(address))
    return {
        name: (
            {column["name"] for column in inspector.get_columns(name)},
            {tuple(map(str, index["column_names"])) for index in inspector.get_indexes(name)},
        )
        for name in inspector.get_table_names()
    }


def versions_of(address: str) -> list[int]:
    with ledger_engine(address).connect() as connection:
        return list(connection.exec_driver_sql("SELECT version FROM genesys_schema ORDER BY version").scalars())


@pytest.fixture
def new_address(request: pytest.FixtureRequest, sql_address: str) -> str:
    """Another empty ledger on the same kind of database."""
    scheme = sql_address.partition(":")[0]
    return f"{sql_address}.new" if scheme == "sqlite" else ADDRESSES[scheme](request)


def test_eight_processes_may_migrate_the_tables_at_the_same_moment(
    sql_address: str, new_address: str, racers: Racers
) -> None:
    version_1.create(ledger_engine(sql_address))
    racers.race(open_and_ask, sql_address)
    open_and_ask(0, new_address)
    assert versions_of(sql_address) == [1, 2, 3, 4, 5]
    assert tables_of(sql_address) == tables_of(new_address)


def test_a_migrated_ledger_has_what_it_had_and_works(sql_address: str) -> None:
    version_1.create(ledger_engine(sql_address))
    ledger = SqlLedger(ledger_engine(sql_address))
    entry = ledger.find("client@api.mypurecloud.com", "job")
    assert entry is not None
    assert (entry.state, entry.destinations, entry.attempts[0].polls) == ("archived", ("s3://bucket/prefix",), 3)
    assert (entry.parts, entry.request.media, entry.request.conversations) == ((), ("audio",), ())
    assert entry.checked_at is None
    held = ledger.acquire(entry.request, "ann", 60.0)
    assert held.lease is not None
    assert ledger.save(held.lease, replace(held, checked_at=1714730400.25)).checked_at == 1714730400.25
    ledger.release(held.lease)
    ledger.record_duration("organisation", 1, 2.0)
    assert ledger.durations("organisation") == ((1, 2.0),)
    assert ledger.compact(ledger.now()) == 1


def test_a_migration_that_was_cut_short_is_completed(sql_address: str) -> None:
    """MySQL commits each of its statements by itself."""
    version_1.create(ledger_engine(sql_address))
    with ledger_engine(sql_address).begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE genesys_duration (organisation VARCHAR(255) PRIMARY KEY, durations TEXT)"
        )
        connection.exec_driver_sql("CREATE INDEX genesys_request_saved ON genesys_request (state, saved_at)")
        connection.exec_driver_sql("ALTER TABLE genesys_request ADD COLUMN conversations TEXT")
    SqlLedger(ledger_engine(sql_address)).entry("key")
    assert versions_of(sql_address) == [1, 2, 3, 4, 5]
    assert set(tables_of(sql_address)) == NAMES
    assert tables_of(sql_address)["genesys_request"][1] == {("state", "saved_at"), ("window_start", "window_end")}


def test_opening_a_ledger_that_exists_costs_one_query(engine: Engine) -> None:
    SqlLedger(engine).entry("key")
    ledger = SqlLedger(engine)
    first, later = statements_of(engine, ledger), statements_of(engine, ledger)
    assert len(first) == len(later) + 1


def test_nothing_is_done_before_the_first_use(engine: Engine) -> None:
    SqlLedger(engine)
    assert inspect(engine).get_table_names() == []


def test_tables_of_a_newer_provider_are_left_alone(engine: Engine) -> None:
    SqlLedger(engine).entry("key")
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO genesys_schema VALUES (6)")
    with pytest.raises(InvalidInput, match=r"version 6 .* knows version 5: upgrade"):
        SqlLedger(engine).entry("key")


def test_a_creation_that_was_cut_short_is_completed(engine: Engine) -> None:
    SqlLedger(engine).entry("key")
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM genesys_schema")
        connection.exec_driver_sql("DROP TABLE genesys_volume")
    SqlLedger(engine).entry("key")
    assert set(inspect(engine).get_table_names()) == NAMES


def test_a_user_who_may_not_create_tables_is_told_so(postgres: PostgresServer) -> None:
    url = postgres.create_database("ledger_guest")
    with closing(postgres.connect("ledger_guest")) as connection, connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS guest")
        cursor.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    guest = url.replace(f"postgres:{postgres.password}@", "guest:guest@")
    with pytest.raises(InvalidInput, match="CREATE tables"):
        SqlLedger(ledger_engine(guest)).entry("key")


def test_a_user_who_may_not_create_tables_in_mysql_is_told_so(mariadb: MariadbServer) -> None:
    url = mariadb.create_database("ledger_guest")
    mariadb.execute("CREATE OR REPLACE USER guest@'127.0.0.1' IDENTIFIED BY 'guest'")
    mariadb.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ledger_guest.* TO guest@'127.0.0.1'")
    guest = url.replace(f"tests:{mariadb.password}@", "guest:guest@")
    with pytest.raises(InvalidInput, match="CREATE tables"):
        SqlLedger(ledger_engine(guest)).entry("key")


def test_an_open_job_is_found_by_an_index(engine: Engine) -> None:
    SqlLedger(engine).entry("key")
    indexes = inspect(engine).get_indexes("genesys_attempt")
    assert [index["column_names"] for index in indexes] == [["organisation", "job_id"]]


@pytest.mark.parametrize("table", tables.sorted_tables, ids=lambda table: table.name)
def test_what_is_in_an_index_has_room_in_mysql(table: Any) -> None:
    """Its index keys have a limit of 3072 bytes, four to a character."""
    for columns in [table.primary_key.columns, *(index.columns for index in table.indexes)]:
        assert sum(4 * (getattr(column.type, "length", None) or 8) for column in columns) <= 3072
