# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from airflow_provider_genesys.simulator import Simulator

from .conftest import Caller

Simulate = Callable[..., Simulator]
Calling = Callable[..., Caller]


@pytest.mark.parametrize(("point", "jobs_while_held"), [("submit:before", 0), ("submit:after", 1)])
def test_a_submission_is_held_before_or_after_its_job_exists(
    simulate: Simulate, calling: Calling, point: str, jobs_while_held: int
) -> None:
    simulator = simulate()
    caller = calling(simulator)
    simulator.hold(point)
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(caller.submit)
        simulator.wait_until_held(5)
        assert len(simulator.jobs) == jobs_while_held
        assert not answer.done()
        simulator.release()
        assert answer.result(5).status_code == 202
    assert len(simulator.jobs) == 1


def test_only_the_nth_request_is_held(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    caller = calling(simulator)
    simulator.hold("poll", 3)
    with ThreadPoolExecutor() as threads:
        assert [caller.poll("x").status_code for _ in range(2)] == [404, 404]
        third = threads.submit(caller.poll, "x")
        simulator.wait_until_held(5)
        assert Caller(simulator.url).poll("x").status_code == 404, "the fourth passes"
        simulator.release()
        assert third.result(5).status_code == 404


def test_a_recording_is_held_half_sent(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    detail = calling(simulator).export()["jobDetails"][0]
    simulator.hold("recording")
    with requests.get(detail["url"], stream=True) as answer:
        half = answer.raw.read(detail["sizeBytes"] // 2)
        simulator.wait_until_held(5)
        assert simulator.stats.completed == {}
        simulator.release()
        rest = answer.raw.read()
    assert half + rest == requests.get(detail["url"]).content
    assert simulator.stats.completed == {detail["id"]: 2}


def test_a_manifest_is_held(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    job = calling(simulator).export()
    simulator.hold("manifest")
    with requests.get(job["url"], stream=True) as answer:
        simulator.wait_until_held(5)
        simulator.release()
        assert answer.json()["total"] == 7


def test_a_client_that_gives_up_while_held_breaks_nothing(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(calls_per_day=1, large_recordings={"2024-05-01/0": 50_000_000})
    caller = calling(simulator)
    simulator.hold("submit:after")
    with pytest.raises(requests.ReadTimeout):
        caller.submit(timeout=0.2)
    simulator.wait_until_held(1)
    simulator.release()
    detail = caller.poll(simulator.jobs[0].job_id).json()["jobDetails"][0]
    simulator.hold("recording")
    with requests.get(detail["url"], stream=True) as answer:
        answer.raw.read(24_950_000)  # what is left must fit into the buffers of a busy machine
        simulator.wait_until_held(5)
    simulator.release()
    assert len(requests.get(detail["url"]).content) == 50_000_000
    assert simulator.stats.completed == {detail["id"]: 1}


def test_a_client_that_dies_before_its_submission_has_submitted_nothing(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    caller = calling(simulator)
    simulator.hold("submit:before")
    with pytest.raises(requests.ReadTimeout):
        caller.submit(timeout=0.2)
    simulator.wait_until_held(1)
    caller.session.close()
    simulator.release()
    assert caller.submit().status_code == 202
    assert len(simulator.jobs) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v2/recording/batchrequests", {"batchDownloadRequestList": [{"conversationId": "a"}]}),
        (
            "/api/v2/recording/jobs",
            {
                "action": "EXPORT",
                "actionAge": 1,
                "integrationId": "simulated-integration",
                "conversationQuery": {"interval": "2024-05-01T00:00:00Z/2024-05-02T00:00:00Z"},
            },
        ),
    ],
)
def test_submissions_to_the_published_api_are_held_alike(
    simulate: Simulate, calling: Calling, path: str, body: dict[str, object]
) -> None:
    simulator = simulate()
    caller = calling(simulator)
    for point, there in (("submit:before", 0), ("submit:after", 1)):
        simulator.hold(point)
        with pytest.raises(requests.ReadTimeout):
            caller.session.post(f"{caller.url}{path}", json=body, timeout=0.2)
        simulator.wait_until_held(5)
        caller.session.close()
        simulator.release()
        assert caller.volume().status_code == 200
        assert simulator.stats.batches + simulator.stats.bulk_jobs == there


INTERVAL = "2024-05-01T00:00:00Z/2024-05-02T00:00:00Z"


@pytest.mark.parametrize("path", ["query", "jobs"])
def test_a_search_is_held_before_it_begins(simulate: Simulate, calling: Calling, path: str) -> None:
    simulator = simulate()
    caller = calling(simulator)
    simulator.hold("search")
    with ThreadPoolExecutor() as threads:
        url = f"{caller.url}/api/v2/analytics/conversations/details/{path}"
        answer = threads.submit(caller.session.post, url, json={"interval": INTERVAL})
        simulator.wait_until_held(5)
        assert not answer.done()
        simulator.release()
        assert answer.result(5).ok


def test_an_execution_is_held_before_or_after_it(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(bulk_pending_seconds=0)
    caller = calling(simulator)
    body = {
        "action": "EXPORT",
        "actionAge": 1,
        "integrationId": "simulated-integration",
        "conversationQuery": {"interval": INTERVAL},
    }
    job = caller.post("/api/v2/recording/jobs", body).json()
    for point, is_executed in (("execute:before", False), ("execute:after", True)):
        simulator.hold(point)
        with pytest.raises(requests.ReadTimeout):
            caller.session.put(
                f"{caller.url}/api/v2/recording/jobs/{job['id']}", json={"state": "PROCESSING"}, timeout=0.2
            )
        simulator.wait_until_held(5)
        caller.session.close()
        simulator.release()
        assert caller.volume().status_code == 200
        assert (simulator.bulk_jobs[0].executed_at is not None) is is_executed


def test_a_transcoding_is_held_before_it_begins(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(transcode_seconds=0)
    caller = calling(simulator)
    simulator.hold("transcoding")
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(caller.get, "/api/v2/conversations/nobodys/recordings", formatId="MP3")
        simulator.wait_until_held(5)
        simulator.release()
        assert answer.result(5).status_code == 404


def test_holds_are_steered_over_http(simulate: Simulate) -> None:
    simulator = simulate()
    control = f"{simulator.url}/_simulator"
    caller = Caller(simulator.url)
    assert requests.post(f"{control}/hold", json={"point": "poll", "nth": 1}).status_code == 200
    assert requests.get(f"{control}/held").json() == {"held": False, "points": []}
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(caller.poll, "x")
        simulator.wait_until_held(5)
        assert requests.get(f"{control}/held").json() == {"held": True, "points": ["poll"]}
        assert requests.post(f"{control}/release").status_code == 200
        assert answer.result(5).status_code == 404


@pytest.mark.parametrize("order", [{"point": "lunch"}, {"point": "poll", "nth": 0}, {}, [], "poll"])
def test_a_wrong_hold_is_refused(simulate: Simulate, order: object) -> None:
    answer = requests.post(f"{simulate().url}/_simulator/hold", json=order)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_release_disarms(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    simulator.hold("poll")
    simulator.release()
    assert calling(simulator).poll("x", timeout=2).status_code == 404


def test_waiting_for_nobody_ends(simulate: Simulate) -> None:
    with pytest.raises(TimeoutError, match="no request was held"):
        simulate().wait_until_held(0.05)


def test_a_simulator_stops_at_once_with_somebody_held(calling: Calling) -> None:
    with ThreadPoolExecutor() as threads:
        with Simulator() as simulator:
            caller = calling(simulator)
            simulator.hold("poll")
            threads.submit(caller.poll, "x")
            simulator.wait_until_held(5)
            began = time.perf_counter()
        assert time.perf_counter() - began < 2
