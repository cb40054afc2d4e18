# SPDX-License-Identifier: Apache-2.0
"""The ledger's tables as version 1 of them was released, for the tests of the migration. Not to be changed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text, insert
from sqlalchemy.engine import Engine

tables = MetaData()

schema = Table("genesys_schema", tables, Column("version", Integer, primary_key=True, autoincrement=False))

request = Table(
    "genesys_request",
    tables,
    Column("request_key", String(64), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("client_id", String(255), nullable=False),
    Column("window_start", String(27), nullable=False),
    Column("window_end", String(27), nullable=False),
    Column("media_format", String(255), nullable=False),
    Column("filters", Text, nullable=False),
    Column("state", String(255), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("children", Text, nullable=False),
    Column("destinations", Text, nullable=False),
    Column("forced_by", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("held_by", Text, nullable=False),
    Column("held_until", Float(53), nullable=False),
    Column("held_exclusively", Boolean, nullable=False),
    Column("saved_at", Float(53)),
)

attempt = Table(
    "genesys_attempt",
    tables,
    Column("request_key", String(64), primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("organisation", String(255), nullable=False),
    Column("status", String(255), nullable=False),
    Column("job_id", String(255)),
    Column("reason", Text, nullable=False),
    Column("replaces", String(255)),
    Column("polls", Integer, nullable=False),
    Column("recordings", BigInteger),
    Column("error", Text, nullable=False),
    Column("submitted_at", Float(53)),
    Column("polled_at", Float(53)),
    Column("ended_at", Float(53)),
    Column("expires_at", Float(53)),
    Index("genesys_attempt_job", "organisation", "job_id"),
)

plan = Table(
    "genesys_plan",
    tables,
    Column("plan_key", String(64), primary_key=True),
    Column("windows", Text, nullable=False),
)

volume = Table(
    "genesys_volume",
    tables,
    Column("selection_key", String(64), primary_key=True),
    Column("window_start", String(27), primary_key=True),
    Column("window_end", String(27), primary_key=True),
    Column("recordings", BigInteger, nullable=False),
)

budget = Table(
    "genesys_budget",
    tables,
    Column("organisation", String(255), primary_key=True),
    Column("budget", String(255), primary_key=True),
    Column("slots", Text, nullable=False),
    Column("read_at", Float(53), nullable=False),
)


def create(engine: Engine) -> None:
    """Make a ledger of version 1 with a request that was submitted."""
    tables.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(schema).values(version=1))
        connection.execute(
            insert(request).values(
                request_key="6b7a7c8a1b7d2a0c2f4a9a5b3e7d1c0f6b7a7c8a1b7d2a0c2f4a9a5b3e7d1c0f",
                host="api.mypurecloud.com",
                client_id="client",
                window_start="2024-05-01T00:00:00.000000Z",
                window_end="2024-05-02T00:00:00.000000Z",
                media_format="mp3",
                filters="{}",
                state="archived",
                generation=0,
                children="[]",
                destinations='["s3://bucket/prefix"]',
                forced_by="",
                error="",
                fence=3,
                held_by="",
                held_until=0.0,
                held_exclusively=False,
                saved_at=1714644000.5,
            )
        )
        connection.execute(
            insert(attempt).values(
                request_key="6b7a7c8a1b7d2a0c2f4a9a5b3e7d1c0f6b7a7c8a1b7d2a0c2f4a9a5b3e7d1c0f",
                generation=0,
                number=0,
                organisation="client@api.mypurecloud.com",
                status="completed",
                job_id="job",
                reason="",
                polls=3,
                error="",
            )
        )
