# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import wave
from collections.abc import Callable
from typing import Any

import pytest
import requests

from airflow_provider_genesys.simulator import Fault, Simulator
from airflow_provider_genesys.simulator.conversations import Conversation
from tests.simulator.conftest import Caller, Clock
from tests.simulator.platform.worlds import conversations_of

Simulate = Callable[..., Simulator]
Calling = Callable[..., Caller]
BEGINS = {"MP3": b"ID3", "WAV": b"RIFF", "OGG_OPUS": b"OggS", "NONE": b"OggS"}


def recordings(caller: Caller, conversation: Conversation, **query: Any) -> requests.Response:
    return caller.get(f"/api/v2/conversations/{conversation.conversation_id}/recordings", **query)


def call(simulator: Simulator, channels: tuple[str, ...] = ("0", "1")) -> Conversation:
    """The first call of the day whose recording has such channels."""
    return next(
        each for each in conversations_of(simulator) if each.recordings and each.recordings[0].channels == channels
    )


@pytest.mark.parametrize("format_id", list(BEGINS))
def test_each_channel_of_a_recording_is_a_file_of_its_own(simulate: Simulate, calling: Calling, format_id: str) -> None:
    simulator = simulate(calls_per_day=60)
    for channels in (("0", "1"), ("0",), ("S",)):
        conversation = call(simulator, channels)
        answer = recordings(calling(simulator), conversation, formatId=format_id)
        assert answer.status_code == 200
        (recording, *_) = answer.json()
        assert recording["id"] == conversation.recordings[0].recording_id
        assert recording["fileState"] == "AVAILABLE"
        assert tuple(recording["mediaUris"]) == channels
        bodies = [requests.get(uri["mediaUri"]).content for uri in recording["mediaUris"].values()]
        assert all(body.startswith(BEGINS[format_id]) for body in bodies)
        assert len(set(bodies)) == len(channels)
        if format_id == "WAV":
            with wave.open(io.BytesIO(bodies[0])) as sound:
                assert sound.getnframes() > 0


def test_a_format_that_the_simulator_cannot_make_is_refused(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(calls_per_day=60)
    caller, conversation = calling(simulator), call(simulator)
    assert recordings(caller, conversation, formatId="WEBM").status_code == 400
    assert recordings(caller, conversation, formatId="WEBM", mediaFormats="MP3,WAV").status_code == 200
    assert recordings(caller, conversation, maxWaitMs="-1").status_code == 400


def test_screens_chats_e_mails_and_messages_are_told_apart(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(calls_per_day=60)
    caller = calling(simulator)
    found: dict[str, dict[str, Any]] = {}
    for conversation in conversations_of(simulator):
        for recording in recordings(caller, conversation).json():
            found[recording["media"]] = recording
    assert set(found) == {"audio", "screen", "chat", "email", "message"}
    screen = requests.get(found["screen"]["mediaUris"]["0"]["mediaUri"])
    assert screen.headers["Content-Type"] == "application/zip"
    assert all("mediaUris" not in found[media] for media in ("chat", "email", "message"))
    assert found["chat"]["transcript"]
    assert found["email"]["emailTranscript"]
    assert found["message"]["messagingTranscript"]


def test_202_while_transcoding_takes_its_time(simulate: Simulate, calling: Calling, clock: Clock) -> None:
    simulator = simulate(calls_per_day=60, transcode_seconds=30)
    caller, conversation = calling(simulator), call(simulator)
    first = recordings(caller, conversation, formatId="MP3", maxWaitMs=1)
    assert first.status_code == 202
    assert first.json()[0]["estimatedTranscodeTimeMs"] > 0
    assert "mediaUris" not in first.json()[0]
    clock.tick(30)
    assert recordings(caller, conversation, formatId="MP3", maxWaitMs=1).status_code == 200
    assert recordings(caller, conversation, formatId="WAV", maxWaitMs=1).status_code == 202


@pytest.mark.parametrize(("kind", "empty"), [("transcoding", False), ("transcoding_empty", True)])
def test_202_with_a_body_and_without(simulate: Simulate, calling: Calling, kind: str, empty: bool) -> None:
    simulator = simulate(calls_per_day=60, faults=[Fault(kind, times=2)])
    caller, conversation = calling(simulator), call(simulator)
    answers = [recordings(caller, conversation) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 200]
    assert (answers[0].content == b"") == empty


@pytest.mark.parametrize(
    ("kind", "state"), [("archived_media", "ARCHIVED"), ("restoring_media", "RESTORING"), ("deleted_media", "DELETED")]
)
def test_what_has_no_media_says_its_state(simulate: Simulate, calling: Calling, kind: str, state: str) -> None:
    simulator = simulate(calls_per_day=60, faults=[Fault(kind)])
    caller, conversation = calling(simulator), call(simulator)
    answer = recordings(caller, conversation)
    assert answer.status_code == 200
    assert {each["fileState"] for each in answer.json()} == {state}
    assert all("mediaUris" not in each for each in answer.json())
    (metadata, *_) = caller.get(f"/api/v2/conversations/{conversation.conversation_id}/recordingmetadata").json()
    assert (metadata["fileState"], metadata["id"]) == (state, conversation.recordings[0].recording_id)


def test_sensitive_recordings_are_left_out_in_silence(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(calls_per_day=60, faults=[Fault("sensitive_recordings")])
    answer = recordings(calling(simulator), call(simulator))
    assert (answer.status_code, answer.json()) == (200, [])


def test_an_unknown_and_a_hidden_conversation_are_not_found(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(calls_per_day=60, faults=[Fault("hidden_division", message="South")])
    caller = calling(simulator)
    hidden = next(each for each in conversations_of(simulator) if each.shape.divisions == {2})
    for each in (hidden.conversation_id, "nobody"):
        answer = caller.get(f"/api/v2/conversations/{each}/recordingmetadata")
        assert (answer.status_code, answer.json()["entityId"]) == (404, each)


def test_urls_live_for_playback_url_minutes_and_are_known_as_secrets(
    simulate: Simulate, calling: Calling, clock: Clock
) -> None:
    simulator = simulate(calls_per_day=60, playback_url_minutes=2)
    uris = recordings(calling(simulator), call(simulator)).json()[0]["mediaUris"]
    url = uris["0"]["mediaUri"]
    assert url.rpartition("X-Amz-Signature=")[2] in simulator.issued["signatures"]
    clock.tick(119)
    assert requests.get(url).status_code == 200
    clock.tick(1)
    assert requests.get(url).status_code == 403


@pytest.mark.parametrize("kind", ["xml_body", "json_body"])
def test_an_error_in_place_of_media(simulate: Simulate, calling: Calling, kind: str) -> None:
    simulator = simulate(calls_per_day=60, faults=[Fault(kind)])
    url = recordings(calling(simulator), call(simulator)).json()[0]["mediaUris"]["0"]["mediaUri"]
    wrong, right = requests.get(url), requests.get(url)
    assert wrong.status_code == 200
    assert kind.removesuffix("_body") in wrong.headers["Content-Type"]
    assert right.content.startswith(b"OggS")


def test_recordings_appear_a_while_after_the_conversations_end(
    simulate: Simulate, calling: Calling, clock: Clock
) -> None:
    clock.now = 1_714_600_000.0 + 86_400
    simulator = simulate(calls_per_day=60, recording_lag_seconds=48 * 3600)
    caller, conversation = calling(simulator), call(simulator)
    order = {"batchDownloadRequestList": [{"conversationId": conversation.conversation_id}]}
    counts = []
    for _ in range(2):
        batch = caller.post("/api/v2/recording/batchrequests", order).json()
        clock.tick(2)
        results = caller.get(batch["selfUri"]).json()["results"]
        counts.append((len(results) > 0, len(recordings(caller, conversation).json()) > 0))
        clock.now = conversation.end_ms / 1000 + 48 * 3600
        caller = calling(simulator)
    assert counts == [(False, False), (True, True)]


def test_retention_is_paged_by_cursor_from_the_newest(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(calls_per_day=9))
    path = "/api/v2/recordings/retention/query?retentionThresholdDays=1&pageSize=7"
    recorded: list[dict[str, Any]] = []
    for _ in range(6):
        page = caller.get(path).json()
        recorded += page["entities"]
        path = page["nextUri"]
    ids = [each["recordingId"] for each in recorded]
    assert len(ids) == len(set(ids)) > 30
    days = [each["creationTime"][:10] for each in recorded]
    assert days == sorted(days, reverse=True)
    assert "2024-04-30" in days
    assert min(days) < "2024-04-28"
    assert caller.get("/api/v2/recordings/retention/query").status_code == 400


def test_retention_ends_where_nothing_is_kept(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(calls_per_day=0))
    answer = caller.get("/api/v2/recordings/retention/query", retentionThresholdDays=1).json()
    assert answer["entities"] == []
    assert "nextUri" not in answer


def test_archived_media_come_back_at_their_time(simulate: Simulate, calling: Calling, clock: Clock) -> None:
    simulator = simulate(calls_per_day=60)
    caller, conversation = calling(simulator), call(simulator)
    simulator.faults = [Fault("archived_media", until=clock.now + 60)]
    (recording, *_) = recordings(caller, conversation).json()
    assert (recording["fileState"], "mediaUris" in recording) == ("ARCHIVED", False)
    clock.tick(60)
    (recording, *_) = recordings(caller, conversation).json()
    assert (recording["fileState"], "mediaUris" in recording) == ("AVAILABLE", True)
