# SPDX-License-Identifier: Apache-2.0
"""The ledger in a SQL database: SQLite for one machine, PostgreSQL or MySQL for many.

Every operation is one short transaction that locks the row it is about, then reads the clock, then decides. The order
matters: whoever waited for the lock decides by the time at which they got it.

Every operation may run twice, so each is repeated when the connection breaks, even in the middle of a commit:

* ``acquire`` finds its own lease, which is free to its owner, and takes it again with the next fence.
* ``save``, ``renew`` and ``release`` write the same again under the same fence, or find it taken over since.
* ``reserve`` gives a slot away unused: fewer calls than the budget allows, never more.
* ``keep_plan`` and ``record_volume`` write what they wrote; ``record_duration`` remembers one job twice.
* ``break_lease`` and ``compact`` find nothing left to do, and say so; ``forget`` finds the request gone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import select, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

from airflow_provider_genesys.export.entry import Entry, Lease, RequestState, Standing
from airflow_provider_genesys.export.model import SPAN, ExportRequest, ExportWindow, Reservation
from airflow_provider_genesys.ledger import migrations, rows, schema
from airflow_provider_genesys.ledger.budget import Budget
from airflow_provider_genesys.ledger.documents import (
    COMPACTED,
    durations_of,
    epoch_text,
    request_document,
    standings_of,
    state_document,
    window_between,
    window_document,
    windows_of,
    windows_text,
    with_duration,
)
from airflow_provider_genesys.ledger.engines import CLOCKS, error_code, guard, writing
from airflow_provider_genesys.ledger.holding import (
    FREE,
    NEVER_HELD,
    broken,
    entry_with_holder,
    holding,
    is_live,
    may_take,
    taken,
)
from airflow_provider_genesys.ledger.repeat import repeatable

PAGE = 200
"""How many requests are read or removed in one transaction."""


def _reason(error: BaseException) -> str:
    """What may be told of a database error: SQLite's words name no host, a server's do, so of those only the code."""
    original = getattr(error, "orig", None)
    if type(original).__module__.startswith("sqlite3"):
        return str(original)
    return f"{type(original).__name__} {error_code(error) or ''}".strip()


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
        key = request.key
        unknown = {**request_document(request), **state_document(Entry(request)), **NEVER_HELD}
        with self._write() as connection:
            row = rows.locked_or_new(connection, schema.request, {"request_key": key}, unknown)
            document = dict(row._mapping)
            attempts = rows.attempts_of(connection, key).values()
            now = self._now(connection)
            if not may_take(document, owner, now):
                return entry_with_holder(document, attempts, now)
            last_fence = 0 if document["fence"] else rows.last_fence(connection, key)
            lease = taken(document, owner, seconds, now, last_fence=last_fence)
            held = holding(lease, exclusive=False)
            rows.save_request(connection, key, held)
            return replace(entry_with_holder({**document, **held}, attempts, now), lease=lease)

    @_repeatable
    def save(self, lease: Lease, entry: Entry, *, exclusive: bool = False) -> Entry:
        if entry.request.key != lease.key:
            raise ValueError(f"the lease is not one of window {entry.request.window}")
        with self._write() as connection:
            document = rows.held_by(connection, lease)
            now = self._now(connection)
            renewed = replace(lease, until=now + lease.seconds)
            saved = {**state_document(entry), **holding(renewed, exclusive=exclusive), "saved_at": now}
            rows.save_request(connection, lease.key, saved)
            attempts = rows.save_attempts(connection, entry)
            return replace(entry_with_holder({**document, **saved}, attempts, now), lease=renewed)

    @_repeatable
    def renew(self, lease: Lease) -> Lease:
        with self._write() as connection:
            document = rows.held_by(connection, lease)
            renewed = replace(lease, until=self._now(connection) + lease.seconds)
            held = holding(renewed, exclusive=document["held_exclusively"])
            rows.save_request(connection, lease.key, held)
            return renewed

    @_repeatable
    def release(self, lease: Lease) -> None:
        request = schema.request
        with self._write() as connection:
            connection.execute(
                update(request).where(request.c.request_key == lease.key, request.c.fence == lease.fence).values(FREE)
            )

    @_repeatable
    def entry(self, key: str) -> Entry | None:
        with self._read() as connection:
            return rows.first_entry(connection, schema.request.c.request_key == key, self._now(connection))

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
            return rows.first_entry(connection, schema.request.c.request_key == key, self._now(connection))

    @_repeatable
    def reserve(self, organisation: str, budget: str, per_minute: int, within: float = 0.0) -> Reservation:
        name = {"organisation": organisation, "budget": budget}
        with self._write() as connection:
            row = rows.locked_or_new(connection, schema.budget, name, {**name, "slots": "[]", "read_at": 0.0})
            kept = Budget(tuple(json.loads(row.slots)), row.read_at)
            kept, reservation = kept.reserve(self._now(connection), per_minute, within=within, span=self._span)
            rows.write(connection, schema.budget, name, {"slots": json.dumps(kept.slots), "read_at": kept.read_at})
            return reservation

    @_repeatable
    def spent(self, organisation: str, budget: str) -> int:
        named = rows.equal(schema.budget, {"organisation": organisation, "budget": budget})
        with self._read() as connection:
            row = connection.execute(select(schema.budget).where(*named)).first()
            kept = Budget() if row is None else Budget(tuple(json.loads(row.slots)), row.read_at)
            return kept.spent(self._now(connection), span=self._span)

    @_repeatable
    def plan(self, key: str) -> tuple[ExportWindow, ...] | None:
        with self._read() as connection:
            text = connection.execute(select(schema.plan.c.windows).where(schema.plan.c.plan_key == key)).scalar()
            return None if text is None else windows_of(text)

    @_repeatable
    def keep_plan(
        self, key: str, windows: Sequence[ExportWindow], *, replace: bool = False
    ) -> tuple[ExportWindow, ...]:
        name, plan = {"plan_key": key}, {"windows": windows_text(windows)}
        with self._write() as connection:
            if replace:
                rows.put(connection, schema.plan, name, plan)
            return windows_of(rows.locked_or_new(connection, schema.plan, name, {**name, **plan}).windows)

    @_repeatable
    def record_volume(self, selection_key: str, window: ExportWindow, recordings: int) -> None:
        identity = {"selection_key": selection_key, **window_document(window)}
        with self._write() as connection:
            rows.put(connection, schema.volume, identity, {"recordings": recordings})

    @_repeatable
    def volumes(self, selection_key: str, since: float, until: float) -> Mapping[ExportWindow, int]:
        volume = schema.volume
        with self._read() as connection:
            found = connection.execute(
                select(volume)
                .where(volume.c.selection_key == selection_key)
                .where(volume.c.window_start >= epoch_text(since), volume.c.window_start < epoch_text(until))
                .order_by(volume.c.window_start, volume.c.window_end)
            )
            return {window_between(row.window_start, row.window_end): row.recordings for row in found}

    @_repeatable
    def record_duration(self, organisation: str, recordings: int, seconds: float) -> None:
        name = {"organisation": organisation}
        with self._write() as connection:
            row = rows.locked_or_new(connection, schema.duration, name, {**name, "durations": "[]"})
            newer = with_duration(row.durations, recordings, seconds)
            rows.write(connection, schema.duration, name, {"durations": newer})

    @_repeatable
    def durations(self, organisation: str) -> Sequence[tuple[int, float]]:
        duration = schema.duration
        with self._read() as connection:
            text = connection.execute(
                select(duration.c.durations).where(duration.c.organisation == organisation)
            ).scalar()
            return durations_of(text or "[]")

    def entries(self, organisation: str | None = None, states: Collection[RequestState] = ()) -> Iterator[Entry]:
        page = self._page(None, organisation, states)
        while page:
            yield from page
            page = self._page(page[-1], organisation, states)

    @_repeatable
    def standings(self, since: float, until: float) -> Sequence[Standing]:
        with self._read() as connection:
            return standings_of(rows.standings_between(connection, epoch_text(since), epoch_text(until)))

    @_repeatable
    def break_lease(self, key: str) -> bool:
        with self._write() as connection:
            row = rows.locked(connection, schema.request, {"request_key": key})
            if row is None or not row.held_by:
                return False
            document = dict(row._mapping)
            rows.save_request(connection, key, broken(document))
            return is_live(document, self._now(connection))

    @_repeatable
    def forget(self, key: str) -> bool:
        with self._write() as connection:
            row = rows.locked(connection, schema.request, {"request_key": key})
            if row is None:
                return True
            if is_live(dict(row._mapping), self._now(connection)):
                return False
            rows.remove(connection, {key: row.fence})
            return True

    def compact(self, before: float) -> int:
        removed = 0
        while page := self._compact_page(before):
            removed += page
        return removed

    @_repeatable
    def _page(self, after: Entry | None, organisation: str | None, states: Collection[RequestState]) -> list[Entry]:
        with self._read() as connection:
            which = rows.selected(after, organisation, states)
            return list(rows.entries(connection, which, self._now(connection), limit=PAGE))

    @_repeatable
    def _compact_page(self, before: float) -> int:
        request = schema.request.c
        with self._write() as connection:
            finished = connection.execute(
                select(request.request_key, request.fence)
                .where(request.state.in_([state.value for state in COMPACTED]), request.saved_at < before)
                .where(request.held_until <= self._now(connection))
                .order_by(request.request_key)
                .limit(PAGE)
                .with_for_update()
            ).all()
            rows.compact(connection, {row.request_key: row.fence for row in finished})
            return len(finished)

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
            migrations.ensure_schema(self._engine)
            self._has_schema = True

    def _now(self, connection: Connection) -> float:
        clock = CLOCKS.get(connection.dialect.name)
        return self._clock() if clock is None else float(connection.execute(clock).scalar_one())
