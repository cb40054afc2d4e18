# SPDX-License-Identifier: Apache-2.0
"""What each database must be told before a ledger can rely on it: drivers, timeouts, transactions, clocks."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from airflow_provider_genesys.export.errors import InvalidInput

BUSY_SECONDS = 30
"""How long a SQLite transaction waits for another one."""

IDLE_SECONDS = 60
"""After so many seconds without a word a server ends a ledger's pooled connection."""

DRIVERS = {"sqlite": ("pysqlite",), "postgresql": ("psycopg2", "psycopg"), "mysql": ("pymysql",)}
"""The databases that can be a ledger, and their drivers in the order of preference."""

ALIASES = {"postgres": "postgresql", "mariadb": "mysql"}

POOL = {
    "pool_size": 2,
    "max_overflow": 14,
    "pool_use_lifo": True,
    "pool_recycle": IDLE_SECONDS - 15,
}
"""A process keeps one or two connections while it works and lends more for a moment. None is used that is older than
what the server puts up with, or than a firewall remembers."""

QUERIES = {
    "postgresql": {
        "connect_timeout": "10",
        # A server that went away without a word is noticed within a minute, not after the kernel's two hours.
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
        "tcp_user_timeout": "30000",
        "fallback_application_name": "genesys_ledger",
    },
    "mysql": {
        "charset": "utf8mb4",
        "connect_timeout": "10",
        # No statement of a ledger takes as long, waiting for a lock included: the server is gone.
        "read_timeout": "30",
        "write_timeout": "30",
        # Times in UTC, since the local hour that comes twice in autumn is no clock; nothing cut off to make it fit;
        # and, as GUARDS below, bounds on what a transaction may wait for and block. MySQL ends an idle one by
        # wait_timeout, MariaDB earlier.
        "init_command": (
            "SET SESSION time_zone='+00:00', sql_mode='STRICT_ALL_TABLES', innodb_lock_wait_timeout=10,"
            f" wait_timeout={IDLE_SECONDS} /*M!100300 , idle_transaction_timeout=30 */"
        ),
    },
}
"""What a connection is told by its URL, where that does not say otherwise."""

CLOCKS = {
    "postgresql": text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"),
    "mysql": text("SELECT UNIX_TIMESTAMP(SYSDATE(6))"),
}
"""How a server is asked for the time of this very moment; ``now()`` would be the transaction's begin."""

GUARDS = {
    # A client whose machine vanished in mid-transaction must not keep its rows locked until TCP gives it up.
    "postgresql": text(
        "SELECT set_config('lock_timeout', '10s', true), set_config('idle_in_transaction_session_timeout', '30s', true)"
    ),
}

_pooled: WeakSet[Engine] = WeakSet()


def ledger_url(url: str | URL) -> URL:
    """Read a database URL into the form that is safe to pass on: its repr hides the password, and so do our errors.

    :param url: such as ``postgresql://user:password@host/database`` or ``sqlite:////var/lib/ledger.db``.
        ``postgres://`` and ``mariadb://`` are understood; where no driver is named, an installed one is chosen.
    :raises InvalidInput: for what is no URL, no database that can be a ledger, or a SQLite database in memory.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Not chained: the original error quotes the URL, and with it the password.
        raise InvalidInput("the ledger's database URL can't be read: it looks like dialect://user@host/name") from None
    dialect, _, driver = parsed.drivername.partition("+")
    dialect = ALIASES.get(dialect, dialect)
    if dialect not in DRIVERS:
        raise InvalidInput(f"{dialect!r} can't be a ledger; these can: {', '.join(DRIVERS)}")
    if driver and driver not in DRIVERS[dialect]:
        raise InvalidInput(f"a ledger does not know the driver {driver!r} for {dialect}: leave it out of the URL")
    if dialect == "sqlite":
        parsed = parsed.set(database=str(_file(parsed.database)))
    return parsed.set(drivername=f"{dialect}+{driver or _installed(dialect)}")


def ledger_engine(url: str | URL) -> Engine:
    """Make the engine that a :class:`~airflow_provider_genesys.ledger.sql.SqlLedger` works on.

    An operation over a connection of its own took 8 ms on PostgreSQL and 24 on MariaDB, against 1 to 1.5 over a kept
    one, all on one machine; so connections are pooled, in a way that a deployment of many processes can afford:
    a process keeps two at most, an idle one is ended by the server within a minute, and one that was ended costs
    no more than the repetition of an operation. A fork leaves them to the parent.

    SQLite needs no pool, and runs in WAL mode, which needs a local file system. ``synchronous=NORMAL`` is enough: a
    committed claim has been written to the operating system, so that it survives the process being killed at any
    moment. A power cut can take the last commits, never the database's consistency; FULL would buy those back with an
    fsync while everybody else waits for the write lock.

    :param url: what :func:`ledger_url` reads; the directory of a SQLite file is created.
    :raises InvalidInput: as :func:`ledger_url`.
    """
    url = ledger_url(url)
    dialect = url.get_backend_name()
    options: dict[str, Any] = {"future": True, "hide_parameters": True}
    if dialect == "sqlite":
        return _sqlite_engine(url.update_query_dict({"timeout": str(BUSY_SECONDS), **url.query}), options)
    # Row locks carry the rules, whatever isolation the server's or the database's default asks for.
    engine = create_engine(
        url.update_query_dict({**QUERIES[dialect], **url.query}), isolation_level="READ COMMITTED", **POOL, **options
    )
    if dialect == "postgresql":
        event.listen(engine, "connect", _bound_idleness)
    _pooled.add(engine)
    return engine


@cache
def shared_engine(url: URL) -> Engine:
    """The engine of this process for a database: hundreds of triggers have one pool between them.

    :param url: as :func:`ledger_engine`.
    """
    return ledger_engine(url)


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


def error_code(error: BaseException) -> str | int | None:
    """What a server calls an error: PostgreSQL's SQLSTATE, MySQL's number; None where it says nothing."""
    original = getattr(error, "orig", None)
    number = next(iter(getattr(original, "args", ())), None)
    if isinstance(number, int):
        return number
    return getattr(original, "pgcode", None) or getattr(original, "sqlstate", None)


def _sqlite_engine(url: URL, options: dict[str, Any]) -> Engine:
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, poolclass=NullPool, **options)

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


def _bound_idleness(connection: Any, _record: Any) -> None:
    """Have PostgreSQL end the connection when it idles; servers before 14 keep it for as long as the process lives."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT set_config('idle_session_timeout', '{IDLE_SECONDS}s', false)"
            " WHERE current_setting('server_version_num')::integer >= 140000"
        )
    connection.commit()


def _leave_connections_to_the_parent() -> None:
    for engine in list(_pooled):
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_leave_connections_to_the_parent)


def _file(database: str | None) -> Path:
    if not database or database == ":memory:" or database.startswith("file:"):
        raise InvalidInput("a SQLite ledger is a file: name its path, as in sqlite:////var/lib/airflow/ledger.db")
    return Path(database).expanduser().absolute()


def _installed(dialect: str) -> str:
    """The first of the dialect's drivers that is there; the first of all where none is, for its own error to tell."""
    drivers = DRIVERS[dialect]
    return next((driver for driver in drivers if find_spec(driver)), drivers[0])
