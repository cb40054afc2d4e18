# SPDX-License-Identifier: Apache-2.0
"""Batch requests over the wire: the story of a day, and what clients in the field get wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_genesys.api.batch import LOT, BatchApi
from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.export.errors import ExportError, InvalidInput, OutcomeUnknown, Passing, Refused
from airflow_provider_genesys.export.model import ExportJob, ExportRequest, ExportWindow, JobStatus, Organisation
from airflow_provider_genesys.simulator import Fault, Simulator
from airflow_provider_genesys.simulator.universe import QUEUE_IDS
from tests.api.rude import Answer, Dropped, RudePlatform
from tests.export.memory.clock import Clock

DAY = ExportWindow(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC))
REQUEST = ExportRequest(Organisation("api.mypurecloud.com", "demo"), DAY, "original")
NOON = DAY.end + timedelta(hours=12)

Simulate = Callable[..., Simulator]
Connect = Callable[..., GenesysClient]
Build = Callable[..., tuple[BatchApi, Simulator]]


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def batch(simulate: Simulate, connect: Connect, clock: Clock) -> Build:
    """The API of a simulator at noon of the day after; its jobs take no time, unless told otherwise."""

    def build(include_numbers: bool = False, **settings: Any) -> tuple[BatchApi, Simulator]:
        simulator = simulate(clock=clock, **{"details_job_seconds": 0, "batch_seconds": 0, **settings})
        client = connect(simulator.url)
        return BatchApi(client, include_numbers=include_numbers, clock=clock, sleep=clock.sleep), simulator

    return build


@pytest.fixture
def rude_api(rude: RudePlatform, connect: Connect, clock: Clock) -> BatchApi:
    return BatchApi(connect(rude.url, tries=1), clock=clock, sleep=clock.sleep)


def parts_of(api: BatchApi, request: ExportRequest = REQUEST) -> list[ExportRequest]:
    return [replace(request, conversations=lot) for lot in api.parts(request)]


def exported(api: BatchApi, part: ExportRequest) -> ExportJob:
    return api.job(part, api.submit(part))


def status(results: list[dict[str, Any]], word: str = "Completed") -> Answer:
    """A batch request's state, as the platform gives it."""
    return Answer(
        200,
        {"id": "job", "jobId": "job", "expectedResultCount": len(results), "resultCount": len(results),
         "errorCount": 0, "status": word, "results": results},
    )  # fmt: skip


def result(**changes: Any) -> dict[str, Any]:
    return {
        "conversationId": "one",
        "recordingId": "first",
        "resultUrl": "https://bucket.example/first.ogg?X-Amz-Expires=3600&X-Amz-Signature=s",
        "contentType": "audio/ogg",
        **changes,
    }


ONE = replace(REQUEST, conversations=("one",))


# -- the story of a day ----------------------------------------------------------------------------------------------


def test_a_day_from_its_volume_to_its_urls(batch: Build) -> None:
    api, simulator = batch(calls_per_day=250)
    assert api.volume(REQUEST) == 250
    parts = parts_of(api)
    jobs = [exported(api, part) for part in parts]
    assert [job.status for job in jobs] == [JobStatus.COMPLETED] * 3
    recordings = [recording for job in jobs for recording in job.recordings]
    assert len({recording.recording_id for recording in recordings}) == len(recordings) >= 250
    assert {recording.conversation_id for recording in recordings} == {
        one for part in parts for one in part.conversations
    }
    assert all(recording.url and recording.url.startswith(simulator.url) for recording in recordings)
    assert [api.missing(part, job) for part, job in zip(parts, jobs, strict=True)] == [[], [], []]


def test_a_job_that_is_asked_again_says_the_same(batch: Build) -> None:
    api, _ = batch(calls_per_day=30)
    (part,) = parts_of(api)
    job_id = api.submit(part)
    first, second = (api.job(part, job_id).recordings for _ in range(2))
    assert [recording.recording_id for recording in first] == [recording.recording_id for recording in second]


# -- traps -----------------------------------------------------------------------------------------------------------


def test_no_batch_request_has_more_than_a_hundred_conversations(batch: Build) -> None:
    api, simulator = batch(calls_per_day=250)
    parts = parts_of(api)
    assert [len(part.conversations) for part in parts] == [LOT, LOT, 50]
    for part in parts:
        api.submit(part)
    assert simulator.stats.batches == 3


@pytest.mark.parametrize("kind", ["empty_discovery", "growing_discovery"])
def test_a_job_is_not_done_because_nothing_of_nothing_is(batch: Build, clock: Clock, kind: str) -> None:
    """0 of 0 before it has looked, n of n while it looks: only its status says that it is done."""
    api, _ = batch(calls_per_day=30, batch_seconds=4, faults=[Fault(kind, seconds=20)])
    (part,) = parts_of(api)
    job_id = api.submit(part)
    seen = []
    while (job := api.job(part, job_id)).status is JobStatus.RUNNING:
        seen.append(job)
        clock.sleep(2.0)
    assert len(seen) >= 10
    assert api.missing(part, job) == []


def test_a_job_that_never_finds_anything_goes_on_and_is_not_taken_for_done(batch: Build, clock: Clock) -> None:
    api, _ = batch(calls_per_day=30, faults=[Fault("stuck_batches")])
    (part,) = parts_of(api)
    job_id = api.submit(part)
    clock.sleep(86_400.0)
    assert api.job(part, job_id).status is JobStatus.RUNNING


def test_an_empty_job_is_done_when_it_says_so_and_is_not_polled_for_ever(
    rude: RudePlatform, rude_api: BatchApi
) -> None:
    rude.will(status([]))
    job = rude_api.job(ONE, "job")
    assert (job.status, job.recordings, job.expires_at) == (JobStatus.COMPLETED, (), None)
    assert rude_api.missing(ONE, job) == ["one"]


def test_several_results_of_one_recording_are_all_kept_under_names_of_their_own(batch: Build) -> None:
    api, _ = batch(calls_per_day=30)
    (part,) = parts_of(api)
    ids = [recording.recording_id for recording in exported(api, part).recordings]
    several = [one.removesuffix("_1") for one in ids if one.endswith("_1")]
    assert several
    assert {f"{one}_0" for one in several} < set(ids)
    assert not set(several) & set(ids)


def test_results_have_the_same_names_in_whatever_order_they_come(rude: RudePlatform, rude_api: BatchApi) -> None:
    urls = [f"https://bucket.example/first-{n}.ogg?X-Amz-Signature={n}" for n in (0, 1, 2)]
    names = []
    for order in ((0, 1, 2), (2, 0, 1)):
        rude.will(status([result(resultUrl=urls[n]) for n in order]))
        names.append({one.recording_id: one.url for one in rude_api.job(ONE, "job").recordings})
    assert names[0] == names[1] == {f"first_{n}": url for n, url in enumerate(urls)}


def test_an_error_of_one_result_is_kept_in_the_platforms_words(batch: Build) -> None:
    api, _ = batch(calls_per_day=30, faults=[Fault("batch_errors", every=10, times=None, message="Key unavailable")])
    (part,) = parts_of(api)
    job = exported(api, part)
    lost = [recording for recording in job.recordings if recording.url is None]
    assert len({recording.conversation_id for recording in lost}) == 3
    assert {recording.reason for recording in lost} == {"Key unavailable"}
    assert api.missing(part, job) == []


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("archived_media", "Recording is archived"),
        ("restoring_media", "Recording is being restored"),
        ("deleted_media", "Recording is deleted"),
    ],
)
def test_media_that_are_put_away_are_unavailable_in_the_platforms_words(batch: Build, kind: str, reason: str) -> None:
    api, _ = batch(calls_per_day=30, faults=[Fault(kind, every=10, times=None)])
    (part,) = parts_of(api)
    assert reason in {recording.reason for recording in exported(api, part).recordings}


@pytest.mark.parametrize("kind", ["nothing_comes", "sensitive_recordings"])
def test_a_conversation_for_which_nothing_comes_is_missing(batch: Build, kind: str) -> None:
    api, _ = batch(calls_per_day=30, faults=[Fault(kind, every=10, times=None)])
    (part,) = parts_of(api)
    missing = api.missing(part, exported(api, part))
    assert len(missing) == 3
    assert set(missing) < set(part.conversations)


@pytest.mark.parametrize(
    ("declared", "extension"),
    [
        ("audio/ogg", "ogg"),
        ("audio/ogg; codecs=opus", "ogg"),
        ("Audio/MPEG", "mp3"),
        ("audio/x-wav", "wav"),
        ("application/zip", "zip"),
        ("application/x-never-seen", "bin"),
        (None, "bin"),
    ],
)
def test_the_content_type_decides_the_ending(
    rude: RudePlatform, rude_api: BatchApi, declared: str | None, extension: str
) -> None:
    """Opus saved as .wav is what clients in the field do."""
    rude.will(status([result(contentType=declared, resultUrl="https://bucket.example/x.wav?sig")]))
    (recording,) = rude_api.job(ONE, "job").recordings
    assert recording.extension == extension


def test_media_that_were_not_asked_for_are_left_out_where_that_can_be_told(
    rude: RudePlatform, rude_api: BatchApi
) -> None:
    kinds = ["audio/ogg", "video/webm", "application/json", "application/zip"]
    rude.will(status([result(recordingId=kind, contentType=kind) for kind in kinds]))
    wanted = {
        ("audio",): ["audio/ogg", "application/zip"],
        ("screen",): ["video/webm", "application/zip"],
        ("audio", "chat"): ["audio/ogg", "application/json", "application/zip"],
    }
    for media, ids in wanted.items():
        job = rude_api.job(replace(ONE, media=media), "job")
        assert [recording.recording_id for recording in job.recordings] == ids


def test_one_token_does_for_every_call(batch: Build) -> None:
    api, simulator = batch(calls_per_day=250)
    for part in parts_of(api):
        exported(api, part)
    assert simulator.stats.requests["token"] == 1


# -- how long URLs live ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [2, 60])
def test_urls_live_as_long_as_the_organisations_settings_say(batch: Build, clock: Clock, minutes: int) -> None:
    api, simulator = batch(calls_per_day=30, batch_url_minutes=minutes)
    (part,) = parts_of(api)
    job = exported(api, part)
    assert (job.url_seconds, job.expires_at) == (60.0 * minutes, clock.now + 60 * minutes)
    exported(api, part)
    assert simulator.stats.requests["settings"] == 1


def test_the_urls_own_end_counts_where_it_is_sooner(batch: Build, clock: Clock) -> None:
    api, _ = batch(calls_per_day=30, faults=[Fault("expired_results", seconds=90)])
    (part,) = parts_of(api)
    assert exported(api, part).expires_at == clock.now + 90


def test_urls_age_from_when_they_were_signed(batch: Build, clock: Clock) -> None:
    api, _ = batch(calls_per_day=30)
    (part,) = parts_of(api)
    job_id, signed_at = api.submit(part), clock.now
    clock.sleep(1800.0)
    assert api.job(part, job_id).expires_at == signed_at + 3600


def test_settings_that_may_not_be_read_are_the_platforms_defaults(batch: Build) -> None:
    api, _ = batch(calls_per_day=30, batch_url_minutes=2, faults=[Fault("forbidden", route="settings")])
    (part,) = parts_of(api)
    assert exported(api, part).url_seconds == 3600.0


# -- what can go wrong -----------------------------------------------------------------------------------------------


def test_a_lost_answer_of_a_submission_is_unknown_and_not_asked_again(batch: Build) -> None:
    api, simulator = batch(calls_per_day=30, faults=[Fault("batch_lost")])
    (part,) = parts_of(api)
    with pytest.raises(OutcomeUnknown):
        api.submit(part)
    assert simulator.stats.batches == 1


def test_only_who_submitted_a_job_may_read_it(batch: Build) -> None:
    api, _ = batch(calls_per_day=30, faults=[Fault("foreign_batches")])
    (part,) = parts_of(api)
    with pytest.raises(Refused, match="be the client that submitted the request"):
        exported(api, part)


def test_a_job_that_the_platform_does_not_know_has_failed_in_its_words(batch: Build) -> None:
    api, _ = batch(calls_per_day=30)
    job = api.job(ONE, "never-heard-of")
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert "not found" in job.error


@pytest.mark.parametrize("word", ["InProgress", "Discovering", ""])
def test_a_status_that_is_not_known_is_waited_out(rude: RudePlatform, rude_api: BatchApi, word: str) -> None:
    rude.will(status([], word))
    assert rude_api.job(ONE, "job").status is JobStatus.RUNNING


@pytest.mark.parametrize("broken", ["a text", {}, {"resultUrl": "https://bucket.example/x"}])
def test_a_result_without_an_id_is_a_broken_answer(rude: RudePlatform, rude_api: BatchApi, broken: Any) -> None:
    rude.will(status([broken]))
    with pytest.raises(Passing, match="without an id"):
        rude_api.job(ONE, "job")


def test_a_conversation_that_failed_as_a_whole_stands_under_its_own_id(rude: RudePlatform, rude_api: BatchApi) -> None:
    rude.will(
        status([{"conversationId": "one", "errorMsg": "no access at https://bucket.example/x?X-Amz-Signature=s"}])
    )
    (recording,) = rude_api.job(ONE, "job").recordings
    assert (recording.recording_id, recording.url) == ("one", None)
    assert recording.reason == "no access at https://bucket.example/x?…"
    assert rude_api.missing(ONE, ExportJob("job", JobStatus.COMPLETED, recordings=(recording,))) == []


def test_a_result_without_url_and_reason_is_unavailable_all_the_same(rude: RudePlatform, rude_api: BatchApi) -> None:
    rude.will(status([result(resultUrl=None)]))
    (recording,) = rude_api.job(ONE, "job").recordings
    assert recording.reason == "no URL and no reason came"


def test_a_limit_without_retry_after_is_waited_for_as_its_reset_says(batch: Build, slept: list[float]) -> None:
    api, _ = batch(calls_per_day=30, faults=[Fault("rate_limited", route="batch_poll", form="absent", seconds=7)])
    (part,) = parts_of(api)
    assert exported(api, part).status is JobStatus.COMPLETED
    assert 7 <= slept[0] < 12


def test_a_daily_limit_is_told_at_once_with_its_hours(batch: Build, slept: list[float]) -> None:
    api, simulator = batch(calls_per_day=30)
    (part,) = parts_of(api)
    simulator.faults = [Fault("daily_limits", route="batch_submit", seconds=7200)]
    with pytest.raises(Passing) as raised:
        api.submit(part)
    assert (raised.value.retry_after, slept) == (7200.0, [])


def test_a_token_that_is_refused_in_mid_flow_costs_one_login(batch: Build) -> None:
    api, simulator = batch(calls_per_day=30)
    (part,) = parts_of(api)
    simulator.faults = [Fault("revoked_token")]
    assert exported(api, part).status is JobStatus.COMPLETED
    assert simulator.stats.requests["token"] == 2


@pytest.mark.parametrize("answer", [Dropped(), Answer(503), Answer(200, b"<html>")])
def test_a_submission_without_an_answer_is_made_once(rude: RudePlatform, rude_api: BatchApi, answer: Answer) -> None:
    rude.will(answer)
    with pytest.raises(OutcomeUnknown):
        rude_api.submit(ONE)
    assert len(rude.requests) == 1


def test_an_answer_to_a_submission_without_an_id_is_unknown(rude: RudePlatform, rude_api: BatchApi) -> None:
    rude.will(Answer(200, {}))
    with pytest.raises(OutcomeUnknown, match="has no id"):
        rude_api.submit(ONE)


def test_a_window_has_no_job_of_its_own(batch: Build) -> None:
    api, simulator = batch()
    for ask in (lambda: api.submit(REQUEST), lambda: api.job(REQUEST, "job")):
        with pytest.raises(InvalidInput, match="only its parts have"):
            ask()
    assert not simulator.stats.requests


# -- the data lake ---------------------------------------------------------------------------------------------------


def test_a_window_that_the_data_lake_does_not_reach_is_not_looked_for(batch: Build, clock: Clock) -> None:
    api, simulator = batch(availability_lag_seconds=13 * 3600)
    with pytest.raises(Passing, match="2024-05-01 23:00:00 UTC, which is before the end of") as raised:
        api.parts(REQUEST)
    assert raised.value.retry_after == 3600.0
    assert simulator.stats.requests["details_query"] == 0
    clock.sleep(raised.value.retry_after)
    assert len(api.parts(REQUEST)) == 1


# -- what can be asked for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("media_format", ["", "auto", "original", "mp3", "wav"])
def test_formats(batch: Build, media_format: str) -> None:
    api, simulator = batch()
    asked = api.checked(replace(REQUEST, media_format=media_format))
    assert asked.media_format == (media_format if media_format in ("mp3", "wav") else "original")
    assert not simulator.stats.requests


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"filters": {"queue": "claims"}}, "'queue': the published API's are queueId, userId, wrapUpCode"),
        ({"filters": {"dateFrom": "2024-05-01", "action": "DELETE"}}, "'dateFrom', 'action'"),
        ({"filters": {"queueId": 7}}, "queueId must be a text"),
        ({"filters": {"queueId": []}}, "queueId must be a text"),
        ({"filters": {"direction": [""]}}, "direction must be a text"),
        ({"filters": {"minDurationSeconds": "long"}}, "must be a number of seconds"),
        ({"filters": {"minDurationSeconds": True}}, "must be a number of seconds"),
        ({"media": ("smoke",)}, "media must be one or more of audio, screen"),
        ({"media": ()}, "media must be one or more of"),
        ({"media": ("screen",), "media_format": "mp3"}, "one of audio alone"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_any_request(
    batch: Build, changes: dict[str, Any], words: str
) -> None:
    api, simulator = batch()
    with pytest.raises(InvalidInput, match=words):
        api.checked(replace(REQUEST, **changes))
    assert not simulator.stats.requests


# -- the manifest ----------------------------------------------------------------------------------------------------


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


def test_filters_reach_the_platform(batch: Build) -> None:
    api, _ = batch(calls_per_day=90)
    everything, filtered = api.volume(REQUEST), replace(REQUEST, filters={"queueId": QUEUE_IDS[0]})
    assert 0 < api.volume(filtered) < everything
    assert len(api.parts(filtered)[0]) == api.volume(filtered)


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)


@pytest.mark.parametrize("route", ["details_query", "availability", "batch_poll", "settings"])
@pytest.mark.parametrize("kind", ["dropped_connection", "invalid_json", "server_errors", "rate_limited"])
def test_every_fault_of_the_wire_is_one_of_the_domains(batch: Build, route: str, kind: str) -> None:
    api, simulator = batch(calls_per_day=9)
    simulator.faults = [Fault(kind, route=route, times=None)]
    with pytest.raises(ExportError):
        exported(api, parts_of(api)[0])
