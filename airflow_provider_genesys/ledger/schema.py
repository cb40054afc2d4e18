# SPDX-License-Identifier: Apache-2.0
"""The ledger's tables, and how they come to be.

Column types are chosen so that SQLite, PostgreSQL and MySQL take them as they are: what is in an index has a stated
length, documents are text, and a time that ends in ``_at`` or ``_until`` is a double of epoch seconds.
"""

from __future__ import annotations

import tenacity
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    select,
)
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.ledger.engines import writing

VERSION = 1
"""Rises with every change of a table."""

HEX_DIGEST = String(64)
WINDOW_TIME = String(27)
NAME = String(255)
EPOCH = Float(53)

tables = MetaData()

schema = Table("genesys_schema", tables, Column("version", Integer, primary_key=True, autoincrement=False))

request = Table(
    "genesys_request",
    tables,
    Column("request_key", HEX_DIGEST, primary_key=True),
    Column("host", NAME, nullable=False),
    Column("client_id", NAME, nullable=False),
    Column("window_start", WINDOW_TIME, nullable=False),
    Column("window_end", WINDOW_TIME, nullable=False),
    Column("media_format", NAME, nullable=False),
    Column("filters", Text, nullable=False),
    Column("state", NAME, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("children", Text, nullable=False),
    Column("destinations", Text, nullable=False),
    Column("forced_by", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("held_by", Text, nullable=False),
    Column("held_until", EPOCH, nullable=False),
    Column("held_exclusively", Boolean, nullable=False),
    Column("saved_at", EPOCH),
)

attempt = Table(
    "genesys_attempt",
    tables,
    Column("request_key", HEX_DIGEST, primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("organisation", NAME, nullable=False),
    Column("status", NAME, nullable=False),
    Column("job_id", NAME),
    Column("reason", Text, nullable=False),
    Column("replaces", NAME),
    Column("polls", Integer, nullable=False),
    Column("recordings", BigInteger),
    Column("error", Text, nullable=False),
    Column("submitted_at", EPOCH),
    Column("polled_at", EPOCH),
    Column("ended_at", EPOCH),
    Column("expires_at", EPOCH),
    Index("genesys_attempt_job", "organisation", "job_id"),
)

plan = Table(
    "genesys_plan",
    tables,
    Column("plan_key", HEX_DIGEST, primary_key=True),
    Column("windows", Text, nullable=False),
)

volume = Table(
    "genesys_volume",
    tables,
    Column("selection_key", HEX_DIGEST, primary_key=True),
    Column("window_start", WINDOW_TIME, primary_key=True),
    Column("window_end", WINDOW_TIME, primary_key=True),
    Column("recordings", BigInteger, nullable=False),
)

budget = Table(
    "genesys_budget",
    tables,
    Column("organisation", NAME, primary_key=True),
    Column("budget", NAME, primary_key=True),
    Column("slots", Text, nullable=False),
    Column("read_at", EPOCH, nullable=False),
)


def ensure_schema(engine: Engine) -> None:
    """Create what is missing of the tables; where they are complete this is one small query.

    :raises InvalidInput: where the tables are a newer provider's, or may not be created.
    """
    version = _version(engine)
    if version is None:
        version = _create(writing(engine))
    if version > VERSION:
        raise InvalidInput(
            f"the ledger's tables are of version {version} and this airflow-provider-genesys knows version {VERSION}:"
            " upgrade it to the version that runs elsewhere"
        )


def _version(engine: Engine) -> int | None:
    """The version of the tables; None where they are incomplete, or where the database did not say."""
    try:
        with engine.connect() as connection:
            return connection.execute(select(func.max(schema.c.version))).scalar()
    except (ProgrammingError, OperationalError):
        return None


def _create(engine: Engine) -> int:
    """Create the tables that are missing, then, as the sign that they are complete, their version."""
    try:
        return _CREATING(_create_missing, engine)
    except ProgrammingError as error:
        raise InvalidInput(
            "the ledger's tables could not be created: let the ledger connection's user CREATE tables in its schema,"
            " or run once as one who may"
        ) from error


def _create_missing(engine: Engine) -> int:
    with engine.begin() as connection:
        tables.create_all(connection)
        version = connection.execute(select(func.max(schema.c.version))).scalar()
        if version is None:
            connection.execute(insert(schema).values(version=VERSION))
        return version or VERSION


_CREATING = tenacity.Retrying(
    # Who creates the same table at the same moment fails with one of these, and finds it there on the next try.
    retry=tenacity.retry_if_exception_type((IntegrityError, ProgrammingError)),
    stop=tenacity.stop_after_attempt(8),
    wait=tenacity.wait_random(0, 0.2),
    reraise=True,
)
