# SPDX-License-Identifier: Apache-2.0
"""Every answer of the simulator is one that the SDK's models describe: every key, every type, every enumeration."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_genesys.simulator import Fault, Simulator
from airflow_provider_genesys.simulator.platform import routes
from tests.sdk.operations import nameless, operation, operations, problems
from tests.simulator.conftest import Caller
from tests.simulator.platform.worlds import DAY, conversations_of

ANALYTICS = "/api/v2/analytics/conversations/details"
BATCHES, JOBS = "/api/v2/recording/batchrequests", "/api/v2/recording/jobs"
EXPORT = {
    "action": "EXPORT",
    "actionDate": "2024-05-02T00:00:00.000Z",
    "integrationId": "simulated-integration",
    "conversationQuery": {"interval": DAY, "startOfDayIntervalMatching": True},
}
Ask = Callable[..., Any]


@pytest.fixture
def ask(simulator: Simulator) -> Ask:
    """Make a request, hold its answer against the SDK's model, and return it."""
    caller = Caller(simulator.url)

    def ask(method: str, path: str, body: Any = None, status: int = 200, **query: Any) -> Any:
        answer = caller.session.request(method, simulator.url + path, json=body, params=query)
        assert answer.status_code == status, answer.text
        known = operation(method, path)
        assert set(query) <= known.queries
        if answer.content:
            kind = known.answer if status < 300 else "ErrorBody"
            assert kind is not None
            assert list(problems(answer.json(), kind)) == []
            return answer.json()
        return None

    return ask


def test_every_route_is_an_operation_of_the_platform(simulator: Simulator) -> None:
    from aiohttp import web

    app = web.Application()
    routes.add_routes(app)
    ours = {
        (route.method, nameless(route.resource.canonical))
        for route in app.router.routes()
        if route.resource is not None and route.resource.canonical.startswith("/api/")
    }
    assert len(ours) > 25
    assert ours <= operations().keys()


def test_analytics(ask: Ask) -> None:
    page = ask("POST", f"{ANALYTICS}/query", {"interval": DAY, "paging": {"pageSize": 100, "pageNumber": 1}})
    assert len(page["conversations"]) == 60
    job = ask("POST", f"{ANALYTICS}/jobs", {"interval": DAY, "startOfDayIntervalMatching": True}, 202)
    assert ask("GET", f"{ANALYTICS}/jobs/{job['jobId']}")["state"] == "FULFILLED"
    results = ask("GET", f"{ANALYTICS}/jobs/{job['jobId']}/results", pageSize=7)
    assert results["cursor"]
    assert ask("GET", f"{ANALYTICS}/jobs/{job['jobId']}/results", cursor=results["cursor"])["conversations"]
    assert ask("GET", f"{ANALYTICS}/jobs/availability")


def test_a_failed_details_job(ask: Ask, simulator: Simulator) -> None:
    simulator.faults = [Fault("failed_details")]
    job = ask("POST", f"{ANALYTICS}/jobs", {"interval": DAY}, 202)
    assert ask("GET", f"{ANALYTICS}/jobs/{job['jobId']}")["errorMessage"]


def test_batches(ask: Ask, simulator: Simulator) -> None:
    simulator.faults = [Fault("archived_media", every=5)]
    order = [{"conversationId": each.conversation_id} for each in conversations_of(simulator)]
    batch = ask("POST", BATCHES, {"batchDownloadRequestList": order})
    assert ask("GET", f"{BATCHES}/{batch['id']}")["errorCount"] > 0
    assert ask("GET", "/api/v2/recording/settings")


@pytest.mark.parametrize("kind", [None, "transcoding", "archived_media", "restoring_media", "deleted_media"])
def test_recordings_of_a_conversation(ask: Ask, simulator: Simulator, kind: str | None) -> None:
    simulator.faults = [Fault(kind, times=None)] if kind else []
    media = set()
    for each in conversations_of(simulator):
        path = f"/api/v2/conversations/{each.conversation_id}"
        status = 202 if kind == "transcoding" else 200
        found = ask("GET", f"{path}/recordings", None, status, formatId="MP3", maxWaitMs=1)
        assert [one["id"] for one in ask("GET", f"{path}/recordingmetadata")] == [one["id"] for one in found]
        media |= {one["media"] for one in found}
    assert media == {"audio", "screen", "chat", "email", "message"}


def test_bulk_jobs(ask: Ask, simulator: Simulator) -> None:
    simulator.faults = [Fault("failed_exports", every=5), Fault("bulk_failed", every=2)]
    job = ask("POST", JOBS, EXPORT, 202)
    ask("GET", f"{JOBS}/{ask('POST', JOBS, EXPORT, 202)['id']}")
    assert ask("GET", f"{JOBS}/{job['id']}")["state"] == "READY"
    assert ask("PUT", f"{JOBS}/{job['id']}", {"state": "PROCESSING"})
    for query in ({}, {"includeTotal": "false", "pageSize": 1}, {"state": "FULFILLED", "showOnlyMyJobs": "true"}):
        assert ask("GET", JOBS, **query)["entities"]
    assert ask("GET", f"{JOBS}/{job['id']}/failedrecordings")["entities"]
    dry = ask("POST", JOBS, EXPORT, 202)
    assert ask("DELETE", f"{JOBS}/{dry['id']}", None, 204) is None
    exported = next(each for each in conversations_of(simulator) if each.recordings)
    path = f"/api/v2/conversations/{exported.conversation_id}/recordingmetadata"
    for _ in range(200):
        if "exportedDate" in ask("GET", path)[0]:
            break
        time.sleep(0.02)
    assert ask("GET", path)[0]["exportedDate"] >= ask("GET", path)[0]["exportDate"]
    assert ask("GET", "/api/v2/recordings/retention/query", retentionThresholdDays=1)["nextUri"]


@pytest.mark.parametrize(
    "path",
    [
        *("/api/v2/routing/queues", "/api/v2/routing/wrapupcodes", "/api/v2/users", "/api/v2/integrations"),
        "/api/v2/authorization/divisions",
    ],
)
def test_directory(ask: Ask, path: str) -> None:
    listed = ask("GET", path, pageSize=2, pageNumber=1)
    if path != "/api/v2/authorization/divisions":
        assert ask("GET", f"{path}/{listed['entities'][0]['id']}") == listed["entities"][0]


def test_the_client_and_its_organisation(ask: Ask) -> None:
    client = ask("GET", "/api/v2/oauth/clients/demo")
    assert ask("GET", f"/api/v2/authorization/roles/{client['roleIds'][0]}")["permissions"]
    assert ask("GET", "/api/v2/organizations/me")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("rate_limited"), 429),
        (Fault("daily_limits"), 429),
        (Fault("forbidden"), 403),
        (Fault("server_errors"), 503),
        (Fault("revoked_token"), 401),
        (None, 404),
    ],
)
def test_errors(ask: Ask, simulator: Simulator, fault: Fault | None, status: int) -> None:
    simulator.faults = [fault] if fault else []
    error = ask("GET", f"{JOBS}/nobody", None, status)
    assert {"message", "code", "status", "messageWithParams", "messageParams", "contextId"} <= error.keys()
    assert ("limit" in error) == (status == 429)
