# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_genesys.simulator import Fault, Simulator
from tests.servers.seaweedfs import SeaweedServer
from tests.simulator.conftest import Caller, Clock
from tests.simulator.platform.worlds import DAY, conversations_of
from tests.waiting import until

Simulate = Callable[..., Simulator]
Calling = Callable[..., Caller]
PATH = "/api/v2/recording/jobs"
EXPORT: dict[str, Any] = {
    "action": "EXPORT",
    "actionDate": "2024-05-02T00:00:00.000Z",
    "integrationId": "simulated-integration",
    "conversationQuery": {"interval": DAY, "startOfDayIntervalMatching": True},
}


@pytest.fixture
def ready(simulate: Simulate, clock: Clock) -> Callable[..., Simulator]:
    """A simulator of 40 conversations on 1 May, over, whose bulk jobs take no time."""
    clock.now = 1_714_700_000.0
    quick = {"bulk_pending_seconds": 0, "bulk_processing_seconds": 0, "delivery_seconds": 0, "audio_bytes": 2_000}
    return lambda **settings: simulate(**{"calls_per_day": 36, **quick, **settings})


def create(caller: Caller, **changes: Any) -> dict[str, Any]:
    answer = caller.post(PATH, {**EXPORT, **changes})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def execute(caller: Caller, job: dict[str, Any]) -> requests.Response:
    return caller.session.put(f"{caller.url}{PATH}/{job['id']}", json={"state": "PROCESSING"})


def poll(caller: Caller, job: dict[str, Any]) -> dict[str, Any]:
    return dict(caller.get(f"{PATH}/{job['id']}").json())


def fulfilled(caller: Caller, **changes: Any) -> dict[str, Any]:
    job = create(caller, **changes)
    assert execute(caller, job).status_code == 200
    job = poll(caller, job)
    assert job["state"] == "FULFILLED"
    return job


def delivered(simulator: Simulator, job: dict[str, Any]) -> bool:
    """Wait for what happens beside the requests."""
    for _ in range(200):
        jobs = {each["id"]: each for each in requests.get(f"{simulator.url}/_simulator/bulk_jobs").json()}
        if jobs[job["id"]]["deliveredAt"] is not None:
            return True
        time.sleep(0.02)
    return False


def test_a_job_waits_to_be_executed_by_its_creator(ready: Simulate, calling: Calling, clock: Clock) -> None:
    simulator = ready(clients={"a": "1", "b": "2"}, bulk_pending_seconds=10, bulk_processing_seconds=10)
    caller, other = calling(simulator, "a", "1"), calling(simulator, "b", "2")
    job = create(caller)
    assert (job["state"], job["totalConversations"]) == ("PENDING", 0)
    assert execute(caller, job).status_code == 400
    clock.tick(3600)
    job = poll(caller, job)
    world = conversations_of(simulator)
    assert job["state"] == "READY"
    assert (job["totalConversations"], job["totalRecordings"]) == (
        len(world),
        sum(len(each.recordings) for each in world),
    )
    assert execute(other, job).status_code == 403
    assert caller.session.put(f"{caller.url}{PATH}/{job['id']}", json={"state": "READY"}).status_code == 400
    assert execute(caller, job).json()["state"] == "PROCESSING"
    clock.tick(10)
    done = poll(other, job)
    assert (done["state"], done["percentProgress"]) == ("FULFILLED", 100)
    assert done["totalProcessedRecordings"] == done["totalRecordings"] > 0
    assert execute(caller, job).status_code == 400


def test_screens_are_left_out_where_the_job_says_so(ready: Simulate, calling: Calling) -> None:
    simulator = ready()
    caller = calling(simulator)
    with_screens = poll(caller, create(caller))["totalRecordings"]
    without = poll(caller, create(caller, includeScreenRecordings=False))["totalRecordings"]
    assert with_screens - without == sum(each.shape.screen for each in conversations_of(simulator))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "DELETE"}, "action 'DELETE'"),
        ({"action": "ARCHIVE"}, "action 'ARCHIVE'"),
        ({"action": None}, "EXPORT is"),
        ({"actionAge": 1}, "actionDate or actionAge"),
        ({"integrationId": "another"}, "no active integration"),
        ({"conversationQuery": None}, "conversationQuery must be"),
        ({"conversationQuery": {}}, "interval must be"),
    ],
)
def test_what_would_destroy_or_is_incomplete_is_refused(
    ready: Simulate, calling: Calling, change: dict[str, Any], message: str
) -> None:
    simulator = ready()
    answer = calling(simulator).post(PATH, {**EXPORT, **change})
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert simulator.stats.bulk_jobs == 0
    assert simulator.stats.destructive_jobs == (change.get("action") in ("DELETE", "ARCHIVE"))


def test_an_inactive_integration_exports_nothing(ready: Simulate, calling: Calling) -> None:
    assert calling(ready(integration_active=False)).post(PATH, EXPORT).status_code == 400


def test_two_jobs_are_pending_or_processing_and_a_third_is_refused(
    ready: Simulate, calling: Calling, clock: Clock
) -> None:
    simulator = ready(bulk_pending_seconds=10, bulk_processing_seconds=10, token_seconds=1e6)
    caller = calling(simulator)
    jobs = [create(caller), create(caller)]
    refused = caller.post(PATH, EXPORT)
    assert (refused.status_code, "2 jobs" in refused.json()["message"]) == (400, True)
    clock.tick(10)
    jobs.append(create(caller))
    assert execute(caller, jobs[0]).status_code == 200
    assert execute(caller, jobs[1]).status_code == 400
    clock.tick(10)
    assert execute(caller, jobs[1]).status_code == 200
    assert simulator.stats.bulk_jobs == 3


def test_the_slots_are_shared_with_administrators(ready: Simulate, calling: Calling, clock: Clock) -> None:
    caller = calling(ready(foreign_bulk_jobs=2, foreign_bulk_seconds=100))
    assert caller.post(PATH, EXPORT).status_code == 400
    foreign = caller.get(PATH).json()["entities"]
    assert [(each["state"], each["recordingJobsQuery"]["action"]) for each in foreign] == [("PROCESSING", "DELETE")] * 2
    assert caller.get(PATH, showOnlyMyJobs="true").json()["entities"] == []
    assert caller.get(PATH, jobType="EXPORT").json()["total"] == 0
    clock.tick(100)
    assert create(caller)["state"] == "PENDING" or poll(caller, create(caller))["state"] == "READY"


def test_an_orphan_is_found_in_the_list_by_its_query(ready: Simulate, calling: Calling) -> None:
    simulator = ready(faults=[Fault("bulk_lost")])
    caller = calling(simulator)
    with pytest.raises(requests.ConnectionError):
        create(caller)
    (orphan,) = caller.get(PATH, state="READY", showOnlyMyJobs="true", jobType="EXPORT").json()["entities"]
    assert orphan["recordingJobsQuery"] == EXPORT
    assert execute(caller, orphan).status_code == 200
    assert caller.get(PATH, state="NEW").status_code == 400


def test_jobs_are_listed_by_number_and_by_cursor(ready: Simulate, calling: Calling) -> None:
    caller = calling(ready())
    ids = [create(caller)["id"] for _ in range(5)]
    by_number = [caller.get(PATH, pageSize=2, pageNumber=page).json() for page in (1, 2, 3)]
    assert [each["id"] for page in by_number for each in page["entities"]] == ids
    page = caller.get(PATH, pageSize=2, includeTotal="false").json()
    found = list(page["entities"])
    assert "total" not in page
    while "nextUri" in page:
        page = caller.get(page["nextUri"]).json()
        found += page["entities"]
    assert [each["id"] for each in found] == ids


def test_a_ready_job_that_is_deleted_has_done_nothing(ready: Simulate, calling: Calling) -> None:
    caller = calling(ready())
    job = create(caller)
    assert poll(caller, job)["totalRecordings"] > 0
    assert caller.session.delete(f"{caller.url}{PATH}/{job['id']}").status_code == 204
    assert poll(caller, job)["state"] == "CANCELLED"
    assert execute(caller, job).status_code == 400
    done = fulfilled(caller)
    assert done["totalSkippedRecordings"] == 0
    assert caller.session.delete(f"{caller.url}{PATH}/{done['id']}").status_code == 400


def test_what_was_exported_before_is_skipped_for_ever(ready: Simulate, calling: Calling) -> None:
    caller = calling(ready())
    first, second = fulfilled(caller), fulfilled(caller)
    assert first["totalSkippedRecordings"] == 0
    assert second["totalSkippedRecordings"] == second["totalRecordings"] == first["totalProcessedRecordings"]
    assert second["totalProcessedRecordings"] == 0


def test_recordings_that_fail_are_listed(ready: Simulate, calling: Calling) -> None:
    simulator = ready(faults=[Fault("failed_exports", every=4)])
    caller = calling(simulator)
    job = fulfilled(caller)
    page = caller.get(job["failedRecordings"], pageSize=100).json()
    expected = [
        media.recording_id
        for each in conversations_of(simulator)
        if (each.index + 1) % 4 == 0
        for media in each.recordings
    ]
    assert [each["recording"]["id"] for each in page["entities"]] == expected
    assert job["totalFailedRecordings"] == len(expected) > 0
    counts = (job[f"total{what}Recordings"] for what in ("Processed", "Skipped", "Failed"))
    assert sum(counts) == job["totalRecordings"]
    assert caller.get(job["failedRecordings"], pageSize=101).status_code == 400


def test_bulk_failed(ready: Simulate, calling: Calling) -> None:
    caller = calling(ready(faults=[Fault("bulk_failed")]))
    job = poll(caller, create(caller))
    assert (job["state"], job["errorMessage"]) == ("FAILED", "conversation query timed out")


def test_sensitive_recordings_are_left_out_and_cannot_be_asked_for(ready: Simulate, calling: Calling) -> None:
    simulator = ready(faults=[Fault("sensitive_recordings", every=2)])
    caller = calling(simulator)
    everything = sum(len(each.recordings) for each in conversations_of(simulator))
    assert 0 < poll(caller, create(caller))["totalRecordings"] < everything
    assert caller.post(PATH, {**EXPORT, "includeRecordingsWithSensitiveData": True}).status_code == 403


def test_fulfilled_is_not_delivered(ready: Simulate, calling: Calling, clock: Clock, tmp_path: Path) -> None:
    simulator = ready(deliver_to=tmp_path.as_uri(), delivery_seconds=100, faults=[Fault("late_delivery", seconds=50)])
    caller = calling(simulator)
    job = fulfilled(caller)
    conversation = conversations_of(simulator, 1)[0]
    path = f"/api/v2/conversations/{conversation.conversation_id}/recordingmetadata"
    clock.tick(149)
    assert "exportedDate" not in caller.get(path).json()[0]
    assert "exportDate" in caller.get(path).json()[0]
    assert list(tmp_path.iterdir()) == []
    clock.tick(1)
    assert delivered(simulator, job)
    assert "exportedDate" in caller.get(path).json()[0]
    retained = caller.get("/api/v2/recordings/retention/query", retentionThresholdDays=1, pageSize=500).json()
    assert any("exportedDate" in each for each in retained["entities"])


def test_every_file_of_a_job_arrives_in_its_folder_with_its_metadata(
    ready: Simulate, calling: Calling, tmp_path: Path
) -> None:
    simulator = ready(deliver_to=str(tmp_path))
    caller = calling(simulator)
    organisation = caller.get("/api/v2/organizations/me").json()["id"]
    assert delivered(simulator, fulfilled(caller))
    expected = {
        (each.conversation_id, media.recording_id): media.results
        for each in conversations_of(simulator)
        for media in each.recordings
    }
    there: dict[tuple[str, str], int] = {}
    for path in tmp_path.rglob("*_metadata.json"):
        metadata = json.loads(path.read_text())
        file = path.with_name(metadata["fileName"])
        assert file.stat().st_size == metadata["size"]
        parts = path.relative_to(tmp_path).parts
        assert parts[:4] == (organisation, "year=2024", "month=05", "day=01")
        assert parts[4].startswith("hour=")
        assert parts[5] == f"conversation_id={metadata['conversationId']}"
        key = (metadata["conversationId"], metadata["recordingId"])
        there[key] = there.get(key, 0) + 1
    assert there == expected


def test_late_files_arrive_when_everything_else_is_there_and_said_to_be(
    ready: Simulate, calling: Calling, clock: Clock, tmp_path: Path
) -> None:
    def there() -> set[str]:
        return {path.name for path in tmp_path.rglob("*.ogg")}

    simulator = ready(deliver_to=str(tmp_path), faults=[Fault("late_files", seconds=50)])
    caller = calling(simulator)
    job = fulfilled(caller)
    assert delivered(simulator, job)
    recordings = [media for each in conversations_of(simulator) for media in each.recordings]
    late = {f"{one.recording_id}-1.ogg" for one in recordings if one.results == 2}
    assert late
    assert not late & there()
    clock.tick(50)
    until(lambda: late < there())


def test_a_job_is_delivered_into_a_bucket(ready: Simulate, calling: Calling, seaweed: SeaweedServer) -> None:
    seaweed.create_bucket("deliveries")
    target = {
        "endpoint": seaweed.endpoint,
        "bucket": "deliveries",
        "access_key": seaweed.access_key,
        "secret_key": seaweed.secret_key,
    }
    simulator = ready(calls_per_day=9, deliver_to=target)
    job = fulfilled(calling(simulator))
    assert delivered(simulator, job)
    listed = seaweed.client().list_objects_v2(Bucket="deliveries")["Contents"]
    files = sum(media.results for each in conversations_of(simulator) for media in each.recordings)
    assert len(listed) == 2 * files
    assert seaweed.secret_key not in repr(simulator.universe)


def test_a_job_that_is_cancelled_while_it_is_processed_delivers_nothing(
    ready: Simulate, calling: Calling, clock: Clock, tmp_path: Path
) -> None:
    simulator = ready(deliver_to=str(tmp_path), bulk_processing_seconds=100)
    caller = calling(simulator)
    job = create(caller)
    execute(caller, job)
    assert caller.session.delete(f"{caller.url}{PATH}/{job['id']}").status_code == 204
    clock.tick(200)
    again = create(caller)
    execute(caller, again)
    clock.tick(200)
    assert delivered(simulator, again)
    assert poll(caller, again)["totalSkippedRecordings"] == 0
