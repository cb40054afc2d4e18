# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.ledger.engines import ledger_engine, ledger_url, writing
from tests.servers.postgres import PostgresServer


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_a_postgresql_url_gets_a_driver_that_is_installed(scheme: str) -> None:
    url = ledger_url(f"{scheme}://user:p%40ss@db.example.com:5433/ledger?sslmode=require")
    assert url.drivername == "postgresql+psycopg2"
    assert (url.username, url.password, url.host, url.port) == ("user", "p@ss", "db.example.com", 5433)
    assert (url.database, url.query["sslmode"]) == ("ledger", "require")


def test_a_url_that_was_read_is_read_again_as_it_is() -> None:
    url = ledger_url("postgres://user:secret@host/ledger")
    assert ledger_url(url) == url


def test_a_urls_repr_hides_the_password() -> None:
    assert "secret" not in repr(ledger_url("postgresql://user:secret@host/ledger"))
    assert "secret" not in repr(ledger_engine("postgresql://user:secret@host/ledger"))


@pytest.mark.parametrize(
    "url",
    [
        "user:secret@host",
        "postgresql://user:secret@host:port/ledger",
        "oracle://user:secret@host/ledger",
        "postgresql+asyncpg://user:secret@host/ledger",
        "",
    ],
)
def test_a_url_that_is_none_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ledger_url(url)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file::memory:?uri=true"])
def test_a_ledger_in_memory_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="is a file"):
        ledger_url(url)


def test_a_sqlite_path_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert ledger_url("sqlite:///ledger.db").database == f"{tmp_path}/ledger.db"
    assert ledger_url("sqlite:///~/ledger.db").database == "/home/somebody/ledger.db"
    assert ledger_url("sqlite:////var/lib/ledger.db").database == "/var/lib/ledger.db"


def test_a_sqlite_engine_waits_for_locks_and_writes_ahead(tmp_path: Path) -> None:
    engine = ledger_engine(f"sqlite:///{tmp_path}/a/new/directory/ledger.db")
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 1, "busy_timeout": 30_000}


def test_only_transactions_that_write_lock_a_sqlite_file(tmp_path: Path) -> None:
    engine = ledger_engine(f"sqlite:///{tmp_path}/ledger.db?timeout=0")
    with writing(engine).begin(), engine.connect() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
        with pytest.raises(Exception, match="database is locked"), writing(engine).begin():
            pass


def test_a_postgresql_session_is_as_the_ledger_needs_it(postgres: PostgresServer) -> None:
    url = postgres.create_database("ledger_engines")
    with postgres.connect().cursor() as cursor:
        cursor.execute("ALTER DATABASE ledger_engines SET default_transaction_isolation TO 'serializable'")
    with ledger_engine(url).connect() as connection:
        shown = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("transaction_isolation", "application_name")
        }
    assert shown == {"transaction_isolation": "read committed", "application_name": "genesys_ledger"}


def test_what_a_url_says_wins_over_our_defaults(postgres: PostgresServer) -> None:
    url = make_url(postgres.url()).update_query_dict({"application_name": "archive"})
    with ledger_engine(url).connect() as connection:
        assert connection.exec_driver_sql("SHOW application_name").scalar() == "archive"
