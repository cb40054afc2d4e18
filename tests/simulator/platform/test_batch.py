# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from airflow_provider_genesys.simulator import Fault, Simulator
from airflow_provider_genesys.simulator.conversations import Conversation
from tests.simulator.conftest import Caller, Clock
from tests.simulator.platform.worlds import conversations_of

Simulate = Callable[..., Simulator]
Calling = Callable[..., Caller]
PATH = "/api/v2/recording/batchrequests"


def submit(caller: Caller, conversations: list[Conversation]) -> str:
    order = [{"conversationId": each.conversation_id} for each in conversations]
    answer = caller.post(PATH, {"batchDownloadRequestList": order})
    assert answer.status_code == 200, answer.text
    assert answer.json()["selfUri"] == f"{PATH}/{answer.json()['id']}"
    return str(answer.json()["id"])


def poll(caller: Caller, batch_id: str) -> dict[str, Any]:
    answer = caller.get(f"{PATH}/{batch_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def fetched(caller: Caller, conversations: list[Conversation]) -> dict[str, Any]:
    """A batch submitted and polled once: completed where batches take no time."""
    status = poll(caller, submit(caller, conversations))
    assert status["status"] == "Completed"
    return status


@pytest.fixture
def ready(simulate: Simulate) -> Callable[..., Simulator]:
    """A simulator of 72 conversations whose batches take no time."""
    return lambda **settings: simulate(**{"calls_per_day": 65, "batch_seconds": 0, **settings})


def test_a_completed_batch_gives_every_file_of_every_recording(ready: Simulate, calling: Calling) -> None:
    simulator = ready()
    conversations = conversations_of(simulator)
    status = fetched(calling(simulator), conversations)
    expected = [
        (each.conversation_id, media.recording_id)
        for each in conversations
        for media in each.recordings
        for _ in range(media.results)
    ]
    assert [(each["conversationId"], each["recordingId"]) for each in status["results"]] == expected
    assert len(expected) > len(set(expected)), "several results of one recording"
    assert status["expectedResultCount"] == status["resultCount"] == len(expected)
    assert (status["errorCount"], status["id"]) == (0, status["jobId"])
    assert len({each["resultUrl"] for each in status["results"]}) == len(expected)


def test_files_are_what_their_content_type_says(ready: Simulate, calling: Calling) -> None:
    simulator = ready()
    status = fetched(calling(simulator), conversations_of(simulator))
    bodies: dict[str, bytes] = {}
    for result in status["results"]:
        answer = requests.get(result["resultUrl"])
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == result["contentType"]
        bodies[result["contentType"]] = answer.content
    assert set(bodies) == {"audio/ogg", "application/zip", "application/json"}
    assert bodies["audio/ogg"][:4] == b"OggS"
    assert b"OpusHead" in bodies["audio/ogg"]
    assert zipfile.ZipFile(io.BytesIO(bodies["application/zip"])).testzip() is None
    assert json.loads(bodies["application/json"])["media"] in ("chat", "email", "message")
    assert simulator.stats.requests["recording"] == len(status["results"])


def test_one_recording_can_be_asked_for_by_its_id(ready: Simulate, calling: Calling) -> None:
    simulator = ready()
    (conversation,) = [each for each in conversations_of(simulator) if len(each.recordings) == 3][:1]
    wanted = conversation.recordings[1].recording_id
    order = [{"conversationId": conversation.conversation_id, "recordingId": wanted}]
    caller = calling(simulator)
    batch_id = caller.post(PATH, {"batchDownloadRequestList": order}).json()["id"]
    assert {each["recordingId"] for each in poll(caller, batch_id)["results"]} == {wanted}


@pytest.mark.parametrize(
    "order",
    [
        None,
        [],
        {},
        [{}],
        [7],
        [{"conversationId": 7}],
        [{"conversationId": "x", "recordingId": 7}],
        [{"conversationId": "x"}] * 101,
    ],
)
def test_a_batch_of_none_or_more_than_a_hundred_or_of_nonsense_is_refused(
    ready: Simulate, calling: Calling, order: Any
) -> None:
    simulator = ready()
    answer = calling(simulator).post(PATH, {"batchDownloadRequestList": order})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad.request")
    assert simulator.stats.batches == 0


def test_a_batch_begins_with_0_of_0_and_discovers_more_and_more(
    ready: Simulate, calling: Calling, clock: Clock
) -> None:
    simulator = ready(batch_seconds=100)
    caller = calling(simulator)
    batch_id = submit(caller, conversations_of(simulator))
    counts = []
    for _ in range(11):
        status = poll(caller, batch_id)
        assert len(status["results"]) == status["resultCount"]
        counts.append((status["status"], status["expectedResultCount"], status["resultCount"]))
        clock.tick(10)
    assert counts[:3] == [("InProgress", 0, 0)] * 3
    assert counts[-1][0] == "Completed"
    assert {state for state, _, _ in counts[:-1]} == {"InProgress"}
    for number in (1, 2):
        column = [each[number] for each in counts]
        assert column == sorted(column)
        assert len(set(column)) > 3
    assert all(done <= found for _, found, done in counts)


def test_a_url_lives_as_long_as_the_settings_and_its_own_signature_say(
    ready: Simulate, calling: Calling, clock: Clock
) -> None:
    simulator = ready(batch_url_minutes=2)
    caller = calling(simulator)
    settings = caller.get("/api/v2/recording/settings").json()
    assert (settings["recordingBatchDownloadUrlTtl"], settings["recordingPlaybackUrlTtl"]) == (2, 60)
    url = fetched(caller, conversations_of(simulator))["results"][0]["resultUrl"]
    query = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
    signed_at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    assert (signed_at, query["X-Amz-Expires"]) == (clock.now, "120")
    clock.tick(119)
    assert requests.get(url).status_code == 200
    clock.tick(1)
    assert requests.get(url).status_code == 403
    assert simulator.stats.expired_on_storage == 1
    changed = requests.get(url.replace("X-Amz-Expires=120", "X-Amz-Expires=1200"))
    assert (changed.status_code, "SignatureDoesNotMatch" in changed.text) == (403, True)


def test_only_the_client_that_submitted_reads_a_batch(ready: Simulate, calling: Calling) -> None:
    simulator = ready(clients={"a": "1", "b": "2"})
    caller = calling(simulator, "a", "1")
    batch_id = submit(caller, conversations_of(simulator))
    assert calling(simulator, "b", "2").get(f"{PATH}/{batch_id}").status_code == 403
    unknown = caller.get(f"{PATH}/nobody")
    assert (unknown.status_code, unknown.json()["entityId"]) == (404, "nobody")


def test_conversations_that_are_hidden_or_unknown_give_nothing_and_no_error(ready: Simulate, calling: Calling) -> None:
    simulator = ready(faults=[Fault("hidden_division", message="South")])
    conversations = conversations_of(simulator)
    caller = calling(simulator)
    seen = {each["conversationId"] for each in fetched(caller, conversations)["results"]}
    hidden = {each.conversation_id for each in conversations if each.shape.divisions == {2}}
    assert seen
    assert hidden
    assert not seen & hidden
    batch_id = caller.post(PATH, {"batchDownloadRequestList": [{"conversationId": "nobody"}]}).json()["id"]
    assert poll(caller, batch_id)["results"] == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("archived_media", "Recording is archived"),
        ("restoring_media", "Recording is being restored"),
        ("deleted_media", "Recording is deleted"),
        ("batch_errors", "Recording is not retrievable"),
    ],
)
def test_what_has_no_media_is_a_result_with_an_error(ready: Simulate, calling: Calling, kind: str, words: str) -> None:
    simulator = ready(faults=[Fault(kind, every=3)])
    conversations = conversations_of(simulator)
    status = fetched(calling(simulator), conversations)
    errors = [each for each in status["results"] if "errorMsg" in each]
    assert {each["errorMsg"] for each in errors} == {words}
    assert status["errorCount"] == len(errors)
    assert all("resultUrl" not in each and each["recordingId"] for each in errors)
    struck = [each for each in conversations if (each.index + 1) % 3 == 0]
    assert {each["conversationId"] for each in errors} == {each.conversation_id for each in struck if each.recordings}


@pytest.mark.parametrize("kind", ["nothing_comes", "sensitive_recordings"])
def test_what_is_left_out_is_left_out_in_silence(ready: Simulate, calling: Calling, kind: str) -> None:
    simulator = ready(faults=[Fault(kind, every=3)])
    conversations = conversations_of(simulator)
    status = fetched(calling(simulator), conversations)
    assert status["expectedResultCount"] == status["resultCount"]
    assert {each["conversationId"] for each in status["results"]} == {
        each.conversation_id for each in conversations if (each.index + 1) % 3 and each.recordings
    }


def test_what_came_not_at_first_comes_when_it_is_asked_for_again(ready: Simulate, calling: Calling) -> None:
    simulator = ready(faults=[Fault("nothing_comes", times=2)])
    caller, first = calling(simulator), conversations_of(simulator, 1)
    assert [len(fetched(caller, first)["results"]) for _ in range(3)] == [0, 0, 1]


def test_batch_lost(ready: Simulate, calling: Calling) -> None:
    simulator = ready(faults=[Fault("batch_lost")])
    caller = calling(simulator)
    with pytest.raises(requests.ConnectionError):
        submit(caller, conversations_of(simulator))
    assert simulator.stats.batches == 1
    assert submit(caller, conversations_of(simulator))


@pytest.mark.parametrize(("kind", "equal"), [("empty_discovery", [(0, 0)] * 3), ("growing_discovery", None)])
def test_a_batch_in_progress_whose_counts_look_complete(
    ready: Simulate, calling: Calling, clock: Clock, kind: str, equal: Any
) -> None:
    simulator = ready(batch_seconds=40, faults=[Fault(kind, seconds=60)])
    caller = calling(simulator)
    batch_id = submit(caller, conversations_of(simulator))
    seen = []
    for _ in range(3):
        clock.tick(33)
        status = poll(caller, batch_id)
        assert status["status"] == "InProgress"
        seen.append((status["expectedResultCount"], status["resultCount"]))
    assert all(found == done for found, done in seen)
    assert seen == equal if equal else seen[0] < seen[1] < seen[2]
    clock.tick(1)
    assert poll(caller, batch_id)["status"] == "Completed"


def test_stuck_and_foreign_batches(ready: Simulate, calling: Calling, clock: Clock) -> None:
    simulator = ready(faults=[Fault("stuck_batches"), Fault("foreign_batches", every=2)], token_seconds=1e9)
    caller = calling(simulator)
    stuck, foreign = (submit(caller, conversations_of(simulator)) for _ in range(2))
    clock.tick(1e6)
    assert (poll(caller, stuck)["status"], poll(caller, stuck)["expectedResultCount"]) == ("InProgress", 0)
    assert caller.get(f"{PATH}/{foreign}").status_code == 403


def test_expired_results(ready: Simulate, calling: Calling) -> None:
    simulator = ready(faults=[Fault("expired_results")])
    caller = calling(simulator)
    statuses = [
        requests.get(fetched(caller, conversations_of(simulator))["results"][0]["resultUrl"]).status_code
        for _ in range(2)
    ]
    assert statuses == [403, 200]


def test_every_url_that_was_given_is_known_as_a_secret(ready: Simulate, calling: Calling) -> None:
    simulator = ready(faults=[Fault("archived_media", every=2)])
    status = fetched(calling(simulator), conversations_of(simulator))
    simulator.reset()
    urls = [each["resultUrl"] for each in status["results"] if "resultUrl" in each]
    given = {url.rpartition("X-Amz-Signature=")[2] for url in urls}
    assert given == set(simulator.issued["signatures"])


def test_batches_can_be_looked_at_from_outside(ready: Simulate, calling: Calling) -> None:
    simulator = ready()
    batch_id = submit(calling(simulator), conversations_of(simulator, 2))
    (seen,) = requests.get(f"{simulator.url}/_simulator/batches").json()
    (batch,) = simulator.batches
    assert (seen["id"], seen["client"]) == (batch.batch_id, batch.client) == (batch_id, "demo")
    assert [tuple(each) for each in seen["asked"]] == list(batch.asked)
    assert simulator.stats.requests["batch_submit"] == 1


def test_operations_on_recordings_have_a_budget_of_their_own(ready: Simulate, calling: Calling) -> None:
    simulator = ready(recording_requests_per_minute=2)
    caller = calling(simulator)
    batch_id = submit(caller, conversations_of(simulator))
    assert [caller.get(f"{PATH}/{batch_id}").status_code for _ in range(2)] == [200, 429]
    assert caller.volume().status_code == 200
