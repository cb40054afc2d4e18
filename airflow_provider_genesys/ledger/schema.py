# SPDX-License-Identifier: Apache-2.0
"""The ledger's tables.

Column types are chosen so that SQLite, PostgreSQL and MySQL take them as they are: what is in an index has a stated
length, documents are text, and a time that ends in ``_at`` or ``_until`` is a double of epoch seconds.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.schema import SchemaItem

HEX_DIGEST = String(64)
WINDOW_TIME = String(27)
NAME = String(255)
EPOCH = Float(53)
LONG_TEXT = Text().with_variant(MEDIUMTEXT(), "mysql")
"""MySQL's plain TEXT ends at 64 kB, which is a plan of a thousand windows."""

MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
"""Transactions, every character, and ids that differ in case are different ids."""

tables = MetaData()


def _table(name: str, *columns: SchemaItem) -> Table:
    return Table(name, tables, *columns, **MYSQL)


schema = _table("genesys_schema", Column("version", Integer, primary_key=True, autoincrement=False))

request = _table(
    "genesys_request",
    Column("request_key", HEX_DIGEST, primary_key=True),
    Column("host", NAME, nullable=False),
    Column("client_id", NAME, nullable=False),
    Column("window_start", WINDOW_TIME, nullable=False),
    Column("window_end", WINDOW_TIME, nullable=False),
    Column("media_format", NAME, nullable=False),
    Column("filters", LONG_TEXT, nullable=False),
    Column("state", NAME, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("children", LONG_TEXT, nullable=False),
    Column("destinations", LONG_TEXT, nullable=False),
    Column("forced_by", LONG_TEXT, nullable=False),
    Column("error", LONG_TEXT, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("held_by", LONG_TEXT, nullable=False),
    Column("held_until", EPOCH, nullable=False),
    Column("held_exclusively", Boolean, nullable=False),
    Column("saved_at", EPOCH),
    Column("media", LONG_TEXT),
    Column("conversations", LONG_TEXT),
    Column("parts", LONG_TEXT),
    Column("checked_at", EPOCH),
    Index("genesys_request_saved", "state", "saved_at"),
    Index("genesys_request_window", "window_start", "window_end"),
)

attempt = _table(
    "genesys_attempt",
    Column("request_key", HEX_DIGEST, primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("organisation", NAME, nullable=False),
    Column("status", NAME, nullable=False),
    Column("job_id", NAME),
    Column("reason", LONG_TEXT, nullable=False),
    Column("replaces", NAME),
    Column("polls", Integer, nullable=False),
    Column("recordings", BigInteger),
    Column("error", LONG_TEXT, nullable=False),
    Column("submitted_at", EPOCH),
    Column("polled_at", EPOCH),
    Column("ended_at", EPOCH),
    Column("expires_at", EPOCH),
    Column("conversations", LONG_TEXT),
    Index("genesys_attempt_job", "organisation", "job_id"),
)

standing = _table(
    "genesys_standing",
    Column("request_key", HEX_DIGEST, primary_key=True),
    Column("host", NAME, nullable=False),
    Column("client_id", NAME, nullable=False),
    Column("window_start", WINDOW_TIME, nullable=False),
    Column("window_end", WINDOW_TIME, nullable=False),
    Column("media_format", NAME, nullable=False),
    Column("filters", LONG_TEXT, nullable=False),
    Column("media", LONG_TEXT),
    Column("state", NAME, nullable=False),
    Column("destinations", LONG_TEXT, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", LONG_TEXT, nullable=False),
    Column("checked_at", EPOCH),
    Index("genesys_standing_window", "window_start", "window_end"),
)
"""What a look over a range still tells of requests that were compacted."""

fence = _table(
    "genesys_fence",
    Column("request_key", HEX_DIGEST, primary_key=True),
    Column("fence", BigInteger, nullable=False),
)
"""The last fence of each request that was forgotten: should it come back, no lease of its earlier life is good."""

plan = _table(
    "genesys_plan",
    Column("plan_key", HEX_DIGEST, primary_key=True),
    Column("windows", LONG_TEXT, nullable=False),
)

volume = _table(
    "genesys_volume",
    Column("selection_key", HEX_DIGEST, primary_key=True),
    Column("window_start", WINDOW_TIME, primary_key=True),
    Column("window_end", WINDOW_TIME, primary_key=True),
    Column("recordings", BigInteger, nullable=False),
)

duration = _table(
    "genesys_duration",
    Column("organisation", NAME, primary_key=True),
    Column("durations", LONG_TEXT, nullable=False),
)

budget = _table(
    "genesys_budget",
    Column("organisation", NAME, primary_key=True),
    Column("budget", NAME, primary_key=True),
    Column("slots", LONG_TEXT, nullable=False),
    Column("read_at", EPOCH, nullable=False),
)
