# SPDX-License-Identifier: Apache-2.0
"""The ledger in a SQL database: SQLite for one machine, PostgreSQL for many.

Every operation is one short transaction that locks the row it is about, then reads the clock, then decides. The order
matters: whoever waited for the lock decides by the time at which they got it.

Every operation may run twice, so each is repeated when the connection breaks, even in the middle of a commit:

* ``acquire`` finds its own lease, which is free to its owner, and takes it again with the next fence.
* ``save``, ``renew`` and ``release`` write the same again under the same fence, or find it taken over since.
* ``reserve`` gives a slot away unused: fewer calls than the budget allows, never more.
* ``keep_plan`` and ``record_volume`` write what they wrote.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table, insert, select, update
from sqlalchemy.engine import Connection, Engine, Row
from sqlalchemy.exc import IntegrityError, InterfaceError, InternalError, OperationalError
from sqlalchemy.sql.elements import ColumnElement

from airflow_provider_genesys.export.errors import LeaseLost
from airflow_provider_genesys.export.model import Entry, ExportRequest, ExportWindow, Lease, Reservation
from airflow_provider_genesys.ledger import schema
from airflow_provider_genesys.ledger.budget import SPAN, Budget
from airflow_provider_genesys.ledger.documents import (
    attempt_document,
    attempt_of,
    entry_of,
    request_document,
    state_document,
    time_text,
    window_document,
    window_of,
    windows_of,
    windows_text,
)
from airflow_provider_genesys.ledger.engines import CLOCKS, guard, writing
from airflow_provider_genesys.ledger.repeat import repeatable


def _reason(error: BaseException) -> str:
    """What may be told of a database error: SQLite's words name no host, a server's do, so of those only the code."""
    original = getattr(error, "orig", None)
    if type(original).__module__.startswith("sqlite3"):
        return str(original)
    code = getattr(original, "pgcode", None) or getattr(original, "sqlstate", None)
    return f"{type(original).__name__} {code or ''}".strip()


# PostgreSQL's internal errors are among them because a server that has just become a standby refuses writes by one.
_repeatable = repeatable((OperationalError, InterfaceError, InternalError), _reason)


class SqlLedger:
    """A :class:`~airflow_provider_genesys.export.ports.Ledger` on a SQL database.

    It may be shared by threads and carried over a fork. The tables are created at the first operation.

    :param engine: made by :func:`~airflow_provider_genesys.ledger.engines.ledger_engine`.
    :param clock: epoch seconds, for a database without a server; a server's own clock is asked.
    :param span: the seconds that a rate budget's calls per minute are counted in.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.time, span: float = SPAN) -> None:
        self._engine = engine
        self._writer = writing(engine)
        self._clock = clock
        self._span = span
        self._has_schema = False

    @_repeatable
    def now(self) -> float:
        with self._engine.connect() as connection:
            return self._now(connection)

    @_repeatable
    def acquire(self, request: ExportRequest, owner: str, seconds: float) -> Entry:
        unheld = {"fence": 0, "held_by": "", "held_until": 0.0, "held_exclusively": False}
        unknown = {**request_document(request), **state_document(Entry(request)), **unheld}
        with self._write() as connection:
            row = _locked_or_new(connection, schema.request, {"request_key": request.key}, unknown)
            now = self._now(connection)
            own = row.held_by == owner and not row.held_exclusively
            if row.held_until > now and not own:
                return _entry(connection, request.key, now)
            lease = Lease(request.key, owner, row.fence + 1, now + seconds, seconds)
            _hold(connection, lease, exclusive=False)
            return replace(_entry(connection, request.key, now), lease=lease)

    @_repeatable
    def save(self, lease: Lease, entry: Entry, *, exclusive: bool = False) -> Entry:
        if entry.request.key != lease.key:
            raise ValueError(f"the lease is not one of window {entry.request.window}")
        with self._write() as connection:
            _locked_by(connection, lease)
            now = self._now(connection)
            renewed = replace(lease, until=now + lease.seconds)
            _hold(connection, renewed, exclusive=exclusive, saved_at=now, **state_document(entry))
            _save_attempts(connection, entry)
            return replace(_entry(connection, lease.key, now), lease=renewed)

    @_repeatable
    def renew(self, lease: Lease) -> Lease:
        with self._write() as connection:
            row = _locked_by(connection, lease)
            renewed = replace(lease, until=self._now(connection) + lease.seconds)
            _hold(connection, renewed, exclusive=row.held_exclusively)
            return renewed

    @_repeatable
    def release(self, lease: Lease) -> None:
        request = schema.request
        with self._write() as connection:
            connection.execute(
                update(request)
                .where(request.c.request_key == lease.key, request.c.fence == lease.fence)
                .values(held_by="", held_until=0.0, held_exclusively=False)
            )

    @_repeatable
    def entry(self, key: str) -> Entry | None:
        with self._read() as connection:
            return _found(connection, schema.request.c.request_key == key, self._now(connection))

    @_repeatable
    def find(self, organisation: str, job_id: str) -> Entry | None:
        attempt = schema.attempt
        key = (
            select(attempt.c.request_key)
            .where(attempt.c.organisation == organisation, attempt.c.job_id == job_id)
            .order_by(attempt.c.request_key)
            .limit(1)
            .scalar_subquery()
        )
        with self._read() as connection:
            return _found(connection, schema.request.c.request_key == key, self._now(connection))

    @_repeatable
    def reserve(self, organisation: str, budget: str, per_minute: int, within: float = 0.0) -> Reservation:
        name = {"organisation": organisation, "budget": budget}
        with self._write() as connection:
            row = _locked_or_new(connection, schema.budget, name, {**name, "slots": "[]", "read_at": 0.0})
            kept = Budget(tuple(json.loads(row.slots)), row.read_at)
            kept, reservation = kept.reserve(self._now(connection), per_minute, within=within, span=self._span)
            connection.execute(
                update(schema.budget)
                .where(*_equal(schema.budget, name))
                .values(slots=json.dumps(kept.slots), read_at=kept.read_at)
            )
            return reservation

    @_repeatable
    def plan(self, key: str) -> tuple[ExportWindow, ...] | None:
        with self._read() as connection:
            text = connection.execute(select(schema.plan.c.windows).where(schema.plan.c.plan_key == key)).scalar()
            return None if text is None else windows_of(text)

    @_repeatable
    def keep_plan(
        self, key: str, windows: Sequence[ExportWindow], *, replace: bool = False
    ) -> tuple[ExportWindow, ...]:
        plan = {"plan_key": key, "windows": windows_text(windows)}
        with self._write() as connection:
            row = _locked_or_new(connection, schema.plan, {"plan_key": key}, plan)
            if not replace:
                return windows_of(row.windows)
            connection.execute(update(schema.plan).where(schema.plan.c.plan_key == key).values(plan))
            return tuple(windows)

    @_repeatable
    def record_volume(self, selection_key: str, window: ExportWindow, recordings: int) -> None:
        identity = {"selection_key": selection_key, **window_document(window)}
        volume = {**identity, "recordings": recordings}
        with self._write() as connection:
            _locked_or_new(connection, schema.volume, identity, volume)
            connection.execute(update(schema.volume).where(*_equal(schema.volume, identity)).values(volume))

    @_repeatable
    def volumes(self, selection_key: str, since: float, until: float) -> Mapping[ExportWindow, int]:
        volume = schema.volume
        with self._read() as connection:
            rows = connection.execute(
                select(volume)
                .where(volume.c.selection_key == selection_key)
                .where(volume.c.window_start >= _time_text(since), volume.c.window_start < _time_text(until))
                .order_by(volume.c.window_start, volume.c.window_end)
            )
            return {window_of(dict(row._mapping)): row.recordings for row in rows}

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        self._ensure_schema()
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        self._ensure_schema()
        with self._writer.begin() as connection:
            guard(connection)
            yield connection

    def _ensure_schema(self) -> None:
        if not self._has_schema:
            schema.ensure_schema(self._engine)
            self._has_schema = True

    def _now(self, connection: Connection) -> float:
        clock = CLOCKS.get(connection.dialect.name)
        return self._clock() if clock is None else float(connection.execute(clock).scalar_one())


def _locked_or_new(
    connection: Connection, table: Table, identity: Mapping[str, Any], new: Mapping[str, Any]
) -> Row[Any]:
    """Lock the row of this identity, having inserted it as ``new`` where there was none."""
    locked = select(table).where(*_equal(table, identity)).with_for_update()
    row = connection.execute(locked).first()
    if row is not None:
        return row
    try:
        with connection.begin_nested():
            connection.execute(insert(table).values(new))
    except IntegrityError:
        pass  # Another process was first: the row is there, and the lock waits for it.
    return connection.execute(locked).one()


def _locked_by(connection: Connection, lease: Lease) -> Row[Any]:
    """Lock the request's row for the holder of its newest lease.

    A lease that has merely run out is good as long as nobody else has come: only another fence ends it.

    :raises LeaseLost: where another acquisition has come since.
    """
    row = connection.execute(
        select(schema.request).where(schema.request.c.request_key == lease.key).with_for_update()
    ).first()
    if row is None:
        raise LeaseLost(f"request {lease.key} is gone from the ledger: was it emptied while {lease.owner} was at work?")
    if row.fence != lease.fence:
        holder = row.held_by or "another process, which has left again"
        raise LeaseLost(f"window {window_of(dict(row._mapping))} was taken over from {lease.owner} by {holder}")
    return row


def _hold(connection: Connection, lease: Lease, *, exclusive: bool, **state: Any) -> None:
    """Write who holds the request, and with it what else of its row is new."""
    connection.execute(
        update(schema.request)
        .where(schema.request.c.request_key == lease.key)
        .values(fence=lease.fence, held_by=lease.owner, held_until=lease.until, held_exclusively=exclusive, **state)
    )


def _save_attempts(connection: Connection, entry: Entry) -> None:
    """Insert or update the entry's attempts; one that the entry leaves out stays: it is history."""
    attempt = schema.attempt
    key = entry.request.key
    known = {
        (row.generation, row.number): attempt_of(dict(row._mapping))
        for row in connection.execute(select(attempt).where(attempt.c.request_key == key))
    }
    for wanted in entry.attempts:
        document = attempt_document(wanted)
        identity = {"request_key": key, "generation": wanted.generation, "number": wanted.number}
        if (wanted.generation, wanted.number) not in known:
            organisation = str(entry.request.organisation)
            connection.execute(insert(attempt).values(request_key=key, organisation=organisation, **document))
        elif known[wanted.generation, wanted.number] != wanted:
            connection.execute(update(attempt).where(*_equal(attempt, identity)).values(document))


def _entry(connection: Connection, key: str, now: float) -> Entry:
    entry = _found(connection, schema.request.c.request_key == key, now)
    if entry is None:
        raise LookupError(f"request {key} is gone from the ledger while its row was locked")
    return entry


def _found(connection: Connection, which: ColumnElement[bool], now: float) -> Entry | None:
    """Read one request and its attempts by one statement, so that no save can come between the two."""
    request, attempt = schema.request, schema.attempt
    rows = connection.execute(
        select(request, attempt)
        .select_from(request.outerjoin(attempt, attempt.c.request_key == request.c.request_key))
        .where(which)
    ).all()
    if not rows:
        return None
    attempts = [_part(row, attempt) for row in rows]
    document = _part(rows[0], request)
    entry = entry_of(document, [attempt_of(part) for part in attempts if part["number"] is not None])
    if document["held_until"] <= now:
        return entry
    return replace(entry, held_by=document["held_by"], held_until=document["held_until"])


def _part(row: Row[Any], table: Table) -> dict[str, Any]:
    """The columns that a joined row has of one table."""
    return {column.name: row._mapping[column] for column in table.c}


def _equal(table: Table, values: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in values.items()]


def _time_text(seconds: float) -> str:
    return time_text(datetime.fromtimestamp(seconds, UTC))
