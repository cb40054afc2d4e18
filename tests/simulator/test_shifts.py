# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from airflow_provider_genesys.simulator import Fault, Simulator

from .conftest import DAY, Caller, Clock

Simulate = Callable[..., Simulator]
Calling = Callable[..., Caller]
PATH = "/api/v2/workforcemanagement/shiftexports"


def submit(caller: Caller) -> requests.Response:
    return caller.session.post(f"{caller.url}{PATH}", json=DAY)


def look(caller: Caller, job_id: str) -> requests.Response:
    return caller.session.get(f"{caller.url}{PATH}/{job_id}")


def test_an_export_is_made_and_completes(simulate: Simulate, calling: Calling, clock: Clock) -> None:
    simulator = simulate(volumes={"2024-05-01": 7}, job_seconds=10)
    caller = calling(simulator)
    answer = submit(caller)
    assert (answer.status_code, answer.json()["status"]) == (202, "submitted")
    job_id = answer.json()["id"]
    assert look(caller, job_id).json() == {"id": job_id, "status": "submitted", "shifts": None, "error": None}
    clock.tick(10)
    assert look(caller, job_id).json() == {"id": job_id, "status": "completed", "shifts": 7, "error": None}
    assert simulator.stats.requests == {"token": 1, "shifts_submit": 1, "shifts_poll": 2}


def test_each_submission_is_another_export(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate())
    assert submit(caller).json()["id"] != submit(caller).json()["id"]


def test_it_fails_with_words(simulate: Simulate, calling: Calling, clock: Clock) -> None:
    caller = calling(simulate(job_seconds=10, faults=(Fault("failed_jobs", message="no such week"),)))
    job_id = submit(caller).json()["id"]
    clock.tick(10)
    assert look(caller, job_id).json() == {"id": job_id, "status": "failed", "shifts": None, "error": "no such week"}


def test_its_answer_can_be_lost(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(faults=(Fault("submit_lost"),))
    with pytest.raises(requests.exceptions.ConnectionError):
        submit(calling(simulator))
    assert simulator.stats.jobs == 1


def test_an_export_of_recordings_is_none_of_shifts(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate())
    assert look(caller, caller.submit().json()["id"]).status_code == 404
    assert look(caller, "no-such-export").status_code == 404


def test_it_wants_dates(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate())
    assert caller.session.post(f"{caller.url}{PATH}", json={}).status_code == 400
