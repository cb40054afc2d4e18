# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from airflow_provider_genesys.simulator import Simulator, Universe
from airflow_provider_genesys.versions import IS_AIRFLOW_3
from tests.cli.conftest import CONNECTION, Desk, run
from tests.rig import SECRET

JUNE = ("--from", "2024-06-01", "--to", "2024-07-01")


@pytest.fixture
def simulator(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    with Simulator(Universe(clients={"client": SECRET}, calls_per_day=100)) as running:
        organisation = {**CONNECTION, "host": running.url}
        monkeypatch.setenv("AIRFLOW_CONN_GENESYS_DEFAULT", json.dumps(organisation))
        yield running


def test_a_month_is_estimated_by_few_requests(desk: Desk, simulator: Simulator) -> None:
    found = desk.type("estimate", *JUNE, "-o", "json").json
    assert (found["days"], found["recordings"], found["windows"], found["jobs"]) == (30, 3000, 30, 30)
    assert found["bytes"] == 3_000_000_000
    assert found["asked"] == 1
    assert dict(simulator.stats.requests) == {"token": 1, "volume": 1}


def test_nothing_is_submitted_and_nothing_is_remembered(desk: Desk, simulator: Simulator) -> None:
    desk.type("estimate", *JUNE)
    assert simulator.stats.jobs == 0
    assert list(desk.ledger.entries()) == []


def test_its_requests_are_reserved(desk: Desk, simulator: Simulator) -> None:
    (found,) = {desk.type("estimate", *JUNE, "-o", "json").json["organisation"]}
    assert desk.ledger.spent(found, "requests") == 1


def test_a_smaller_limit_makes_more_windows(desk: Desk, simulator: Simulator) -> None:
    found = desk.type("estimate", *JUNE, "--max-recordings-per-job", "50", "-o", "json").json
    assert found["windows"] == 30 * 4
    assert found["days_counted"] == 30


def test_the_ledger_teaches_what_jobs_take(desk: Desk, simulator: Simulator) -> None:
    assumed = desk.type("estimate", *JUNE, "-o", "json").json
    assert assumed["assumptions"]["seconds_per_recording_from"] == "assumption"
    for _ in range(5):
        desk.ledger.record_duration(assumed["organisation"], 100, 1000.0)
    learned = desk.type("estimate", *JUNE, "-o", "json").json
    assert learned["assumptions"]["seconds_per_recording_from"] == "ledger"
    assert learned["seconds"] > assumed["seconds"]
    said = desk.type("estimate", *JUNE, "--seconds-per-recording", "0.06", "-o", "json").json
    assert said["assumptions"]["seconds_per_recording_from"] == "assumption"


def test_people_get_a_table(desk: Desk, simulator: Simulator) -> None:
    answer = desk.type("estimate", *JUNE)
    assert answer.code == 0
    assert ["windows", "30"] in answer.rows
    assert "assumed" in answer.out


def test_another_api_can_be_estimated(desk: Desk, simulator: Simulator) -> None:
    found = desk.type("estimate", *JUNE, "--export-api", "batch", "-o", "json").json
    assert (found["export_api"], found["jobs"]) == ("batch", 30)


@pytest.mark.skipif(not IS_AIRFLOW_3, reason="Airflow 2 takes no commands from providers")
def test_airflow_has_the_command_too(desk: Desk, simulator: Simulator) -> None:
    done = run("genesys", "estimate", *JUNE, "-o", "json", module="airflow")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == desk.type("estimate", *JUNE, "-o", "json").json
    table = run("genesys", "estimate", *JUNE, module="airflow")
    assert ["windows", "30"] in [line.split() for line in table.stdout.splitlines()]
    refused = run("genesys", "estimate", "--from", "2024-06-01", "--to", "2999-01-01", module="airflow")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "not over yet" in refused.stderr


def test_a_range_that_is_not_over_is_refused(desk: Desk, simulator: Simulator) -> None:
    answer = desk.type("estimate", "--from", "2024-06-01", "--to", "2999-01-01")
    assert answer.code == 1
    assert "not over yet" in answer.err
