# SPDX-License-Identifier: Apache-2.0
"""How the ledger's tables come to be, and come to their newest version, whoever opens them first.

To change a table: change it in ``schema.py``, add the step from the version before to :data:`MIGRATIONS`, and a test
that begins with the old tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Table, func, insert, inspect, select, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError, ProgrammingError

from airflow_provider_genesys.export.errors import InvalidInput, Passing
from airflow_provider_genesys.ledger import schema
from airflow_provider_genesys.ledger.engines import error_code, writing

LOCK_SECONDS = 60


def _to_version_2(connection: Connection) -> None:
    for table in (schema.duration, schema.fence):
        table.create(connection, checkfirst=True)
    for index in sorted(schema.request.indexes, key=lambda index: str(index.name)):
        index.create(connection, checkfirst=True)


def _to_version_3(connection: Connection) -> None:
    _add_columns(connection, schema.request, "media", "conversations", "parts")
    _add_columns(connection, schema.attempt, "conversations")


def _to_version_4(connection: Connection) -> None:
    _add_columns(connection, schema.request, "checked_at")


def _to_version_5(connection: Connection) -> None:
    schema.standing.create(connection, checkfirst=True)


def _add_columns(connection: Connection, table: Table, *names: str) -> None:
    known = {column["name"] for column in inspect(connection).get_columns(table.name)}
    for name in (name for name in names if name not in known):
        kind = table.c[name].type.compile(connection.dialect)
        connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {name} {kind}"))


MIGRATIONS: dict[int, Callable[[Connection], None]] = {
    2: _to_version_2,
    3: _to_version_3,
    4: _to_version_4,
    5: _to_version_5,
}
"""The step to each version from the one before. A step may run again over what an interrupted run of it left:
MySQL commits each of its statements by itself."""

VERSION = max(MIGRATIONS)

LOCKS = {
    "postgresql": (text("SELECT pg_advisory_xact_lock(hashtext('genesys_schema'))"), None),
    "mysql": (
        text(f"SELECT GET_LOCK(CONCAT('genesys_schema ', SHA1(DATABASE())), {LOCK_SECONDS})"),
        text("DO RELEASE_LOCK(CONCAT('genesys_schema ', SHA1(DATABASE())))"),
    ),
}
"""How a database is told to let one process at a time change tables, and that it is done. SQLite's write lock does."""

DENIED = {"42501", "3F000", 1044, 1142, 1227}
"""Codes for a right that the user lacks, on PostgreSQL and MySQL."""


def ensure_schema(engine: Engine) -> None:
    """Bring the tables to the newest version; where they are, this is one small query.

    :raises InvalidInput: where the tables are a newer provider's, or may not be created or changed.
    """
    version = _version(engine)
    if version is None or version < VERSION:
        version = _migrate(engine)
    if version > VERSION:
        raise InvalidInput(
            f"the ledger's tables are of version {version} and this airflow-provider-genesys knows version {VERSION}:"
            " upgrade it to the version that runs elsewhere"
        )


def _version(engine: Engine) -> int | None:
    """The version of the tables; None where they are incomplete, or where the database did not say."""
    try:
        with engine.connect() as connection:
            return _read_version(connection)
    except (ProgrammingError, OperationalError):
        return None


def _migrate(engine: Engine) -> int:
    try:
        with writing(engine).connect() as connection, _alone(connection):
            return _newest(connection)
    except (ProgrammingError, OperationalError) as error:
        if error_code(error) not in DENIED:
            raise
        raise InvalidInput(
            "the ledger's tables could not be created or changed: let the ledger connection's user CREATE tables in"
            " its schema and own them, or run once as one who may"
        ) from error


def _newest(connection: Connection) -> int:
    """Create what is missing or climb from version to version, and, as the sign that a step is done, note it."""
    known = inspect(connection).has_table(schema.schema.name)
    version = _read_version(connection) if known else None
    if version is None:
        schema.tables.create_all(connection)
        _note(connection, VERSION)
        return VERSION
    for step in range(version + 1, VERSION + 1):
        MIGRATIONS[step](connection)
        _note(connection, step)
    return max(version, VERSION)


def _read_version(connection: Connection) -> int | None:
    return connection.execute(select(func.max(schema.schema.c.version))).scalar()


def _note(connection: Connection, version: int) -> None:
    connection.execute(insert(schema.schema).values(version=version))


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """One transaction, in which no other process changes tables."""
    lock, unlock = LOCKS.get(connection.dialect.name, (None, None))
    try:
        if lock is not None and connection.execute(lock).scalar() == 0:
            raise Passing(f"another process has been changing the ledger's tables for {LOCK_SECONDS} seconds")
        yield
        connection.commit()
    except BaseException:
        connection.invalidate()  # MySQL's lock is the connection's, not the transaction's: it ends with it
        raise
    if unlock is not None:
        connection.execute(unlock)
