# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
import requests

from airflow_provider_genesys.simulator import Fault, Simulator
from airflow_provider_genesys.simulator.times import to_iso
from airflow_provider_genesys.simulator.universe import AGENT_IDS, QUEUE_IDS

from .conftest import DAY, Caller, Clock

Simulate = Callable[..., Simulator]
Calling = Callable[..., Caller]


def assert_error_body(answer: requests.Response, status: int, code: str) -> str:
    body = answer.json()
    assert answer.status_code == body["status"] == status
    assert body["code"] == code
    assert str(UUID(body["contextId"])) == answer.headers["ININ-Correlation-Id"]
    assert body["details"] == body["errors"] == []
    return str(body["message"])


def test_a_token_is_given_for_the_right_secret_and_form_only(simulate: Simulate) -> None:
    url = f"{simulate(clients={'id': 'secret'}).url}/oauth/token"
    grant = {"grant_type": "client_credentials"}
    given = requests.post(url, auth=("id", "secret"), data=grant)
    assert given.status_code == 200
    assert given.json()["token_type"] == "bearer"
    assert given.json()["expires_in"] == 86_400
    assert len(given.json()["access_token"]) > 40
    for auth in (("id", "wrong"), ("nobody", "secret"), None):
        refused = requests.post(url, auth=auth, data=grant)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        assert refused.json()["description"]
    assert requests.post(url, auth=("id", "secret"), data={"grant_type": "password"}).status_code == 400


def test_the_api_wants_a_living_token(simulate: Simulate, calling: Calling, clock: Clock) -> None:
    simulator = simulate(token_seconds=60)
    caller = calling(simulator)
    assert_error_body(requests.get(f"{simulator.url}/api/v2/recordings", params=DAY), 401, "bad.credentials")
    assert caller.volume().status_code == 200
    clock.tick(60)
    assert_error_body(caller.volume(), 401, "bad.credentials")


def test_an_unknown_path_and_an_unknown_job_are_not_found(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate())
    assert_error_body(caller.session.get(f"{caller.url}/api/v2/recording/nothing"), 404, "not.found")
    assert "no-such-job" in assert_error_body(caller.poll("no-such-job"), 404, "not.found")


@pytest.mark.parametrize(("apis", "guide", "published"), [(["guide"], 200, 404), (["platform"], 404, 200)])
def test_an_organisation_can_have_either_api_alone(
    simulate: Simulate, calling: Calling, apis: list[str], guide: int, published: int
) -> None:
    caller = calling(simulate(apis=apis))
    assert caller.volume().status_code == guide
    assert caller.get("/api/v2/recording/settings").status_code == published


def test_the_volume_of_a_window_is_its_total(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(volumes={"2024-05-01": 2000}))
    page = caller.volume().json()
    assert (page["total"], page["pageSize"], page["pageNumber"], page["pageCount"]) == (2000, 1, 1, 2000)
    assert len(page["entities"]) == 1
    assert caller.volume(dateTo="2024-05-01T11:59:59.999Z").json()["total"] == 1000
    assert caller.volume(dateTo="2024-05-02T23:59:59.999Z").json()["total"] == 2007


def test_pages_of_recordings_do_not_overlap(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate())
    pages = [caller.volume(pageSize=3, pageNumber=number).json()["entities"] for number in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert len({entity["id"] for page in pages for entity in page}) == 7


def test_filters_by_queue_and_agent_hold_for_volume_and_job_alike(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(calls_per_day=40))
    for wish in ({"queueId": QUEUE_IDS[0]}, {"queueId": list(QUEUE_IDS[:2])}, {"agentId": AGENT_IDS[4]}):
        total = caller.volume(**wish).json()["total"]
        job = caller.export(**wish)
        assert 0 < total < 40
        assert job["totalRecordings"] == len(job["jobDetails"]) == total
    assert caller.export(queueId="nobody")["jobDetails"] == []


def test_unknown_filters_are_accepted_ignored_and_kept(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    assert len(calling(simulator).export(divisionId="north")["jobDetails"]) == 7
    assert simulator.jobs[0].filter["divisionId"] == "north"


def test_date_to_is_included_to_the_millisecond(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    caller = calling(simulator)
    start = caller.volume().json()["entities"][0]["startTime"]
    assert caller.volume(dateTo=start).json()["total"] == 1
    before = to_iso(round(datetime.fromisoformat(start).timestamp() * 1000) - 1)
    assert caller.volume(dateTo=before).json()["total"] == 0


def test_times_with_another_offset_mean_the_same_window(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(calls_per_day=100))
    here = caller.volume(dateFrom="2024-05-01T06:00:00.000Z").json()["total"]
    assert caller.volume(dateFrom="2024-05-01T08:00:00+02:00").json()["total"] == here < 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": None}, 'type must be "export"'),
        ({"type": "import"}, "not 'import'"),
        ({"filter": None}, "filter must be an object"),
        ({"filter": {"dateFrom": DAY["dateFrom"]}}, "dateTo is required"),
        ({"filter": {"dateTo": DAY["dateTo"]}}, "dateFrom is required"),
        ({"filter": {**DAY, "dateTo": "soon"}}, "dateTo must be an ISO 8601 time"),
        ({"filter": {**DAY, "dateTo": "2024-05-02T00:00:00"}}, "has no offset from UTC"),
        ({"filter": {**DAY, "dateFrom": "0001-01-01T00:00:00Z"}}, "outside the years 1970 to 2199"),
        ({"filter": {**DAY, "dateTo": "2024-04-30T00:00:00Z"}}, "dateTo must not be before dateFrom"),
        ({"filter": {**DAY, "queueId": 7}}, "queueId must be an id"),
        ({"jobDetails": None}, "jobDetails must be a list"),
        ({"jobDetails": []}, "jobDetails must be a list"),
        ({"jobDetails": [{"format": "mp3"}]}, 'type must be "recording"'),
        ({"jobDetails": [{"type": "recording", "format": "flac"}]}, "not 'flac'"),
    ],
)
def test_a_wrong_submission_is_refused_with_a_telling_message(
    simulate: Simulate, calling: Calling, change: dict[str, Any], message: str
) -> None:
    simulator = simulate()
    order = {"type": "export", "filter": DAY, "jobDetails": [{"type": "recording", "format": "mp3"}], **change}
    answer = calling(simulator).session.post(f"{simulator.url}/api/v2/recordings/jobs", json=order)
    assert message in assert_error_body(answer, 400, "bad.request")
    assert simulator.jobs == ()


@pytest.mark.parametrize("body", ["{", "[]", "7"])
def test_a_submission_that_is_no_json_object_is_refused(simulate: Simulate, calling: Calling, body: str) -> None:
    simulator = simulate()
    answer = calling(simulator).session.post(f"{simulator.url}/api/v2/recordings/jobs", data=body)
    assert_error_body(answer, 400, "bad.request")


def test_a_job_is_submitted_then_processing_then_completed(simulate: Simulate, calling: Calling, clock: Clock) -> None:
    caller = calling(simulate(job_seconds=100))
    accepted = caller.submit()
    assert accepted.status_code == 202
    assert accepted.json()["status"] == "submitted"
    assert accepted.json()["id"] == accepted.json()["jobId"]
    assert accepted.json()["url"] is None
    seen = []
    for _ in range(3):
        job = caller.poll(accepted.json()["jobId"]).json()
        seen.append((job["status"], job["url"] is None, job["expiresAt"] is None, len(job["jobDetails"])))
        clock.tick(50)
    assert seen == [("submitted", True, True, 0), ("processing", True, True, 0), ("completed", False, False, 7)]


def test_a_completed_job_lists_its_recordings_and_says_until_when(
    simulate: Simulate, calling: Calling, clock: Clock
) -> None:
    job = calling(simulate(url_seconds=600)).export()
    assert job["id"] == job["jobId"]
    assert (job["dateFrom"], job["dateTo"]) == (DAY["dateFrom"], DAY["dateTo"])
    assert datetime.fromisoformat(job["expiresAt"]).timestamp() == clock.now + 600
    assert job["expiresAt"].endswith("Z")
    assert job["totalRecordings"] == 7
    for detail in job["jobDetails"]:
        assert (detail["type"], detail["format"], detail["status"]) == ("recording", "mp3", "completed")
        assert "X-Amz-Signature=" in detail["url"]
        assert detail["sizeBytes"] > 0
        assert UUID(detail["id"])
        assert UUID(detail["conversationId"])


def test_the_same_payload_twice_is_two_jobs(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate()
    caller = calling(simulator)
    assert caller.submit().json()["jobId"] != caller.submit().json()["jobId"]
    assert [job.attempt for job in simulator.jobs] == [0, 1]


@pytest.mark.parametrize(
    "settings", [{"record_limit": 6}, {"max_window_days": 1, "volumes": {"2024-05-01": 1, "2024-05-02": 1}}]
)
def test_a_job_that_is_too_large_fails_without_a_word(
    simulate: Simulate, calling: Calling, clock: Clock, settings: dict[str, Any]
) -> None:
    caller = calling(simulate(silent_failure_seconds=48 * 3600, token_seconds=1e6, **settings))
    job_id = caller.submit(dateTo="2024-05-02T23:59:59.999Z").json()["jobId"]
    clock.tick(47 * 3600)
    assert caller.poll(job_id).json()["status"] == "processing"
    clock.tick(3600)
    job = caller.poll(job_id).json()
    assert job["status"] == "failed"
    assert "error" not in job
    assert job["url"] is None
    assert job["jobDetails"] == []


def test_a_job_of_exactly_the_limit_completes(simulate: Simulate, calling: Calling) -> None:
    assert calling(simulate(record_limit=7)).export()["status"] == "completed"


@pytest.mark.parametrize("budget", ["requests_per_minute", "polls_per_minute"])
def test_a_budget_is_exact_over_sixty_seconds(simulate: Simulate, calling: Calling, clock: Clock, budget: str) -> None:
    simulator = simulate(**{budget: 3})
    caller = calling(simulator)
    for _ in range(3):
        assert caller.poll("x").status_code == 404
        clock.tick(10)
    refused = caller.poll("x")
    assert "[30] seconds" in assert_error_body(refused, 429, "too.many.requests")
    assert refused.headers["Retry-After"] == refused.headers["inin-ratelimit-reset"] == "30"
    assert refused.headers["inin-ratelimit-allowed"] == "3"
    assert int(refused.headers["inin-ratelimit-count"]) > 3
    clock.tick(29)
    assert caller.poll("x").status_code == 429
    clock.tick(1)
    assert caller.poll("x").status_code == 404
    assert caller.poll("x").status_code == 429
    assert simulator.stats.rate_limited == 3


def test_the_polls_budget_leaves_other_requests_and_other_clients_alone(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(polls_per_minute=1, clients={"a": "1", "b": "2"})
    first, second = calling(simulator, "a", "1"), calling(simulator, "b", "2")
    assert [first.poll("x").status_code, first.poll("x").status_code] == [404, 429]
    assert first.volume().status_code == 200
    assert second.poll("x").status_code == 404


def test_no_budget_no_limit(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(requests_per_minute=None, polls_per_minute=None))
    assert {caller.poll("x").status_code for _ in range(60)} == {404}


def test_five_thousand_recordings_are_listed_quickly(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(calls_per_day=5000))
    job_id = caller.submit().json()["jobId"]
    took = []
    for _ in range(3):
        began = time.process_time()
        job = caller.poll(job_id).json()
        took.append(time.process_time() - began)
        assert len(job["jobDetails"]) == 5000
    assert min(took) < 0.3


def test_the_volume_of_a_day_of_a_million_comes_quickly(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(calls_per_day=1_000_000))
    began = time.process_time()
    totals = [caller.volume(dateFrom=f"2024-05-01T{hour:02}:00:00Z").json()["total"] for hour in range(24)]
    assert totals[0] == 1_000_000
    assert totals == sorted(totals, reverse=True)
    assert time.process_time() - began < 2


def test_calls_that_come_late_are_counted_and_listed_once_they_are_there(
    simulate: Simulate, calling: Calling, clock: Clock
) -> None:
    simulator = simulate(calls_per_day=12)
    caller = calling(simulator)
    simulator.faults = [Fault("late_recordings", every=5, until=clock.now + 60)]
    before, job_id = caller.volume().json()["total"], caller.submit().json()["jobId"]
    early = {detail["id"] for detail in caller.poll(job_id).json()["jobDetails"]}
    assert (before, len(early)) == (10, 10)
    assert simulator.universe.call(19_844, 4).recording_id not in early
    clock.tick(60)
    assert caller.volume().json()["total"] == 12
    assert len(caller.poll(job_id).json()["jobDetails"]) == 10, "a job lists what was there when it was submitted"
    assert len(caller.export()["jobDetails"]) == 12
