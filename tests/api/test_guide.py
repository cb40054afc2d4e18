# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.guide import GuideApi
from airflow_provider_genesys.export.errors import ExportError, InvalidInput, OutcomeUnknown, Passing, Refused
from airflow_provider_genesys.export.model import (
    ExportJob,
    ExportRequest,
    ExportWindow,
    JobStatus,
    Organisation,
    Recording,
)
from airflow_provider_genesys.simulator import Fault, Simulator
from tests.api.rude import Answer, RudePlatform

DAY = ExportWindow(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC))
REQUEST = ExportRequest(Organisation("api.mypurecloud.com", "demo"), DAY, "mp3")
FILTERED = ExportRequest(REQUEST.organisation, DAY, "wav", {"queueId": "claims", "dateTo": "never"})
EXPIRES_AT = datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()

Simulate = Callable[..., Simulator]
Connect = Callable[..., GenesysClient]


@pytest.fixture
def rude_api(rude: RudePlatform, connect: Connect) -> GuideApi:
    return GuideApi(connect(rude.url, tries=1))


# -- the guide's story -----------------------------------------------------------------------------------------------


def test_a_day_from_its_volume_to_its_urls(simulate: Simulate, connect: Connect) -> None:
    simulator = simulate()
    api = GuideApi(connect(simulator.url))
    assert api.volume(REQUEST) == 7
    job_id = api.submit(REQUEST)
    job = api.job(REQUEST, job_id)
    assert (job.job_id, job.status, job.word, job.error) == (job_id, JobStatus.COMPLETED, "completed", None)
    assert job.manifest_url is not None
    assert job.manifest_url.startswith(simulator.url)
    assert job.expires_at == pytest.approx(datetime.now(UTC).timestamp() + 3600, abs=10)
    assert len({recording.recording_id for recording in job.recordings}) == 7
    assert all(recording.url for recording in job.recordings)


def test_windows_of_a_day_share_its_recordings_out(simulate: Simulate, connect: Connect) -> None:
    """``dateTo`` is included on the wire: neither a gap nor an overlap."""
    api = GuideApi(connect(simulate(calls_per_day=500).url))
    quarters = [
        ExportWindow(DAY.start + n * timedelta(hours=6), DAY.start + (n + 1) * timedelta(hours=6)) for n in range(4)
    ]
    requests = [ExportRequest(REQUEST.organisation, window, "mp3") for window in quarters]
    ids = [recording.recording_id for one in requests for recording in api.job(REQUEST, api.submit(one)).recordings]
    assert len(ids) == len(set(ids)) == 500
    assert sum(api.volume(one) for one in requests) == 500


def test_the_submission_is_the_guides(simulate: Simulate, connect: Connect) -> None:
    simulator = simulate()
    GuideApi(connect(simulator.url)).submit(REQUEST)
    (job,) = simulator.jobs
    assert dict(job.filter) == {"dateFrom": "2024-05-01T00:00:00.000Z", "dateTo": "2024-05-01T23:59:59.999Z"}
    assert job.media_format == "mp3"


@pytest.mark.parametrize("kind", ["id_only", "job_id_only"])
def test_a_jobs_id_is_read_under_either_name(simulate: Simulate, connect: Connect, kind: str) -> None:
    simulator = simulate(faults=[Fault(kind)])
    assert GuideApi(connect(simulator.url)).submit(REQUEST) == simulator.jobs[0].job_id


@pytest.mark.parametrize(("kind", "is_known"), [("offset_times", True), ("missing_expires_at", False)])
def test_the_end_of_urls_is_read_as_it_comes(simulate: Simulate, connect: Connect, kind: str, is_known: bool) -> None:
    api = GuideApi(connect(simulate(faults=[Fault(kind)]).url))
    job = api.job(REQUEST, api.submit(REQUEST))
    assert (job.expires_at is not None) is is_known
    assert len(job.recordings) == 7


def test_a_null_url_is_kept_as_none_and_a_duplicate_id_is_one_recording(simulate: Simulate, connect: Connect) -> None:
    api = GuideApi(connect(simulate(faults=[Fault("null_urls", every=3), Fault("duplicate_ids", every=2)]).url))
    recordings = api.job(REQUEST, api.submit(REQUEST)).recordings
    assert len(recordings) == len({recording.recording_id for recording in recordings}) == 7
    assert [recording.url is None for recording in recordings] == [False, False, True, False, False, True, False]


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (Fault("failed_jobs", message="Export worker aborted"), JobStatus.FAILED, "Export worker aborted"),
        (Fault("silent_failures"), JobStatus.FAILED, None),
        (Fault("canceled_jobs"), JobStatus.CANCELED, None),
        (Fault("unknown_status", message="transcoding", seconds=60), JobStatus.RUNNING, None),
        (Fault("slow_jobs", seconds=60), JobStatus.RUNNING, None),
    ],
)
def test_every_status_is_understood(
    simulate: Simulate, connect: Connect, fault: Fault, status: JobStatus, error: str | None
) -> None:
    api = GuideApi(connect(simulate(faults=[fault], silent_failure_seconds=0).url))
    job = api.job(REQUEST, api.submit(REQUEST))
    assert (job.status, job.error, job.recordings, job.manifest_url) == (status, error, (), None)
    assert job.word


def test_a_presigned_url_in_the_platforms_words_loses_its_signature(
    simulate: Simulate, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    simulator = simulate(faults=[Fault("leaky_error", times=1)])
    api = GuideApi(connect(simulator.url))
    leaky = api.job(REQUEST, api.submit(REQUEST))
    assert leaky.error is not None
    assert leaky.error.startswith("Cannot write export, last try was http://127.0.0.1:")
    whole = api.job(REQUEST, api.submit(REQUEST))
    signatures = simulator.issued["signatures"]
    assert any(signature in str(whole.manifest_url) for signature in signatures)
    told = repr(leaky) + repr(whole) + repr(whole.recordings) + caplog.text
    secrets = [*signatures, *simulator.issued["tokens"], *simulator.issued["client_secrets"]]
    assert len(secrets) > 9
    assert not [secret for secret in secrets if secret in told]


# -- a submission ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["submit_lost", "submit_error_after"])
def test_a_lost_answer_to_a_submission_is_told_and_not_repeated(
    simulate: Simulate, connect: Connect, kind: str
) -> None:
    simulator = simulate(faults=[Fault(kind)])
    with pytest.raises(OutcomeUnknown, match="the job may exist or not"):
        GuideApi(connect(simulator.url)).submit(REQUEST)
    assert simulator.stats.jobs == 1


@pytest.mark.parametrize("answer", [{}, {"jobId": None}, {"id": ""}])
def test_a_submission_that_is_answered_without_an_id_may_have_made_a_job(
    rude: RudePlatform, rude_api: GuideApi, answer: dict[str, Any]
) -> None:
    rude.will(Answer(202, answer))
    with pytest.raises(OutcomeUnknown, match=r"the answer for window \[2024-05-01T00:00:00Z, .* has no job id"):
        rude_api.submit(REQUEST)
    assert len(rude.requests) == 1


def test_a_submission_as_it_is_written(rude: RudePlatform, rude_api: GuideApi) -> None:
    rude.will(Answer(202, {"jobId": 77}))
    assert rude_api.submit(FILTERED) == "77"
    (request,) = rude.requests
    assert (request.method, request.path) == ("POST", "/api/v2/recordings/jobs")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "application/json"
    assert json.loads(request.body) == {
        "type": "export",
        "filter": {
            "queueId": "claims",
            "dateFrom": "2024-05-01T00:00:00.000Z",
            "dateTo": "2024-05-01T23:59:59.999Z",
        },
        "jobDetails": [{"type": "recording", "format": "wav"}],
    }


@pytest.mark.parametrize(
    ("start", "end", "wire"),
    [
        (
            datetime(2024, 5, 1, 0, 0, 0, 5000, UTC),
            datetime(2024, 5, 1, 0, 0, 0, 6000, UTC),
            ("2024-05-01T00:00:00.005Z", "2024-05-01T00:00:00.005Z"),
        ),
        (
            datetime(2024, 2, 29, 18, tzinfo=UTC),
            datetime(2024, 3, 1, tzinfo=UTC),
            ("2024-02-29T18:00:00.000Z", "2024-02-29T23:59:59.999Z"),
        ),
    ],
)
def test_the_end_of_a_window_is_a_millisecond_later_than_on_the_wire(
    rude: RudePlatform, rude_api: GuideApi, start: datetime, end: datetime, wire: tuple[str, str]
) -> None:
    rude.will(Answer(200, {"total": 0}))
    rude_api.volume(ExportRequest(REQUEST.organisation, ExportWindow(start, end), "mp3"))
    query = parse_qs(urlsplit(rude.requests[0].path).query)
    assert (query["dateFrom"], query["dateTo"]) == ([wire[0]], [wire[1]])


# -- a volume --------------------------------------------------------------------------------------------------------


def test_a_volume_as_it_is_asked_for(rude: RudePlatform, rude_api: GuideApi) -> None:
    rude.will(Answer(200, {"total": 123, "entities": [{}], "unheard": "of"}))
    assert rude_api.volume(FILTERED) == 123
    parts = urlsplit(rude.requests[0].path)
    assert parts.path == "/api/v2/recordings"
    assert parse_qs(parts.query) == {
        "queueId": ["claims"],
        "dateFrom": ["2024-05-01T00:00:00.000Z"],
        "dateTo": ["2024-05-01T23:59:59.999Z"],
        "pageSize": ["1"],
    }


@pytest.mark.parametrize("page", [{}, {"total": None}, {"total": "7"}, {"total": -1}])
def test_a_page_without_a_total_is_no_volume(rude: RudePlatform, rude_api: GuideApi, page: dict[str, Any]) -> None:
    rude.will(Answer(200, page))
    with pytest.raises(Passing, match=r"has no 'total' for window \[2024-05-01T00:00:00Z"):
        rude_api.volume(REQUEST)


# -- a poll ----------------------------------------------------------------------------------------------------------


def test_a_completed_job_as_it_is_read(rude: RudePlatform, rude_api: GuideApi) -> None:
    rude.will(
        Answer(
            200,
            {
                "jobId": "another name",
                "status": "COMPLETED",
                "url": "https://bucket/manifest?sig",
                "expiresAt": "2024-05-01T12:00:00.000Z",
                "unheard": {"of": True},
                "jobDetails": [
                    {"id": "a", "url": "https://bucket/a?sig", "unheard": "of"},
                    {"recordingId": "b", "url": ""},
                    {"id": 3},
                    {"id": "a", "url": "https://bucket/again?sig"},
                    {"recordingId": "b", "url": "https://bucket/b?sig"},
                ],
            },
        )
    )
    assert rude_api.job(REQUEST, "job") == ExportJob(
        "job",
        JobStatus.COMPLETED,
        "COMPLETED",
        "https://bucket/manifest?sig",
        EXPIRES_AT,
        (
            Recording("a", "https://bucket/a?sig"),
            Recording("b", "https://bucket/b?sig"),
            Recording("3", None),
        ),
    )


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("submitted", JobStatus.RUNNING),
        ("processing", JobStatus.RUNNING),
        ("queued for transcoding", JobStatus.RUNNING),
        (None, JobStatus.RUNNING),
        ("failed", JobStatus.FAILED),
        ("canceled", JobStatus.CANCELED),
        ("cancelled", JobStatus.CANCELED),
    ],
)
def test_a_job_that_echoes_what_was_asked_is_read_by_its_status(
    rude: RudePlatform, rude_api: GuideApi, word: str | None, status: JobStatus
) -> None:
    """Until it has completed, ``jobDetails`` may be those of the submission."""
    rude.will(Answer(200, {"status": word, "url": None, "jobDetails": [{"type": "recording", "format": "mp3"}]}))
    job = rude_api.job(REQUEST, "job")
    assert (job.status, job.word, job.recordings) == (status, word or "missing", ())


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("aborted", "aborted"),
        ({"message": "aborted", "code": "x"}, "aborted"),
        ({"code": "x"}, "{'code': 'x'}"),
        (["aborted"], "['aborted']"),
        (None, None),
        ("", None),
        ({}, None),
    ],
)
def test_the_words_of_a_failure_are_kept_whatever_their_form(
    rude: RudePlatform, rude_api: GuideApi, error: Any, told: str | None
) -> None:
    rude.will(Answer(200, {"status": "failed", "error": error}))
    assert rude_api.job(REQUEST, "job").error == told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01T12:00:00Z", EXPIRES_AT),
        ("2024-05-01T12:00:00+00:00", EXPIRES_AT),
        ("2024-05-01T14:00:00.000+02:00", EXPIRES_AT),
        ("2024-05-01T12:00:00", None),
        ("tomorrow", None),
        (None, None),
        (1714564800, None),
    ],
)
def test_expires_at_is_read_where_it_is_an_instant(
    rude: RudePlatform, rude_api: GuideApi, text: Any, expected: float | None
) -> None:
    rude.will(Answer(200, {"status": "completed", "expiresAt": text}))
    assert rude_api.job(REQUEST, "job").expires_at == expected


@pytest.mark.parametrize(
    "details", [[{"url": "https://bucket/a?sig"}], [{"id": ""}], ["a"], {"a": {"id": "a"}}, [{"id": "a"}, None]]
)
def test_a_completed_job_with_a_recording_that_has_no_id_is_a_broken_answer(
    rude: RudePlatform, rude_api: GuideApi, details: Any
) -> None:
    rude.will(Answer(200, {"status": "completed", "jobDetails": details}))
    with pytest.raises(Passing, match="job job lists a recording without an id"):
        rude_api.job(REQUEST, "job")


def test_a_job_that_the_platform_does_not_know_has_failed_in_its_words(simulate: Simulate, connect: Connect) -> None:
    job = GuideApi(connect(simulate().url)).job(REQUEST, "gone")
    assert (job.job_id, job.status, job.word) == ("gone", JobStatus.FAILED, "not found")
    assert job.error is not None
    assert job.error.startswith("Recording job gone not found. (status 404")


def test_any_other_refusal_of_a_poll_is_raised(simulate: Simulate, connect: Connect) -> None:
    api = GuideApi(connect(simulate(faults=[Fault("forbidden", route="poll")]).url))
    with pytest.raises(Refused, match="Recording > Job > View and the scope recording:job:view"):
        api.job(REQUEST, "any")


@pytest.mark.parametrize("job_id", ["../../../oauth/token", "a/b", "a?b=c", "a#b", "%2e%2e", "ä"])
def test_a_hostile_job_id_stays_one_segment_of_the_path(rude: RudePlatform, rude_api: GuideApi, job_id: str) -> None:
    rude_api.job(REQUEST, job_id)
    (request,) = rude.requests
    assert request.path.count("/") == 5
    assert request.path.startswith("/api/v2/recordings/jobs/")
    assert "?" not in request.path


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"[1]", b'"text"'])
def test_a_poll_whose_answer_is_no_json_object_may_pass(rude: RudePlatform, rude_api: GuideApi, body: bytes) -> None:
    rude.will(Answer(200, body))
    with pytest.raises(Passing, match="the answer is no JSON object"):
        rude_api.job(REQUEST, "job")


ASKS: dict[str, Callable[[GuideApi], object]] = {
    "volume": lambda api: api.volume(REQUEST),
    "submit": lambda api: api.submit(REQUEST),
    "poll": lambda api: api.job(REQUEST, api.submit(REQUEST)),
}


@pytest.mark.parametrize("kind", ["dropped_connection", "invalid_json", "server_errors", "rate_limited", "forbidden"])
@pytest.mark.parametrize("route", ASKS)
def test_every_fault_of_the_wire_is_one_of_the_domains(
    simulate: Simulate, connect: Connect, route: str, kind: str
) -> None:
    """Nothing of requests, urllib3 or JSON comes through."""
    simulator = simulate(faults=[Fault(kind, times=None, route=route)])
    with pytest.raises(ExportError):
        ASKS[route](GuideApi(connect(simulator.url, tries=2)))
    assert simulator.stats.requests[route] >= 1


# -- what can be asked for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("media_format", "asked"), [("", "mp3"), ("mp3", "mp3"), ("wav", "wav")])
def test_mp3_is_the_usual_format(rude_api: GuideApi, media_format: str, asked: str) -> None:
    assert rude_api.checked(replace(REQUEST, media_format=media_format)).media_format == asked


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"media_format": "original"}, "'original', which the guide's API can't be asked for: say mp3 or wav"),
        ({"media": ("audio", "screen")}, "has calls only"),
        ({"filters": {"dateFrom": "2024-05-01T00:00:00Z"}}, "must not say dateFrom"),
        ({"filters": {"dateTo": "2024-05-01T00:00:00Z", "dateFrom": ""}}, "must not say dateFrom or dateTo"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_any_request(
    rude: RudePlatform, rude_api: GuideApi, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        rude_api.checked(replace(REQUEST, **changes))
    assert rude.requests == []


def test_a_job_takes_a_whole_window_and_has_its_own_manifest(rude: RudePlatform, rude_api: GuideApi) -> None:
    job = ExportJob("job", JobStatus.COMPLETED)
    assert (rude_api.parts(REQUEST), rude_api.available_until(), rude_api.manifest(REQUEST, job)) == (None, None, None)
    assert rude_api.missing(REQUEST, job) == ()
    assert rude.requests == []
