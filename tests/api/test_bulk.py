# SPDX-License-Identifier: Apache-2.0
"""Bulk jobs over the wire: made, ready, started, fulfilled, delivered; found again, refused, discarded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_genesys.api import bulkjobs
from airflow_provider_genesys.api.bulk import BulkApi
from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.media import GONE
from airflow_provider_genesys.api.selection import FILTERS, MEDIA
from airflow_provider_genesys.export.errors import ExportError, InvalidInput, NotYet, OutcomeUnknown, Passing, Refused
from airflow_provider_genesys.export.model import ExportJob, ExportRequest, ExportWindow, JobStatus, Organisation
from airflow_provider_genesys.simulator import Fault, Simulator
from airflow_provider_genesys.simulator.universe import QUEUE_IDS
from tests.api.rude import Answer, RudePlatform
from tests.export.memory.clock import Clock

DAY = ExportWindow(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC))
REQUEST = ExportRequest(Organisation("api.mypurecloud.com", "demo"), DAY, "original")
NEXT_DAY = replace(REQUEST, window=ExportWindow(DAY.end, DAY.end + timedelta(days=1)))
NOON = DAY.end + timedelta(hours=36)
INTEGRATION = "simulated-integration"
PENDING, PROCESSING, DELIVERING = 60.0, 600.0, 3600.0

Simulate = Callable[..., Simulator]
Connect = Callable[..., GenesysClient]
Build = Callable[..., tuple[BulkApi, Simulator]]


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def bulk(simulate: Simulate, connect: Connect, clock: Clock) -> Build:
    """The API of a simulator at noon of the day after; jobs take as long as the constants say."""

    def build(include_numbers: bool = False, **changes: Any) -> tuple[BulkApi, Simulator]:
        usual = {
            "clients": {"demo": "secret-that-nobody-may-see", "other": "secret-that-nobody-may-see"},
            "details_job_seconds": 0,
            "bulk_pending_seconds": PENDING,
            "bulk_processing_seconds": PROCESSING,
            "delivery_seconds": DELIVERING,
        }
        simulator = simulate(clock=clock, **usual | changes)
        client = connect(simulator.url, tries=1)
        api = BulkApi(client, INTEGRATION, include_numbers=include_numbers, clock=clock, sleep=clock.sleep)
        return api, simulator

    return build


@pytest.fixture
def rude_api(rude: RudePlatform, connect: Connect, clock: Clock) -> BulkApi:
    return BulkApi(connect(rude.url, tries=1), INTEGRATION, clock=clock, sleep=clock.sleep)


def fulfilled(api: BulkApi, clock: Clock, request: ExportRequest = REQUEST) -> ExportJob:
    """A request's job, from its submission to its end."""
    job_id = api.submit(request)
    clock.sleep(PENDING)
    api.start(job_id)
    clock.sleep(PROCESSING)
    return api.job(request, job_id)


def known_jobs(simulator: Simulator) -> list[dict[str, Any]]:
    """What the simulator knows of bulk jobs."""
    jobs: list[dict[str, Any]] = requests.get(f"{simulator.url}/_simulator/bulk_jobs", timeout=5).json()
    return jobs


def wait_for_delivery(simulator: Simulator) -> None:
    """Its clock is ours, its diligence its own."""
    until = time.monotonic() + 10.0
    while any(job["deliveredAt"] is None for job in known_jobs(simulator) if job["state"] == "FULFILLED"):
        assert time.monotonic() < until
        time.sleep(0.02)


def written(**changes: Any) -> dict[str, Any]:
    """A job as the platform writes it."""
    return {"id": "job", "state": "PENDING", "dateCreated": "2024-05-03T12:00:00.000Z", **changes}


# -- the story of a job ----------------------------------------------------------------------------------------------


def test_a_job_is_pending_ready_processing_and_fulfilled(bulk: Build, clock: Clock) -> None:
    api, simulator = bulk(calls_per_day=30)
    job_id = api.submit(REQUEST)
    assert api.job(REQUEST, job_id).status is JobStatus.RUNNING
    clock.sleep(PENDING)
    ready = api.job(REQUEST, job_id)
    assert (ready.status, ready.word) == (JobStatus.READY, "READY")
    assert ready.size is not None
    assert ready.size >= 30
    assert list(api.ready()) == [job_id]
    api.start(job_id)
    assert api.job(REQUEST, job_id).status is JobStatus.RUNNING
    clock.sleep(PROCESSING)
    job = api.job(REQUEST, job_id)
    assert (job.status, job.size) == (JobStatus.COMPLETED, ready.size)
    assert not api.ready()
    assert simulator.stats.bulk_jobs == 1


def test_a_job_that_nobody_starts_stays_ready_for_ever(bulk: Build, clock: Clock) -> None:
    """Who only submits and polls waits for ever: the domain starts it."""
    api, _ = bulk()
    job_id = api.submit(REQUEST)
    clock.sleep(30 * 86_400)
    assert api.job(REQUEST, job_id).status is JobStatus.READY


def test_what_a_job_delivers_is_told_with_where_to_look(bulk: Build, clock: Clock) -> None:
    api, simulator = bulk(calls_per_day=30)
    began = clock()
    job = fulfilled(api, clock)
    delivery = api.delivery(REQUEST, job)
    assert (delivery.job_id, delivery.begun_at, delivery.recordings) == (job.job_id, began, job.size)
    assert (delivery.skipped, delivery.failed) == (0, ())
    assert len(delivery.own) == 30
    assert set(delivery.own) <= delivery.conversations.keys()
    own = {one: delivery.conversations[one] for one in delivery.own}
    assert all(DAY.start.timestamp() <= start < DAY.end.timestamp() for start in own.values())
    assert api.missing(REQUEST, job) == list(own), "until the bucket is looked at, nothing came"
    assert simulator.stats.destructive_jobs == 0


def test_a_call_that_goes_on_when_the_window_begins_is_looked_at_and_belongs_to_the_window_before(
    bulk: Build, clock: Clock
) -> None:
    api, _ = bulk(calls_per_day=2000)
    first, second = (api.delivery(request, fulfilled(api, clock, request)) for request in (REQUEST, NEXT_DAY))
    shared = first.conversations.keys() & second.conversations.keys()
    assert shared
    assert shared <= set(first.own)
    assert shared.isdisjoint(second.own)
    assert second.skipped > 0, "what the first has exported, the second skips"


def test_what_was_exported_before_is_skipped_for_ever_and_says_when(bulk: Build, clock: Clock) -> None:
    api, simulator = bulk(calls_per_day=10)
    fulfilled(api, clock)
    clock.sleep(DELIVERING)
    wait_for_delivery(simulator)
    clock.sleep(1.0)
    again = api.delivery(REQUEST, fulfilled(api, clock))
    assert again.skipped == again.recordings
    recordings = api.absent(REQUEST, again, again.own)
    assert {one.conversation_id for one in recordings} == set(again.own)
    assert all(one.reason and one.reason.startswith("it was exported before, on 2024-05-03T") for one in recordings)
    assert not any(api.may_come_back(one.reason or "") for one in recordings)
    assert [state for state, reason in GONE.items() if not api.may_come_back(reason)] == ["DELETED"]


def test_what_is_on_its_way_has_no_reason_to_be_absent(bulk: Build, clock: Clock) -> None:
    api, simulator = bulk(calls_per_day=10)
    delivery = api.delivery(REQUEST, fulfilled(api, clock))
    assert {one.reason for one in api.absent(REQUEST, delivery, delivery.own)} == {None}
    clock.sleep(DELIVERING)
    wait_for_delivery(simulator)
    assert {one.reason for one in api.absent(REQUEST, delivery, delivery.own)} == {None}, "exported by this very job"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("archived_media", "must be restored there first"),
        ("restoring_media", "is being restored"),
        ("deleted_media", "was deleted"),
    ],
)
def test_media_that_can_not_be_had_say_why(bulk: Build, clock: Clock, kind: str, words: str) -> None:
    api, _ = bulk(calls_per_day=3, faults=[Fault(kind, times=None)])
    delivery = api.delivery(REQUEST, fulfilled(api, clock))
    reasons = [one.reason for one in api.absent(REQUEST, delivery, delivery.own)]
    assert reasons
    assert all(reason and words in reason for reason in reasons)


def test_failed_recordings_are_named_whatever_their_number(
    bulk: Build, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulkjobs, "PAGE", 7)
    api, _ = bulk(calls_per_day=20, faults=[Fault("failed_exports", times=None)])
    delivery = api.delivery(REQUEST, fulfilled(api, clock))
    assert len({one.recording_id for one in delivery.failed}) == delivery.recordings > 14
    assert {one.conversation_id for one in delivery.failed} <= delivery.conversations.keys()
    assert {one.reason for one in delivery.failed} == {f"bulk job {delivery.job_id} failed to export it"}


def test_a_window_without_calls_has_a_delivery_without_recordings(bulk: Build, clock: Clock) -> None:
    api, _ = bulk(calls_per_day=0)
    delivery = api.delivery(REQUEST, fulfilled(api, clock))
    assert (delivery.recordings, delivery.own, delivery.failed) == (0, (), ())


def test_screens_are_exported_where_they_are_asked_for(bulk: Build, clock: Clock) -> None:
    api, _ = bulk(calls_per_day=60)
    job_id = api.submit(REQUEST)
    both = api.submit(replace(REQUEST, media=("audio", "screen")))
    clock.sleep(PENDING)
    audio, screens = (api.job(REQUEST, one).size for one in (job_id, both))
    assert audio is not None
    assert screens is not None
    assert screens > audio


def test_a_window_that_the_data_lake_has_not_reached_waits(bulk: Build) -> None:
    api, _ = bulk(availability_lag_seconds=48 * 3600)
    with pytest.raises(Passing, match="knows what was recorded until"):
        api.parts(REQUEST)


# -- slots -----------------------------------------------------------------------------------------------------------


def test_a_third_job_waits(bulk: Build, clock: Clock) -> None:
    api, simulator = bulk()
    api.submit(REQUEST)
    api.submit(NEXT_DAY)
    with pytest.raises(NotYet, match="2 bulk jobs of an organisation at a time, and 2 are pending or processing"):
        api.submit(replace(REQUEST, filters={"queueId": QUEUE_IDS[0]}))
    clock.sleep(PENDING)
    api.submit(replace(REQUEST, filters={"queueId": QUEUE_IDS[0]}))
    assert simulator.stats.bulk_jobs == 3, "what is ready takes no slot"


def test_the_jobs_of_administrators_take_slots_too(bulk: Build, clock: Clock) -> None:
    api, _ = bulk(foreign_bulk_jobs=2, foreign_bulk_seconds=PROCESSING)
    with pytest.raises(NotYet, match="perhaps an administrator's"):
        api.submit(REQUEST)
    clock.sleep(PROCESSING)
    api.submit(REQUEST)


def test_a_start_waits_for_a_slot_as_well(bulk: Build, clock: Clock) -> None:
    api, _ = bulk()
    job_ids = [api.submit(REQUEST), api.submit(NEXT_DAY)]
    clock.sleep(PENDING)
    job_ids.append(api.submit(replace(REQUEST, filters={"queueId": QUEUE_IDS[0]})))
    clock.sleep(PENDING)
    for job_id in job_ids[:2]:
        api.start(job_id)
    with pytest.raises(NotYet, match=r"job .* waits"):
        api.start(job_ids[2])
    clock.sleep(PROCESSING)
    api.start(job_ids[2])


@pytest.mark.parametrize("status", [400, 409])
def test_a_refusal_for_another_reason_is_told(rude: RudePlatform, rude_api: BulkApi, status: int) -> None:
    refusal = {"message": "conversationQuery is too old", "code": "bad.request", "status": status, "contextId": "c-1"}
    rude.will(*[Answer(status, refusal), Answer(200, {"entities": []})] * 3)
    with pytest.raises(Refused, match="conversationQuery is too old"):
        rude_api.submit(REQUEST)


def test_a_slot_that_came_free_before_anybody_looked_is_taken(rude: RudePlatform, rude_api: BulkApi) -> None:
    full = {"message": "2 jobs pending or processing", "code": "bad.request", "status": 400, "contextId": "c-1"}
    rude.will(Answer(400, full), Answer(200, {"entities": []}), Answer(202, {"id": "j-3"}))
    assert rude_api.submit(REQUEST) == "j-3"


def test_a_rate_limit_is_no_want_of_a_slot(rude: RudePlatform, rude_api: BulkApi) -> None:
    rude.will(Answer(429, {"message": "slow down"}, (("Retry-After", "7200"),)), Answer(200, {"entities": []}))
    with pytest.raises(Passing) as passing:
        rude_api.submit(REQUEST)
    assert not isinstance(passing.value, NotYet)
    assert passing.value.retry_after == 7200.0


# -- orphans ---------------------------------------------------------------------------------------------------------


def test_a_job_whose_answer_was_lost_is_found_by_its_query(bulk: Build) -> None:
    api, simulator = bulk(faults=[Fault("bulk_lost")])
    with pytest.raises(OutcomeUnknown):
        api.submit(REQUEST)
    (made,) = [job["id"] for job in known_jobs(simulator)]
    assert api.orphan(REQUEST, []) == made
    assert api.orphan(REQUEST, [made]) is None
    for other in (
        NEXT_DAY,
        replace(REQUEST, window=ExportWindow(DAY.start, DAY.end - timedelta(milliseconds=1))),
        replace(REQUEST, media=("audio", "screen")),
        replace(REQUEST, filters={"queueId": QUEUE_IDS[0]}),
    ):
        assert api.orphan(other, []) is None


def test_a_job_with_more_filters_is_no_orphan_of_a_request_with_fewer(bulk: Build) -> None:
    api, _ = bulk()
    api.submit(replace(REQUEST, filters={"queueId": QUEUE_IDS[0], "direction": "inbound"}))
    assert api.orphan(REQUEST, []) is None
    assert api.orphan(replace(REQUEST, filters={"queueId": QUEUE_IDS[0]}), []) is None


def test_an_orphan_is_found_on_the_last_page(bulk: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulkjobs, "PAGE", 3)
    api, _ = bulk()
    for number in range(10):
        window = ExportWindow(DAY.start + timedelta(hours=number), DAY.end)
        api.discard(api.submit(replace(REQUEST, window=window)))
    made = api.submit(NEXT_DAY)
    assert api.orphan(NEXT_DAY, []) == made


def test_a_rehearsal_that_was_left_behind_is_used(bulk: Build) -> None:
    api, _ = bulk()
    assert api.rehearse(REQUEST) == api.rehearse(REQUEST) != api.rehearse(NEXT_DAY)


def test_neither_a_discarded_job_nor_a_rehearsal_nor_another_clients_is_an_orphan(
    bulk: Build, connect: Connect, clock: Clock
) -> None:
    api, simulator = bulk()
    api.discard(api.submit(REQUEST))
    api.rehearse(REQUEST)
    BulkApi(connect(simulator.url, client_id="other"), INTEGRATION, clock=clock).submit(REQUEST)
    assert api.orphan(REQUEST, []) is None


def test_a_query_is_recognised_as_the_platform_writes_it(rude: RudePlatform, rude_api: BulkApi) -> None:
    rude.will(Answer(202, written()))
    rude_api.submit(REQUEST)
    query = json.loads(rude.requests[-1].body)
    query["conversationQuery"] |= {"interval": "2024-05-01T00:00Z/2024-05-02T00:00Z", "limit": 0, "surveyFilters": []}
    del query["includeRecordingsWithSensitiveData"], query["includeScreenRecordings"]
    rude.will(Answer(200, {"entities": [written(recordingJobsQuery={**query, "clearExport": False})]}))
    assert rude_api.orphan(REQUEST, []) == "job"
    query["conversationQuery"]["conversationFilters"] = [{"type": "and", "predicates": []}]
    rude.will(Answer(200, {"entities": [written(recordingJobsQuery=query)]}))
    assert rude_api.orphan(REQUEST, []) is None


def test_a_cursor_that_leads_in_a_circle_ends(rude: RudePlatform, rude_api: BulkApi) -> None:
    rude.will(Answer(200, {"entities": [], "nextUri": "/api/v2/recording/jobs?cursor=abc"}))
    with pytest.raises(Passing, match="leads in a circle"):
        rude_api.ready()


# -- start and discard -----------------------------------------------------------------------------------------------


def test_starting_twice_changes_nothing(bulk: Build, clock: Clock) -> None:
    api, _ = bulk()
    job_id = api.submit(REQUEST)
    clock.sleep(PENDING)
    api.start(job_id)
    api.start(job_id)
    clock.sleep(PROCESSING)
    api.start(job_id)
    assert api.job(REQUEST, job_id).status is JobStatus.COMPLETED


def test_only_its_creator_may_start_a_job(bulk: Build, connect: Connect, clock: Clock) -> None:
    api, simulator = bulk()
    job_id = api.submit(REQUEST)
    clock.sleep(PENDING)
    with pytest.raises(Refused, match="and is the client that made the job"):
        BulkApi(connect(simulator.url, client_id="other"), INTEGRATION, clock=clock).start(job_id)


def test_a_discarded_job_exports_nothing_and_is_gone_to_whoever_discards_it_again(bulk: Build, clock: Clock) -> None:
    api, simulator = bulk()
    job_id = api.submit(REQUEST)
    clock.sleep(PENDING)
    api.discard(job_id)
    api.discard(job_id)
    api.discard("00000000-0000-4000-8000-000000000000")
    assert api.job(REQUEST, job_id).status is JobStatus.CANCELED
    assert not api.ready()
    assert [job["state"] for job in known_jobs(simulator)] == ["CANCELLED"]


def test_what_is_fulfilled_is_not_discarded_any_more(bulk: Build, clock: Clock) -> None:
    api, _ = bulk()
    job = fulfilled(api, clock)
    api.discard(job.job_id)
    assert api.job(REQUEST, job.job_id).status is JobStatus.COMPLETED


# -- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("conversation query timed out", None),
        ("Request timeout", None),
        ("S3 bucket is not reachable", "S3 bucket is not reachable"),
        (None, None),
    ],
)
def test_a_job_fails_in_its_words_and_without_any_where_its_query_was_too_large(
    rude: RudePlatform, rude_api: BulkApi, message: str | None, told: str | None
) -> None:
    rude.will(Answer(200, written(state="FAILED", errorMessage=message)))
    job = rude_api.job(REQUEST, "job")
    assert (job.status, job.error) == (JobStatus.FAILED, told)


def test_a_job_that_the_platform_does_not_know_has_failed_in_its_words(bulk: Build) -> None:
    api, _ = bulk()
    job = api.job(REQUEST, "gone")
    assert (job.status, job.word) == (JobStatus.FAILED, "not found")
    assert job.error is not None


def test_an_unknown_state_is_waited_out(rude: RudePlatform, rude_api: BulkApi) -> None:
    rude.will(Answer(200, written(state="PAUSED")))
    assert rude_api.job(REQUEST, "job").status is JobStatus.RUNNING


@pytest.mark.parametrize("answer", [Answer(202, {}), Answer(202, b"not json")])
def test_a_submission_without_an_id_may_have_made_a_job(rude: RudePlatform, rude_api: BulkApi, answer: Answer) -> None:
    rude.will(answer)
    with pytest.raises(OutcomeUnknown):
        rude_api.submit(REQUEST)
    assert len(rude.requests) == 1, "it is not repeated blindly"


# -- nothing but EXPORT ----------------------------------------------------------------------------------------------

WORDS = st.sampled_from(["DELETE", "ARCHIVE", "delete", "action", "clearExport", "EXPORT", '","action":"DELETE', "x"])
VALUES = st.one_of(WORDS, st.lists(WORDS, max_size=3), st.integers(), st.dictionaries(WORDS, WORDS, max_size=2))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    filters=st.dictionaries(st.one_of(st.sampled_from(FILTERS), WORDS), VALUES, max_size=4),
    media=st.lists(st.one_of(st.sampled_from(MEDIA), WORDS), max_size=3),
    media_format=st.one_of(st.sampled_from(["", "auto", "original"]), WORDS),
    integration=WORDS,
)
def test_nothing_can_make_a_job_say_anything_but_export(
    rude: RudePlatform, connect: Connect, filters: Any, media: list[str], media_format: str, integration: str
) -> None:
    """Arguments, filters and extras try to."""
    rude.will(Answer(202, written()))
    api = BulkApi(connect(rude.url, tries=1), integration)
    rude.requests.clear()
    wanted = replace(REQUEST, filters=filters, media=tuple(media), media_format=media_format)
    try:
        checked = api.checked(wanted)
    except InvalidInput:
        assert not rude.requests
        checked = wanted  # what goes round the check changes nothing, either
    for make in (api.submit, api.rehearse):
        try:
            make(checked)
        except (AttributeError, TypeError):  # no JSON comes of it at all
            continue
    for request in rude.requests:
        if request.method == "GET":
            continue
        assert request.method == "POST"
        body = json.loads(request.body)
        assert body.keys() == {
            "action",
            "actionDate",
            "integrationId",
            "includeRecordingsWithSensitiveData",
            "includeScreenRecordings",
            "includePolicyBasedRecordings",
            "includeSnippetRecordings",
            "conversationQuery",
        }
        assert body["action"] == "EXPORT"
        assert body["includeRecordingsWithSensitiveData"] is False
        assert body["conversationQuery"].keys() <= {
            "interval",
            "order",
            "orderBy",
            "segmentFilters",
            "conversationFilters",
        }


# -- what can be asked for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"media_format": "mp3"}, "bulk jobs export what was recorded: say original"),
        ({"filters": {"minDurationSeconds": 5}}, "bulk jobs know no filter minDurationSeconds"),
        ({"filters": {"action": "DELETE"}}, "filters has 'action'"),
        ({"media": ("screen",)}, "say media audio and screen"),
        ({"media": ("video",)}, "media must be one or more of"),
    ],
)
def test_what_a_bulk_job_can_not_do_is_refused_before_any_request(
    rude: RudePlatform, rude_api: BulkApi, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        rude_api.checked(replace(REQUEST, **changes))
    assert not rude.requests


def test_the_original_is_the_default(rude_api: BulkApi) -> None:
    assert rude_api.checked(replace(REQUEST, media_format="")) == REQUEST


# -- a connection's test ---------------------------------------------------------------------------------------------


def test_an_organisation_says_what_it_answers(bulk: Build) -> None:
    api, simulator = bulk(foreign_bulk_jobs=1, foreign_bulk_seconds=PROCESSING)
    said = api.answers(REQUEST.organisation)
    assert "integration " in said
    assert "1 of 2 bulk jobs are under way" in said
    assert simulator.stats.bulk_jobs == 0, "no job was made for it"


def test_an_integration_that_is_switched_off_is_named(bulk: Build) -> None:
    api, _ = bulk(integration_active=False)
    with pytest.raises(InvalidInput, match="not ENABLED and ACTIVE: switch it on under Admin > Integrations"):
        api.answers(REQUEST.organisation)


def test_an_integration_that_there_is_none_of_is_named(bulk: Build) -> None:
    api, _ = bulk(integration="another")
    with pytest.raises(InvalidInput, match="no integration 'simulated-integration': the connection's extra"):
        api.answers(REQUEST.organisation)


@pytest.mark.parametrize(
    ("route", "permission"),
    [
        ("integration", "Integrations > Integration > View"),
        ("details_query", "Analytics > Conversation Detail > View"),
        ("bulk_list", "Recording > Job > View"),
        ("bulk_execute", "Recording > Job > Edit"),
        ("bulk_delete", "Recording > Job > Delete"),
    ],
)
def test_a_permission_that_is_missing_is_named(bulk: Build, route: str, permission: str) -> None:
    api, simulator = bulk()
    simulator.faults = [Fault("forbidden", route=route)]
    with pytest.raises(ExportError, match=permission):
        api.answers(REQUEST.organisation)
