# SPDX-License-Identifier: Apache-2.0
"""What is particular to SQL: kills, lost connections, locks, clocks, forks."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine, make_url

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.errors import LeaseLost, Passing
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.ledger.engines import ledger_engine, shared_engine
from airflow_provider_genesys.ledger.sql import SqlLedger
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

REQUEST = ExportRequest(
    Organisation("api.mypurecloud.com", "client"),
    ExportWindow.parse({"start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"}),
    "mp3",
)
JOBS = (Attempt(0, 0, AttemptStatus.FAILED, "job 0"), Attempt(1, 0, AttemptStatus.SUBMITTED, "job 1"))


@pytest.fixture
def engine(sql_address: str) -> Engine:
    return ledger_engine(sql_address)


@pytest.fixture
def ledger(engine: Engine) -> SqlLedger:
    return SqlLedger(engine)


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_statement(beginning: str, engine: Engine) -> None:
    """Be killed as soon as the database has executed such a statement."""

    @event.listens_for(engine, "after_cursor_execute")
    def _after(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(beginning):
            die()


def run_and_be_killed(work: Callable[[], Any]) -> None:
    """Run ``work`` in a forked process, which must not come to its end."""
    process = get_context("fork").Process(target=work)
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("statement", ["UPDATE genesys_request", "INSERT INTO genesys_attempt"])
def test_a_process_killed_inside_a_save_leaves_the_entry_as_it_was(sql_address: str, statement: str) -> None:
    ledger = SqlLedger(ledger_engine(sql_address))
    entry = ledger.acquire(REQUEST, "ann", 1000.0)
    before = ledger.entry(REQUEST.key)

    def save() -> None:
        engine = ledger_engine(sql_address)
        die_at_statement(statement, engine)
        SqlLedger(engine).save(entry.lease, replace(entry, state=RequestState.FAILED, attempts=JOBS))

    run_and_be_killed(save)
    assert ledger.entry(REQUEST.key) == before
    assert ledger.find(str(REQUEST.organisation), "job 0") is None
    began = time.monotonic()
    assert ledger.acquire(REQUEST, "ann", 1000.0).lease is not None
    assert time.monotonic() - began < 5, "the killed process's locks are gone"


def test_a_process_killed_while_it_claims_a_request_leaves_no_trace(sql_address: str) -> None:
    ledger = SqlLedger(ledger_engine(sql_address))
    assert ledger.entry(REQUEST.key) is None

    def acquire() -> None:
        engine = ledger_engine(sql_address)
        die_at_statement("INSERT INTO genesys_request", engine)
        SqlLedger(engine).acquire(REQUEST, "ann", 1000.0)

    run_and_be_killed(acquire)
    assert ledger.entry(REQUEST.key) is None
    assert ledger.acquire(REQUEST, "bob", 1000.0).lease is not None


def test_a_claim_and_a_job_outlive_the_process_that_was_killed_right_after(sql_address: str) -> None:
    def submit() -> None:
        ledger = SqlLedger(ledger_engine(sql_address))
        entry = ledger.acquire(REQUEST, "ann", 1000.0)
        ledger.save(entry.lease, replace(entry, attempts=JOBS), exclusive=True)
        die()

    run_and_be_killed(submit)
    entry = SqlLedger(ledger_engine(sql_address)).acquire(REQUEST, "ann", 1000.0)
    assert (entry.lease, entry.held_by, entry.attempts) == (None, "ann", JOBS)


def test_a_ledger_may_be_carried_over_a_fork(ledger: SqlLedger) -> None:
    ledger.acquire(REQUEST, "ann", 1000.0)

    def work_on() -> None:
        for _ in range(20):
            ledger.acquire(REQUEST, "ann", 1000.0)

    children = [get_context("fork").Process(target=work_on) for _ in range(2)]
    for child in children:
        child.start()
    work_on()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    assert ledger.acquire(REQUEST, "ann", 1000.0).lease.fence == 1 + 3 * 20 + 1


def test_a_ledger_may_be_shared_by_threads(ledger: SqlLedger) -> None:
    fences: list[int] = []

    def work() -> None:
        fences.extend(ledger.acquire(REQUEST, "ann", 1000.0).lease.fence for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(fences) == list(range(1, 41))


def test_a_reader_sees_no_half_of_a_save(sql_address: str) -> None:
    """State and attempts are saved together; a reader in between sees both or neither."""
    ledger = SqlLedger(ledger_engine(sql_address))
    entry = ledger.acquire(REQUEST, "ann", 1000.0)
    torn: list[Entry] = []
    ended = threading.Event()

    def read() -> None:
        reader = SqlLedger(ledger_engine(sql_address))
        while not ended.is_set():
            read = reader.entry(REQUEST.key)
            if read is not None and read.generation != len(read.attempts):
                torn.append(read)

    thread = threading.Thread(target=read)
    thread.start()
    for generation in range(1, 40):
        attempts = (*entry.attempts, Attempt(0, generation, AttemptStatus.SUBMITTED))
        entry = ledger.save(entry.lease, replace(entry, generation=generation, attempts=attempts))
    ended.set()
    thread.join(60)
    assert torn == []


# -- faults that pass ------------------------------------------------------------------------------------------------


@contextmanager
def commit_answers_lost(engine: Engine, times: int) -> Iterator[list[int]]:
    """Let commits happen and their answers be lost: a moment too short to be hit with a real server."""
    commit, lost = engine.dialect.do_commit, list[int]()

    def commit_without_answer(connection: Any) -> None:
        commit(connection)
        if len(lost) < times:
            lost.append(1)
            raise engine.dialect.loaded_dbapi.OperationalError("server closed the connection unexpectedly")

    engine.dialect.do_commit = commit_without_answer  # type: ignore[method-assign]
    if not hasattr(type(engine.dialect), "loaded_dbapi"):  # SQLAlchemy 1.4
        engine.dialect.loaded_dbapi = engine.dialect.dbapi
    yield lost
    del engine.dialect.do_commit


def test_a_claim_whose_commit_was_not_answered_is_the_claimants(ledger: SqlLedger, engine: Engine) -> None:
    ledger.entry(REQUEST.key)
    with commit_answers_lost(engine, 1) as lost:
        lease = ledger.acquire(REQUEST, "ann", 1000.0).lease
    assert lost
    assert lease.fence == 2
    assert ledger.renew(lease).fence == 2
    assert ledger.acquire(REQUEST, "bob", 1000.0).lease is None


def test_a_save_whose_commit_was_not_answered_is_there_once(ledger: SqlLedger, engine: Engine) -> None:
    entry = ledger.acquire(REQUEST, "ann", 1000.0)
    with commit_answers_lost(engine, 2) as lost:
        saved = ledger.save(entry.lease, replace(entry, attempts=JOBS), exclusive=True)
    assert len(lost) == 2
    assert saved.attempts == JOBS
    assert ledger.entry(REQUEST.key) == replace(saved, lease=None)
    assert ledger.acquire(REQUEST, "ann", 1000.0).lease is None


def test_a_reservation_whose_commit_was_not_answered_never_grants_more(sql_address: str) -> None:
    engine = ledger_engine(sql_address)
    ledger = SqlLedger(engine, span=1000.0)
    ledger.entry(REQUEST.key)
    with commit_answers_lost(engine, 1) as lost:
        assert ledger.reserve("organisation", "polls", 3).granted
    assert lost
    assert [ledger.reserve("organisation", "polls", 3).granted for _ in range(2)] == [True, False]


def test_an_idle_connection_that_the_server_ended_is_made_again(sql_address: str) -> None:
    engine = ledger_engine(sql_address)
    ledger = SqlLedger(engine)
    ledger.entry(REQUEST.key)
    for kept in connections_kept(engine):
        kept.close()
    assert ledger.acquire(REQUEST, "ann", 1000.0).lease is not None


def test_a_process_keeps_two_connections_at_most(postgres_ledger: tuple[SqlLedger, Engine]) -> None:
    ledger, engine = postgres_ledger
    threads = [threading.Thread(target=ledger.entry, args=[REQUEST.key]) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert 1 <= len(connections_kept(engine)) <= 2


def test_a_process_has_one_engine_for_a_database(tmp_path: Path) -> None:
    url = make_url(f"sqlite:///{tmp_path}/ledger.db")
    assert shared_engine(url) is shared_engine(make_url(str(url)))


def connections_kept(engine: Engine) -> list[Any]:
    """The sockets' owners that wait in an engine's pool."""
    waiting = getattr(engine.pool, "_pool", None)
    return [record.dbapi_connection for record in list(waiting.queue)] if waiting is not None else []


def test_a_connection_that_mysql_kills_in_mid_transaction_is_made_again(mariadb: MariadbServer) -> None:
    engine = ledger_engine(mariadb.create_database("ledger_sql"))
    ledger = SqlLedger(engine)
    entry = ledger.acquire(REQUEST, "ann", 1000.0)
    ended: list[int] = []

    @event.listens_for(engine, "after_cursor_execute")
    def _end_connection(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE genesys_request") and not ended:
            ended.append(connection.connection.dbapi_connection.thread_id())
            mariadb.execute(f"KILL CONNECTION {ended[0]}")

    saved = ledger.save(entry.lease, replace(entry, attempts=JOBS))
    assert ended
    assert ledger.entry(REQUEST.key) == replace(saved, lease=None)


def test_what_mysql_is_told_of_a_session(mariadb: MariadbServer) -> None:
    with ledger_engine(mariadb.create_database("ledger_sql")).connect() as connection:
        told = connection.exec_driver_sql(
            "SELECT @@time_zone, @@sql_mode, @@innodb_lock_wait_timeout, @@wait_timeout, @@idle_transaction_timeout,"
            " @@tx_isolation"
        ).one()
    assert tuple(told) == ("+00:00", "STRICT_ALL_TABLES", 10, 60, 30, "READ-COMMITTED")


def test_what_postgresql_is_told_of_a_session(postgres_ledger: tuple[SqlLedger, Engine]) -> None:
    _, engine = postgres_ledger
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW idle_session_timeout").scalar() == "1min"


@pytest.fixture
def postgres_ledger(postgres: PostgresServer) -> tuple[SqlLedger, Engine]:
    engine = ledger_engine(postgres.create_database("ledger_sql"))
    return SqlLedger(engine), engine


def test_a_connection_that_the_server_ends_in_mid_transaction_is_made_again(
    postgres_ledger: tuple[SqlLedger, Engine], postgres: PostgresServer
) -> None:
    ledger, engine = postgres_ledger
    entry = ledger.acquire(REQUEST, "ann", 1000.0)
    ended: list[int] = []

    @event.listens_for(engine, "after_cursor_execute")
    def _end_connection(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE genesys_request") and not ended:
            ended.append(connection.connection.dbapi_connection.info.backend_pid)
            with closing(postgres.connect()) as other, other.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", (ended[0],))

    saved = ledger.save(entry.lease, replace(entry, attempts=JOBS))
    assert ended
    assert ledger.entry(REQUEST.key) == replace(saved, lease=None)


def test_a_server_that_stays_away_is_a_passing_fault_without_secrets(postgres: PostgresServer) -> None:
    url = f"postgresql://somebody:top-secret@127.0.0.1:{postgres.port}/ledger"
    with pytest.raises(Passing) as fault:
        SqlLedger(ledger_engine(url)).acquire(REQUEST, "ann", 100.0)
    told = str(fault.value)
    assert "'acquire'" in told
    assert not any(word in told for word in ("top-secret", "somebody", "127.0.0.1", "postgresql:"))
    assert "top-secret" not in repr(fault.value.__cause__) + str(fault.value.__cause__)


def test_a_client_that_vanishes_in_mid_transaction_does_not_keep_its_lock(
    postgres_ledger: tuple[SqlLedger, Engine], postgres: PostgresServer
) -> None:
    """Its transaction waits idle in the server, which has to end it."""
    ledger, engine = postgres_ledger
    ledger.acquire(REQUEST, "ann", 0.0)
    settings: list[tuple[str, str]] = []

    @event.listens_for(engine, "commit")
    def _ask(connection: Any) -> None:
        for name in ("lock_timeout", "idle_in_transaction_session_timeout"):
            settings.append((name, connection.exec_driver_sql(f"SHOW {name}").scalar()))

    ledger.acquire(REQUEST, "ann", 0.0)
    assert settings == [("lock_timeout", "10s"), ("idle_in_transaction_session_timeout", "30s")]


def test_the_servers_clock_is_read_after_the_lock_was_waited_for(
    postgres_ledger: tuple[SqlLedger, Engine], postgres: PostgresServer
) -> None:
    ledger, engine = postgres_ledger
    ledger.acquire(REQUEST, "ann", 0.0)
    with closing(psycopg2.connect(engine.url.set(drivername="postgresql").render_as_string(False))) as other:
        other.cursor().execute("SELECT 1 FROM genesys_request FOR UPDATE")
        let_go = threading.Timer(0.5, other.rollback)
        let_go.start()
        before = ledger.now()
        lease = ledger.acquire(REQUEST, "ann", 100.0).lease
        let_go.join()
    assert lease.until >= before + 100.4


def test_a_save_waits_for_an_acquisition_that_is_under_way_and_is_refused(
    postgres_ledger: tuple[SqlLedger, Engine],
) -> None:
    ledger, engine = postgres_ledger
    entry = ledger.acquire(REQUEST, "ann", 0.0)
    with closing(psycopg2.connect(engine.url.set(drivername="postgresql").render_as_string(False))) as other:
        other.cursor().execute("UPDATE genesys_request SET fence = fence + 1, held_by = 'bob'")
        commit = threading.Timer(0.5, other.commit)
        commit.start()
        with pytest.raises(LeaseLost, match="by bob"):
            ledger.save(entry.lease, replace(entry, error="too late", attempts=JOBS))
        commit.join()
    assert ledger.entry(REQUEST.key) == replace(entry, lease=None, held_by="", held_until=0.0)


# -- SQLite ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def test_a_locked_file_is_waited_for(file: Path) -> None:
    ledger = SqlLedger(ledger_engine(f"sqlite:///{file}"))
    ledger.acquire(REQUEST, "ann", 0.0)
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        let_go = threading.Timer(0.5, other.rollback)
        let_go.start()
        assert ledger.acquire(REQUEST, "bob", 100.0).lease is not None
        let_go.join()


def test_a_file_that_stays_locked_is_a_passing_fault(file: Path) -> None:
    SqlLedger(ledger_engine(f"sqlite:///{file}")).acquire(REQUEST, "ann", 0.0)
    impatient = SqlLedger(ledger_engine(f"sqlite:///{file}?timeout=0.01"))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert impatient.entry(REQUEST.key) is not None, "readers are not kept out"
        with pytest.raises(Passing, match=r"'acquire' .*database is locked"):
            impatient.acquire(REQUEST, "bob", 100.0)


def test_leases_follow_the_clock_that_is_given(file: Path) -> None:
    times = iter([1000.0, 1009.0, 1010.0])
    ledger = SqlLedger(ledger_engine(f"sqlite:///{file}"), clock=lambda: next(times))
    lease = ledger.acquire(REQUEST, "ann", 10.0).lease
    assert lease.until == 1010.0
    assert ledger.acquire(REQUEST, "bob", 10.0).lease is None
    assert ledger.acquire(REQUEST, "bob", 10.0).lease is not None


def test_a_minute_of_polls_is_a_minute_and_two_seconds(file: Path) -> None:
    now = [1_714_564_800.0]
    ledger = SqlLedger(ledger_engine(f"sqlite:///{file}"), clock=lambda: now[0])
    assert [ledger.reserve("organisation", "polls", 20).granted for _ in range(21)] == [True] * 20 + [False]
    now[0] += 60.5
    assert ledger.reserve("organisation", "polls", 20).wait == pytest.approx(1.5)
    now[0] += 1.5
    assert ledger.reserve("organisation", "polls", 20).granted


def test_whoever_lost_a_lease_is_told_by_whom_even_after_they_left(ledger: SqlLedger) -> None:
    lost = ledger.acquire(REQUEST, "ann", 0.0).lease
    ledger.release(ledger.acquire(REQUEST, "bob", 100.0).lease)
    with pytest.raises(LeaseLost, match="another process, which has left again"):
        ledger.renew(lost)
