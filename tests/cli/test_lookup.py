# SPDX-License-Identifier: Apache-2.0
"""Connections as a command finds them, in a process of its own, as it is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_genesys.versions import IS_AIRFLOW_3
from airflow_provider_genesys.wiring import ledger
from tests.cli.conftest import CONNECTION, ORGANISATION, Desk, run


def test_a_connection_comes_from_the_environment(desk: Desk) -> None:
    key = desk.put(1).request.key
    done = run("windows", "-o", "json")
    assert (done.returncode, [line["key"] for line in json.loads(done.stdout)]) == (0, [key])


@pytest.mark.skipif(not IS_AIRFLOW_3, reason="Airflow 2 takes no commands from providers")
def test_airflow_has_the_commands_too(desk: Desk) -> None:
    key = desk.put(1).request.key
    done = run("genesys", "windows", "-o", "json", module="airflow")
    assert (done.returncode, [line["key"] for line in json.loads(done.stdout)]) == (0, [key])
    missing = run("genesys", "show", "no-such-job", module="airflow")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert run("genesys", "show", module="airflow").returncode == 2


def test_a_connection_comes_from_the_metadata_database(migrated_airflow: None, tmp_path: Path) -> None:
    """Where Airflow 3's hooks, outside of a task, would not look."""
    stored = {**CONNECTION, "conn_type": "genesys"}
    added = run("connections", "add", "stored_organisation", "--conn-json", json.dumps(stored), module="airflow")
    assert added.returncode == 0, added.stderr
    ledger_conn = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")})
    done = run(
        "budget", "--genesys-conn-id", "stored_organisation", "-o", "json", AIRFLOW_CONN_GENESYS_LEDGER=ledger_conn
    )
    assert done.returncode == 0, done.stderr
    assert [(each["organisation"], each["left"]) for each in json.loads(done.stdout)] == [
        (str(ORGANISATION), 200),
        (str(ORGANISATION), 10),
    ]


def test_without_a_connection_it_is_the_file_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    none = run("windows")
    assert (none.returncode, none.stdout) == (1, "")
    assert "'genesys_ledger' is not defined" in none.stderr
    assert f"nor is there a ledger at {tmp_path}/genesys_ledger.db" in none.stderr
    assert not (tmp_path / "genesys_ledger.db").exists()
    ledger().now()
    assert list(ledger().entries()) == []
    found = run("windows")
    assert (found.returncode, found.stdout) == (0, "No windows.\n")
    assert f"this is the ledger at {tmp_path}/genesys_ledger.db" in found.stderr


@pytest.mark.parametrize("words", [("windows", "--ledger-conn-id", "other"), ("budget", "--genesys-conn-id", "other")])
def test_a_connection_that_is_nowhere_is_named_with_where_it_was_sought(desk: Desk, words: tuple[str, ...]) -> None:
    answer = desk.type(*words)
    assert (answer.code, answer.out) == (1, "")
    assert "'other' is not defined in the environment, in a secrets backend or in the metadata" in answer.err
    assert "AIRFLOW_CONN_OTHER" in answer.err
