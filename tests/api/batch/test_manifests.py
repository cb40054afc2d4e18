# SPDX-License-Identifier: Apache-2.0
"""What analytics knows of each recording."""

from __future__ import annotations

from datetime import datetime

import pytest

from airflow_provider_genesys.simulator import Fault
from tests.api.batch.world import DAY, Build, exported, parts_of


def test_a_manifest_says_what_analytics_knows_of_each_recording(batch: Build) -> None:
    api, simulator = batch(calls_per_day=30)
    (part,) = parts_of(api)
    job = exported(api, part)
    manifest = api.manifest(part, job)
    assert (manifest["jobId"], manifest["total"]) == (job.job_id, len(job.recordings))
    assert [one["id"] for one in manifest["recordings"]] == [recording.recording_id for recording in job.recordings]
    calls = {call.conversation_id: call for call in simulator.universe.calls(_ms(DAY.start), _ms(DAY.end))}
    for entry in manifest["recordings"]:
        call = calls[entry["conversationId"]]
        assert (entry["agentId"], entry["agentName"]) == (call.agent_id, call.agent_name)
        assert (entry["queueId"], entry["queueName"]) == (call.queue_id, call.queue_name)
        assert entry["direction"] == call.direction
        assert datetime.fromisoformat(entry["startTime"]).timestamp() * 1000 == call.start_ms
        assert entry["disposition"] == entry["wrapUpCodes"][-1]
        assert entry["divisionIds"]
        assert entry["durationMs"] >= call.duration_ms
    assert any(len(entry["agents"]) == 2 for entry in manifest["recordings"])


@pytest.mark.parametrize(("include_numbers", "digits"), [(False, 2), (True, 11)])
def test_numbers_are_masked_unless_they_are_wanted(batch: Build, include_numbers: bool, digits: int) -> None:
    api, _ = batch(include_numbers, calls_per_day=9)
    (part,) = parts_of(api)
    for entry in api.manifest(part, exported(api, part))["recordings"]:
        for number in (entry["ani"], entry["dnis"]):
            assert number.startswith("tel:+")
            assert sum(one.isdigit() for one in number) == digits


def test_names_are_looked_up_once(batch: Build) -> None:
    api, simulator = batch(calls_per_day=250)
    for part in parts_of(api):
        api.manifest(part, exported(api, part))
    requests = simulator.stats.requests
    assert (requests["queues"], requests["users"], requests["details_query"]) == (1, 1, 3)


def test_a_manifest_does_without_names_that_may_not_be_read(batch: Build) -> None:
    faults = [Fault("forbidden", route=route, times=None) for route in ("queues", "users")]
    api, simulator = batch(calls_per_day=250, faults=faults)
    for part in parts_of(api):
        manifest = api.manifest(part, exported(api, part))
        assert all(entry["queueId"] and entry["queueName"] is None for entry in manifest["recordings"])
    assert (simulator.stats.requests["queues"], simulator.stats.requests["users"]) == (1, 1)


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)
