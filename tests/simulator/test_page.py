# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import requests

from airflow_provider_genesys.simulator import Simulator
from airflow_provider_genesys.simulator.page import COLUMNS
from tests.simulator.conftest import DAY, Caller, Clock
from tests.simulator.platform.worlds import conversations_of

Simulate = Callable[..., Simulator]
Calling = Callable[..., Caller]


def rows(simulator: Simulator) -> dict[str, dict[str, str]]:
    """The page's rows by their anchors, cells by their columns."""
    page = requests.get(f"{simulator.url}/_simulator/jobs.html")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    found = {}
    for anchor, row in re.findall(r'<tr id="([^"]*)">(.*?)</tr>', page.text):
        cells = [unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", row)]
        found[unescape(anchor)] = dict(zip(COLUMNS, cells, strict=True))
    return found


def test_jobs_of_every_api_have_a_row_under_their_id(simulate: Simulate, calling: Calling, clock: Clock) -> None:
    simulator = simulate(calls_per_day=5, job_seconds=60, batch_seconds=60)
    caller = calling(simulator)
    job_id = caller.submit().json()["jobId"]
    asked: list[Any] = [{"conversationId": one.conversation_id} for one in conversations_of(simulator, 2)]
    batch_id = caller.post("/api/v2/recording/batchrequests", {"batchDownloadRequestList": asked}).json()["id"]
    interval = f"{DAY['dateFrom']}/{DAY['dateTo']}"
    bulk = {
        "action": "EXPORT",
        "actionDate": "2024-05-03T00:00:00.000Z",
        "integrationId": "simulated-integration",
        "conversationQuery": {"interval": interval},
    }
    bulk_id = caller.post("/api/v2/recording/jobs", bulk).json()["id"]

    found = rows(simulator)
    assert {anchor: (row["API"], row["Status"]) for anchor, row in found.items()} == {
        job_id: ("guide", "submitted"),
        batch_id: ("batch", "InProgress"),
        bulk_id: ("bulk", "PENDING"),
    }
    assert all(row["Job"] == anchor and row["Client"] == "demo" for anchor, row in found.items())
    assert DAY["dateFrom"] in found[job_id]["Asked for"]
    assert found[batch_id]["Asked for"] == "2 conversations"
    assert interval in found[bulk_id]["Asked for"]

    clock.tick(61)
    found = rows(simulator)
    assert (found[job_id]["Status"], found[job_id]["Recordings"]) == ("completed", "5")
    assert found[batch_id]["Status"] == "Completed"


def test_what_a_client_has_sent_is_text_and_no_presigned_url_is_shown(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(calls_per_day=1)
    calling(simulator).submit(note="<script>alert(1)</script>")
    page = requests.get(f"{simulator.url}/_simulator/jobs.html").text
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not [secret for kind in simulator.issued.values() for secret in kind if secret != "demo" and secret in page]
