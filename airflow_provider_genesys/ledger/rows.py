# SPDX-License-Identifier: Apache-2.0
"""Reading, locking and writing the rows of an entry; each function works inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Table, and_, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Connection, Row
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import Select

from airflow_provider_genesys.export.entry import Attempt, Entry, Lease, RequestState
from airflow_provider_genesys.ledger import schema
from airflow_provider_genesys.ledger.documents import (
    NO_CONVERSATIONS,
    STANDING_FIELDS,
    Document,
    attempt_document,
    attempt_of,
    organisation_of,
    window_document,
)
from airflow_provider_genesys.ledger.holding import check, entry_with_holder

Values = Mapping[str, Any]


def _ignoring_duplicates_on_mysql(table: Table, values: Values) -> Insert:
    """INSERT IGNORE would lock a duplicate for reading only, and two who then lock it for writing are a deadlock."""
    key = next(iter(table.primary_key.columns))
    return mysql.insert(table).values(values).on_duplicate_key_update({key.name: key})


_INSERT_IF_MISSING: dict[str, Callable[[Table, Values], Insert]] = {
    "sqlite": lambda table, values: sqlite.insert(table).values(values).on_conflict_do_nothing(),
    "postgresql": lambda table, values: postgresql.insert(table).values(values).on_conflict_do_nothing(),
    "mysql": _ignoring_duplicates_on_mysql,
}


def locked(connection: Connection, table: Table, identity: Values) -> Row[Any] | None:
    """Lock the row of this identity, if there is one."""
    return connection.execute(select(table).where(*equal(table, identity)).with_for_update()).first()


def locked_or_new(connection: Connection, table: Table, identity: Values, new: Values) -> Row[Any]:
    """Lock the row of this identity, having inserted it as ``new`` where there was none."""
    row = locked(connection, table, identity)
    while row is None:
        # Another process that is first is waited for.
        connection.execute(_INSERT_IF_MISSING[connection.dialect.name](table, new))
        row = locked(connection, table, identity)
    return row


def put(connection: Connection, table: Table, identity: Values, values: Values) -> None:
    """Insert the row of this identity, or update it."""
    locked_or_new(connection, table, identity, {**identity, **values})
    write(connection, table, identity, values)


def write(connection: Connection, table: Table, identity: Values, values: Values) -> None:
    """Update the row of this identity."""
    connection.execute(update(table).where(*equal(table, identity)).values(values))


def held_by(connection: Connection, lease: Lease) -> Document:
    """Lock the request's row for the holder of its newest lease.

    :raises LeaseLost: where another acquisition has come since.
    """
    row = locked(connection, schema.request, {"request_key": lease.key})
    return check(None if row is None else dict(row._mapping), lease)


def save_request(connection: Connection, key: str, values: Values) -> None:
    write(connection, schema.request, {"request_key": key}, values)


def attempts_of(connection: Connection, key: str) -> dict[tuple[int, int], Attempt]:
    """The attempts of a request whose row is locked, by generation and number."""
    attempt = schema.attempt
    found = connection.execute(select(attempt).where(attempt.c.request_key == key))
    return {(row.generation, row.number): attempt_of(dict(row._mapping)) for row in found}


def save_attempts(connection: Connection, entry: Entry) -> Collection[Attempt]:
    """Insert or update the entry's attempts; one that the entry leaves out stays: it is history.

    :return: all of them, as they are stored.
    """
    key, organisation = entry.request.key, str(entry.request.organisation)
    known = attempts_of(connection, key)
    for attempt in entry.attempts:
        place, document = (attempt.generation, attempt.number), attempt_document(attempt)
        if place not in known:
            new = {"request_key": key, "organisation": organisation, **document}
            connection.execute(insert(schema.attempt).values(new))
        elif known[place] != attempt:
            identity = {"request_key": key, "generation": attempt.generation, "number": attempt.number}
            write(connection, schema.attempt, identity, document)
        known[place] = attempt_of(document)
    return known.values()


def remove(connection: Connection, fences: Mapping[str, int]) -> None:
    """Remove locked requests with their attempts and standings; their fences stay.

    :param fences: by request key.
    """
    for table in (schema.fence, schema.standing, schema.attempt, schema.request):
        connection.execute(delete(table).where(table.c.request_key.in_(fences)))
    if fences:
        connection.execute(
            insert(schema.fence), [{"request_key": key, "fence": fence} for key, fence in fences.items()]
        )


def compact(connection: Connection, fences: Mapping[str, int]) -> None:
    """Remove locked requests with their attempts; fences and standings stay.

    :param fences: by request key.
    """
    kept = standings(connection, schema.request.c.request_key.in_(fences))
    remove(connection, fences)
    if kept:
        connection.execute(insert(schema.standing), kept)


def standings(connection: Connection, which: ColumnElement[bool]) -> list[dict[str, Any]]:
    """The standings of saved requests for whole windows, in no order.

    :param which: a condition for ``genesys_request``.
    """
    request, attempt = schema.request, schema.attempt
    attempts = select(func.count()).where(attempt.c.request_key == request.c.request_key).scalar_subquery()
    columns = [attempts.label(name) if name == "attempts" else request.c[name] for name in STANDING_FIELDS]
    is_whole = or_(request.c.conversations.is_(None), request.c.conversations == NO_CONVERSATIONS)
    return _documents(connection, select(*columns).where(which, is_whole, request.c.saved_at.is_not(None)))


def standings_between(connection: Connection, since: str, until: str) -> list[dict[str, Any]]:
    """The standings of windows that start in ``[since, until)``, in no order, compacted ones included."""
    compacted, request = schema.standing, schema.request
    before = _documents(connection, select(compacted).where(_starts(compacted, since, until)))
    # What came back since it was compacted stands as it does now.
    by_key = {each["request_key"]: each for each in (*before, *standings(connection, _starts(request, since, until)))}
    return list(by_key.values())


def _documents(connection: Connection, statement: Select[Any]) -> list[dict[str, Any]]:
    """Rows as documents; thousands at a time, so that their names are asked for once."""
    found = connection.execute(statement)
    names = tuple(found.keys())
    return [dict(zip(names, row, strict=True)) for row in found]


def _starts(table: Table, since: str, until: str) -> ColumnElement[bool]:
    return and_(table.c.window_start >= since, table.c.window_start < until)


def last_fence(connection: Connection, key: str) -> int:
    """The last fence of a request that was forgotten, or 0."""
    fence = schema.fence
    return connection.execute(select(fence.c.fence).where(fence.c.request_key == key)).scalar() or 0


def first_entry(connection: Connection, which: ColumnElement[bool], now: float) -> Entry | None:
    return next(entries(connection, [which], now, limit=1), None)


def entries(connection: Connection, which: Sequence[ColumnElement[bool]], now: float, *, limit: int) -> Iterator[Entry]:
    """Read requests by window, each with its attempts, by one statement, so that no save can come in between."""
    request, attempt = schema.request, schema.attempt
    page = (
        select(request)
        .where(*which)
        .order_by(request.c.window_start, request.c.window_end, request.c.request_key)
        .limit(limit)
        .subquery()
    )
    rows = connection.execute(
        select(page, attempt)
        .select_from(page.outerjoin(attempt, attempt.c.request_key == page.c.request_key))
        .order_by(page.c.window_start, page.c.window_end, page.c.request_key)
    )
    for _, joined in groupby(rows.all(), key=lambda row: row._mapping[page.c.request_key]):
        of_one = list(joined)
        attempts = [{column.name: row._mapping[column] for column in attempt.c} for row in of_one]
        yield entry_with_holder(
            {column.name: of_one[0]._mapping[column] for column in page.c},
            [attempt_of(document) for document in attempts if document["number"] is not None],
            now,
        )


def selected(
    after: Entry | None, organisation: str | None, states: Collection[RequestState]
) -> list[ColumnElement[bool]]:
    """The conditions for the entries that come after one, of an organisation, in some states."""
    request = schema.request.c
    which: list[ColumnElement[bool]] = []
    if after is not None:
        window = window_document(after.request.window)
        place = (window["window_start"], window["window_end"], after.request.key)
        which.append(tuple_(request.window_start, request.window_end, request.request_key) > tuple_(*place))
    if organisation is not None:
        asked = organisation_of(organisation)
        which.append(and_(request.host == asked.host, request.client_id == asked.client_id))
    if states:
        which.append(request.state.in_([state.value for state in states]))
    return which


def equal(table: Table, values: Values) -> list[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in values.items()]
