# SPDX-License-Identifier: Apache-2.0
"""mp3 and wav, conversation by conversation: what a platform that answers as a test dictates is understood to say."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_genesys.api.batch import BatchApi
from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.export.errors import Passing, Refused
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, JobStatus, Organisation
from tests.api.rude import Answer, Dropped, RudePlatform
from tests.export.memory.clock import Clock

DAY = ExportWindow(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC))
REQUEST = ExportRequest(Organisation("api.mypurecloud.com", "demo"), DAY, "mp3")
ONE = replace(REQUEST, conversations=("one",))
TWO = replace(REQUEST, conversations=("one", "two"))
NOT_FOUND = Answer(404, {"message": "no such conversation", "code": "not.found", "status": 404})
SETTINGS = Answer(200, {"recordingPlaybackUrlTtl": 5, "recordingBatchDownloadUrlTtl": 60})

Connect = Callable[..., GenesysClient]


@pytest.fixture
def clock() -> Clock:
    return Clock(DAY.end + timedelta(hours=12))


@pytest.fixture
def api(rude: RudePlatform, connect: Connect, clock: Clock) -> BatchApi:
    return BatchApi(connect(rude.url, tries=1), clock=clock, sleep=clock.sleep)


def recording(recording_id: str = "first", channels: tuple[str, ...] = ("S",), **changes: Any) -> dict[str, Any]:
    return {
        "id": recording_id,
        "media": "audio",
        "fileState": "AVAILABLE",
        "mediaUris": {one: {"mediaUri": f"https://media.example/{recording_id}/{one}.mp3?sig=s"} for one in channels},
        **changes,
    }


def ids(job: Any) -> list[str]:
    return [one.recording_id for one in job.recordings]


def test_a_lot_of_conversations_is_asked_for_one_by_one(rude: RudePlatform, api: BatchApi) -> None:
    rude.will(Answer(200, [recording("a")]), SETTINGS, Answer(200, [recording("b"), recording("c")]))
    job = api.job(TWO, api.submit(TWO))
    assert (job.status, ids(job)) == (JobStatus.COMPLETED, ["a", "b", "c"])
    assert [one.conversation_id for one in job.recordings] == ["one", "two", "two"]
    asked = [request.path for request in rude.requests if "conversations" in request.path]
    assert [re.sub(r"&maxWaitMs=\d+", "", path) for path in asked] == [
        f"/api/v2/conversations/{one}/recordings?formatId=MP3" for one in ("one", "two")
    ]


def test_a_submission_asks_nothing_and_no_two_have_the_same_id(rude: RudePlatform, api: BatchApi) -> None:
    assert len({api.submit(ONE) for _ in range(3)}) == 3
    assert rude.requests == []


@pytest.mark.parametrize("body", [b"", [recording(channels=())], [recording()]])
def test_202_is_still_transcoding_and_never_none(rude: RudePlatform, api: BatchApi, body: Any) -> None:
    rude.will(Answer(202, body), Answer(200, [recording()]), SETTINGS)
    assert api.job(ONE, "lot").status is JobStatus.RUNNING
    assert ids(api.job(ONE, "lot")) == ["first"]


def test_what_is_ready_is_not_asked_for_again(rude: RudePlatform, api: BatchApi) -> None:
    rude.will(Answer(200, [recording("a")]), SETTINGS, Answer(202), Answer(202), Answer(200, [recording("b")]))
    words = [api.job(TWO, "lot").word for _ in range(2)]
    assert words == ["transcoding 1 of 2"] * 2
    assert ids(api.job(TWO, "lot")) == ["a", "b"]
    assert [path.split("/")[4] for path in (one.path for one in rude.requests) if "conversations" in path] == [
        *("one", "two"),
        *("two", "two"),
    ]


def test_a_fault_in_the_middle_loses_nothing_that_is_ready(rude: RudePlatform, api: BatchApi) -> None:
    rude.will(Answer(200, [recording("a")]), SETTINGS, Dropped(), Answer(200, [recording("b")]))
    with pytest.raises(Passing):
        api.job(TWO, "lot")
    assert ids(api.job(TWO, "lot")) == ["a", "b"]


def test_a_lot_that_is_asked_again_gets_fresh_urls(rude: RudePlatform, api: BatchApi, clock: Clock) -> None:
    rude.will(Answer(200, [recording()]), SETTINGS, Answer(200, [recording()]))
    assert api.job(ONE, "lot").expires_at == clock.now + 300
    clock.sleep(3600.0)
    assert api.job(ONE, "lot").expires_at == clock.now + 300


@pytest.mark.parametrize(
    ("channels", "names"),
    [(("0", "1"), ["first_0", "first_1"]), (("1", "S", "0"), ["first_0", "first_1", "first_S"]), (("S",), ["first"])],
)
def test_every_channel_is_kept(rude: RudePlatform, api: BatchApi, channels: tuple[str, ...], names: list[str]) -> None:
    rude.will(Answer(200, [recording(channels=channels)]), SETTINGS)
    assert ids(api.job(ONE, "lot")) == names


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("ARCHIVED", "is archived"),
        ("RESTORING", "being restored"),
        ("DELETED", "was deleted"),
        ("ERROR", "not provide"),
    ],
)
def test_media_that_are_put_away_are_unavailable_with_that_reason(
    rude: RudePlatform, api: BatchApi, state: str, words: str
) -> None:
    rude.will(Answer(200, [recording(fileState=state, mediaUris=None)]), SETTINGS)
    (one,) = api.job(ONE, "lot").recordings
    assert one.url is None
    assert words in str(one.reason)


def test_a_recording_on_its_way_into_storage_is_waited_for(rude: RudePlatform, api: BatchApi) -> None:
    rude.will(Answer(200, [recording(fileState="UPLOADING", channels=())]))
    assert api.job(ONE, "lot").status is JobStatus.RUNNING


def test_a_recording_without_any_file_is_unavailable(rude: RudePlatform, api: BatchApi) -> None:
    rude.will(Answer(200, [recording(channels=())]), SETTINGS)
    (one,) = api.job(ONE, "lot").recordings
    assert (one.url, one.reason) == (None, "no URL came for it")


@pytest.mark.parametrize("answer", [NOT_FOUND, Answer(200, []), Answer(200, [recording(media="screen")])])
def test_a_conversation_for_which_nothing_comes_is_missing(rude: RudePlatform, api: BatchApi, answer: Answer) -> None:
    rude.will(answer, SETTINGS)
    job = api.job(ONE, "lot")
    assert (job.status, job.recordings) == (JobStatus.COMPLETED, ())
    assert api.missing(ONE, job) == ["one"]


def test_a_refusal_is_raised_with_the_permission(rude: RudePlatform, api: BatchApi) -> None:
    rude.will(Answer(403, {"message": "no", "code": "missing.permissions", "status": 403}))
    with pytest.raises(Refused, match="Recording > Recording > View, in the divisions that are exported"):
        api.job(ONE, "lot")


@pytest.mark.parametrize("body", [{}, [{}], ["first"], b"<html>"])
def test_an_answer_that_cannot_be_read_is_no_answer(rude: RudePlatform, api: BatchApi, body: Any) -> None:
    rude.will(Answer(200, body))
    with pytest.raises(Passing):
        api.job(ONE, "lot")


def test_a_hostile_conversation_id_stays_one_segment_of_the_path(rude: RudePlatform, api: BatchApi) -> None:
    rude.will(Answer(202))
    api.job(replace(REQUEST, conversations=("../../oauth/token?x#y",)), "lot")
    assert rude.requests[0].path.startswith("/api/v2/conversations/..%2F..%2Foauth%2Ftoken%3Fx%23y/recordings?")
