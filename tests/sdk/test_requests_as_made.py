# SPDX-License-Identifier: Apache-2.0
"""What ``api/`` really sends to the published API, from a day's volume to its manifest, is what the SDK allows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from airflow_provider_genesys.api.batch import BatchApi
from airflow_provider_genesys.api.bulk import BulkApi
from airflow_provider_genesys.api.client import ClientSettings, GenesysClient
from airflow_provider_genesys.api.hosts import resolve_hosts
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.simulator import Fault, Simulator
from airflow_provider_genesys.simulator.conversations import DIVISION_IDS
from airflow_provider_genesys.simulator.universe import AGENT_IDS, QUEUE_IDS
from tests.sdk.operations import operation, problems

CALLS = {
    ("POST", "/api/v2/analytics/conversations/details/query"),
    ("POST", "/api/v2/analytics/conversations/details/jobs"),
    ("GET", "/api/v2/analytics/conversations/details/jobs/{}"),
    ("GET", "/api/v2/analytics/conversations/details/jobs/{}/results"),
    ("GET", "/api/v2/analytics/conversations/details/jobs/availability"),
    ("POST", "/api/v2/recording/batchrequests"),
    ("GET", "/api/v2/recording/batchrequests/{}"),
    ("GET", "/api/v2/recording/settings"),
    ("GET", "/api/v2/conversations/{}/recordings"),
    ("GET", "/api/v2/routing/queues"),
    ("GET", "/api/v2/users"),
    ("POST", "/api/v2/recording/jobs"),
    ("GET", "/api/v2/recording/jobs"),
    ("GET", "/api/v2/recording/jobs/{}"),
    ("PUT", "/api/v2/recording/jobs/{}"),
    ("DELETE", "/api/v2/recording/jobs/{}"),
    ("GET", "/api/v2/recording/jobs/{}/failedrecordings"),
    ("GET", "/api/v2/conversations/{}/recordingmetadata"),
    ("GET", "/api/v2/integrations/{}"),
    ("GET", "/api/v2/oauth/clients/{}"),
    ("GET", "/api/v2/authorization/roles/{}"),
}


@pytest.fixture
def made(simulator: Simulator) -> list[requests.PreparedRequest]:
    """Every request of a day by each route, with every filter, of a recent day and an old one."""
    seen: list[requests.PreparedRequest] = []
    simulator.faults = [Fault("failed_exports", every=5, times=None)]
    client = GenesysClient(ClientSettings(resolve_hosts(simulator.url), "demo", "demo"))
    client._session.hooks["response"].append(lambda response, **_: seen.append(response.request))
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    recent = ExportWindow(midnight - timedelta(days=1), midnight)
    old = ExportWindow(midnight - timedelta(days=101), midnight - timedelta(days=100))
    filters = {
        "queueId": list(QUEUE_IDS),
        "userId": list(AGENT_IDS),
        "divisionId": list(DIVISION_IDS),
        "direction": ["inbound", "outbound"],
        "minDurationSeconds": 1,
    }
    organisation = Organisation("localhost", "demo")
    everything = ("audio", "chat", "email", "message", "screen")
    for asked in (
        ExportRequest(organisation, recent, "original", filters, everything),
        ExportRequest(organisation, old, "original"),
        ExportRequest(organisation, recent, "wav"),
    ):
        api = BatchApi(client)
        assert api.volume(asked) > 0
        part = replace(asked, conversations=api.parts(asked)[0])
        job = api.job(part, api.submit(part))
        assert api.manifest(part, job)["recordings"]
    api.answers(organisation)
    del filters["minDurationSeconds"]
    export(
        BulkApi(client, simulator.universe.integration),
        ExportRequest(organisation, old, "original", filters, everything),
    )
    return [request for request in seen if "/oauth/token" not in str(request.url)]


def export(api: BulkApi, asked: ExportRequest) -> None:
    """Every request of a bulk job, of one that is only rehearsed, and of one that is looked for."""
    api.discard(api.rehearse(asked))
    job_id = api.submit(asked)
    assert api.orphan(asked, []) == job_id
    assert list(api.ready()) == [job_id]
    api.start(job_id)
    job = api.job(asked, job_id)
    delivery = api.delivery(asked, job)
    assert delivery.failed
    assert api.absent(asked, delivery, delivery.own[:1])
    assert api.manifest(asked, job)["conversations"] == list(delivery.own)
    api.answers(asked.organisation)


def test_every_request_that_is_made_is_one_of_the_platforms(made: list[requests.PreparedRequest]) -> None:
    seen = set()
    for request in made:
        method, path = str(request.method), urlsplit(str(request.url)).path
        known = operation(method, path)
        seen.add(next((call for call in CALLS if operation(call[0], call[1].replace("{}", "x")) == known), path))
        assert set(parse_qs(urlsplit(str(request.url)).query)) <= known.queries
        body: Any = None if request.body is None else json.loads(request.body)
        assert (body is None) == (known.body is None)
        if known.body is not None:
            assert list(problems(body, known.body)) == [], f"{method} {path}"
    assert seen == CALLS
