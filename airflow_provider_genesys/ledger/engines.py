# SPDX-License-Identifier: Apache-2.0
"""What each database must be told before a ledger can rely on it: drivers, timeouts, transactions, clocks."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from airflow_provider_genesys.export.errors import InvalidInput

BUSY_SECONDS = 30
"""How long a SQLite transaction waits for another one."""

DRIVERS = {"sqlite": ("pysqlite",), "postgresql": ("psycopg2", "psycopg")}
"""The databases that can be a ledger, and their drivers in the order of preference."""

LIBPQ = {
    "connect_timeout": "10",
    # A server that went away without a word is noticed within a minute, not after the kernel's two hours.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "fallback_application_name": "genesys_ledger",
}

CLOCKS = {"postgresql": text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)")}
"""How a server is asked for the time of this very moment; ``now()`` would be the transaction's begin."""

GUARDS = {
    # A client whose machine vanished in mid-transaction must not keep its rows locked until TCP gives it up.
    "postgresql": text(
        "SELECT set_config('lock_timeout', '10s', true), set_config('idle_in_transaction_session_timeout', '30s', true)"
    ),
}


def ledger_url(url: str | URL) -> URL:
    """Read a database URL into the form that is safe to pass on: its repr hides the password, and so do our errors.

    :param url: such as ``postgresql://user:password@host/database`` or ``sqlite:////var/lib/ledger.db``.
        ``postgres://`` is understood; where no driver is named, an installed one is chosen.
    :raises InvalidInput: for what is no URL, no database that can be a ledger, or a SQLite database in memory.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Not chained: the original error quotes the URL, and with it the password.
        raise InvalidInput("the ledger's database URL can't be read: it looks like dialect://user@host/name") from None
    dialect, _, driver = parsed.drivername.partition("+")
    dialect = "postgresql" if dialect == "postgres" else dialect
    if dialect not in DRIVERS:
        raise InvalidInput(f"{dialect!r} can't be a ledger; these can: {', '.join(DRIVERS)}")
    if driver and driver not in DRIVERS[dialect]:
        raise InvalidInput(f"a ledger does not know the driver {driver!r} for {dialect}: leave it out of the URL")
    if dialect == "sqlite":
        parsed = parsed.set(database=str(_file(parsed.database)))
    return parsed.set(drivername=f"{dialect}+{driver or _installed(dialect)}")


def ledger_engine(url: str | URL) -> Engine:
    """Make the engine that a :class:`~airflow_provider_genesys.ledger.sql.SqlLedger` works on.

    It pools nothing. A connection must not cross a fork, and Airflow forks; a deferred window keeps its ledger for
    hours and a database's connections are few; and one that was never kept is never stale after a failover. The
    price, a connect of some 7 ms for each operation on PostgreSQL, is small beside what a ledger is asked: most of it
    is reservations, and the platform's own budgets hold those to some five a second.

    SQLite runs in WAL mode, which needs a local file system. ``synchronous=NORMAL`` is enough: a committed claim has
    been written to the operating system, so that it survives the process being killed at any moment. A power cut can
    take the last commits, never the database's consistency; FULL would buy those back with an fsync while everybody
    else waits for the write lock.

    :param url: what :func:`ledger_url` reads; the directory of a SQLite file is created.
    :raises InvalidInput: as :func:`ledger_url`.
    """
    url = ledger_url(url)
    options: dict[str, Any] = {"future": True, "poolclass": NullPool, "hide_parameters": True}
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url.update_query_dict({"timeout": str(BUSY_SECONDS), **url.query}), options)
    # Row locks carry the rules, whatever isolation the server's or the database's default asks for.
    return create_engine(url.update_query_dict({**LIBPQ, **url.query}), isolation_level="READ COMMITTED", **options)


def writing(engine: Engine) -> Engine:
    """The same engine for transactions that write: SQLite then takes its write lock at the beginning.

    A transaction that begins by reading and then writes is refused at once, without waiting, where another has
    written in between.
    """
    return engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")


def guard(connection: Connection) -> None:
    """Bound what a write transaction may wait, and for how long it may block others."""
    statement = GUARDS.get(connection.dialect.name)
    if statement is not None:
        connection.execute(statement)


def _sqlite_engine(url: URL, options: dict[str, Any]) -> Engine:
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, **options)

    # The driver would begin transactions by itself, and too late. SQLAlchemy's documented way of taking that over:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))

    return engine


def _file(database: str | None) -> Path:
    if not database or database == ":memory:" or database.startswith("file:"):
        raise InvalidInput("a SQLite ledger is a file: name its path, as in sqlite:////var/lib/airflow/ledger.db")
    return Path(database).expanduser().absolute()


def _installed(dialect: str) -> str:
    """The first of the dialect's drivers that is there; the first of all where none is, for its own error to tell."""
    drivers = DRIVERS[dialect]
    return next((driver for driver in drivers if find_spec(driver)), drivers[0])
