# SPDX-License-Identifier: Apache-2.0
"""What a job's results become: recordings, reasons why there is none, URLs that live for a while."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_genesys.api.batch import BatchApi
from airflow_provider_genesys.export.errors import Passing
from airflow_provider_genesys.export.model import ExportJob, JobStatus
from airflow_provider_genesys.simulator import Fault
from tests.api.batch.world import ONE, Build, exported, parts_of, result, status
from tests.api.rude import RudePlatform
from tests.export.memory.clock import Clock

# -- what there is ---------------------------------------------------------------------------------------------------


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
