# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from airflow_provider_genesys.simulator import Fault, Simulator

from .conftest import DAY, Caller

Simulate = Callable[..., Simulator]
Calling = Callable[..., Caller]


def control(simulator: Simulator, what: str) -> Any:
    return requests.get(f"{simulator.url}/_simulator/{what}").json()


def steer(simulator: Simulator, what: str, order: Any = None) -> requests.Response:
    return requests.post(f"{simulator.url}/_simulator/{what}", json=order)


def test_stats_count_each_route(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    caller = calling(simulator)
    caller.volume()
    job = caller.export()
    requests.get(job["url"])
    for _ in range(2):
        requests.get(job["jobDetails"][0]["url"])
    stats = control(simulator, "stats")
    assert stats["requests"] == {"token": 1, "volume": 1, "submit": 1, "poll": 1, "manifest": 1, "recording": 2}
    assert stats["begun"] == stats["completed"] == {job["jobDetails"][0]["id"]: 2}
    assert (stats["jobs"], stats["rate_limited"], stats["authorization_on_storage"]) == (1, 0, 0)
    assert stats["requests"] == simulator.stats.requests


def test_jobs_are_listed(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    job_id = calling(simulator).submit(team="red").json()["jobId"]
    (job,) = control(simulator, "jobs")
    assert (job["job_id"], job["client"], job["status"], job["attempt"]) == (job_id, "demo", "completed", 0)
    assert (job["dateFrom"], job["dateTo"]) == (DAY["dateFrom"], DAY["dateTo"])
    assert job["filter"] == {**DAY, "team": "red"}


def test_everything_secret_that_was_issued_is_known_even_after_a_reset(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(clients={"a": "s3cret"})
    caller = calling(simulator, "a", "s3cret")
    job = caller.export()
    urls = [job["url"], *(detail["url"] for detail in job["jobDetails"])]
    steer(simulator, "reset")
    issued = control(simulator, "issued")
    assert issued["tokens"] == [str(caller.session.headers["Authorization"]).removeprefix("Bearer ")]
    assert issued["client_secrets"] == ["s3cret"]
    assert issued["signatures"] == [url.rpartition("X-Amz-Signature=")[2] for url in urls]
    assert issued == simulator.issued


def test_faults_can_be_changed_while_it_runs(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    caller = calling(simulator)
    assert steer(simulator, "faults", [{"kind": "forbidden", "times": None}]).status_code == 200
    assert caller.volume().status_code == 403
    simulator.faults = [Fault("server_errors", times=None)]
    assert caller.volume().status_code == 503
    assert steer(simulator, "faults", []).status_code == 200
    assert caller.volume().status_code == 200


@pytest.mark.parametrize("faults", [[{"kind": "gremlins"}], {"kind": "forbidden"}, [7]])
def test_wrong_faults_are_refused_and_change_nothing(simulate: Simulate, calling: Calling, faults: Any) -> None:
    simulator = simulate(faults=[Fault("forbidden", times=None)])
    answer = steer(simulator, "faults", faults)
    assert answer.status_code == 400
    assert "fault" in answer.json()["error"]
    assert calling(simulator).volume().status_code == 403


def test_a_job_keeps_the_faults_of_its_submission(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(faults=[Fault("null_urls")])
    caller = calling(simulator)
    job_id = caller.submit().json()["jobId"]
    simulator.faults = []
    assert all(detail["url"] is None for detail in caller.poll(job_id).json()["jobDetails"])


def test_reset_forgets_jobs_counts_and_faults_and_leaves_tokens(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(faults=[Fault("failed_jobs", times=None)], polls_per_minute=1)
    caller = calling(simulator)
    job = caller.export()
    steer(simulator, "reset")
    assert simulator.jobs == ()
    assert simulator.faults == ()
    assert control(simulator, "stats")["requests"] == {}
    assert caller.poll(job["id"]).status_code == 404
    simulator.reset()
    assert caller.export()["status"] == "completed"


def test_stats_stay_readable_after_the_end() -> None:
    with Simulator() as simulator:
        requests.get(f"{simulator.url}/api/v2/recordings")
    assert simulator.stats.requests == {"volume": 1}
    assert simulator.jobs == ()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{simulator.url}/_simulator/stats")


def test_two_simulators_side_by_side_are_two_worlds(simulate: Simulate, calling: Calling) -> None:
    first, second = simulate(), simulate(calls_per_day=3)
    assert first.url != second.url
    assert len(calling(first).export()["jobDetails"]) == 7
    assert len(calling(second).export()["jobDetails"]) == 3
    assert len(first.jobs) == len(second.jobs) == 1


def test_a_taken_port_is_an_error(simulate: Simulate) -> None:
    port = int(simulate().url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        Simulator(port=port).start()
