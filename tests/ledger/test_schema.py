# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import event, inspect
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Engine
from sqlalchemy.schema import CreateTable

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.ledger.engines import ledger_engine
from airflow_provider_genesys.ledger.schema import tables
from airflow_provider_genesys.ledger.sql import SqlLedger
from tests.ledger.racing import Racers
from tests.servers.postgres import PostgresServer

NAMES = {
    "genesys_request",
    "genesys_attempt",
    "genesys_plan",
    "genesys_volume",
    "genesys_budget",
    "genesys_schema",
}


@pytest.fixture
def engine(address: str) -> Engine:
    return ledger_engine(address)


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


def test_eight_processes_may_create_the_tables_at_the_same_moment(address: str, racers: Racers) -> None:
    racers.race(open_and_ask, address)
    engine = ledger_engine(address)
    assert set(inspect(engine).get_table_names()) == NAMES
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version FROM genesys_schema").scalars().all() == [1]


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
        connection.exec_driver_sql("INSERT INTO genesys_schema VALUES (2)")
    with pytest.raises(InvalidInput, match=r"version 2 .* knows version 1: upgrade"):
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


def test_an_open_job_is_found_by_an_index(engine: Engine) -> None:
    SqlLedger(engine).entry("key")
    indexes = inspect(engine).get_indexes("genesys_attempt")
    assert [index["column_names"] for index in indexes] == [["organisation", "job_id"]]


@pytest.mark.parametrize("table", tables.sorted_tables, ids=lambda table: table.name)
def test_the_tables_could_live_in_mysql(table: Any) -> None:
    """Its index keys have a limit of 3072 bytes, four to a character."""
    assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=mysql.dialect()))
    for columns in [table.primary_key.columns, *(index.columns for index in table.indexes)]:
        assert sum(4 * (getattr(column.type, "length", None) or 8) for column in columns) <= 3072
