# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import requests

from airflow_provider_genesys.simulator import Fault, Simulator
from airflow_provider_genesys.simulator.conversations import DIVISION_IDS, WRAP_UP_IDS
from airflow_provider_genesys.simulator.universe import AGENT_IDS, QUEUE_IDS
from tests.simulator.conftest import Caller, Clock
from tests.simulator.platform.worlds import DAY

Simulate = Callable[..., Simulator]
Calling = Callable[..., Caller]
PATH = "/api/v2/analytics/conversations/details"


def matches(dimension: str, value: str) -> dict[str, Any]:
    return {"type": "dimension", "dimension": dimension, "operator": "matches", "value": value}


RECORDED = {"type": "dimension", "dimension": "recording", "operator": "exists"}


def every(*predicates: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "and", "predicates": list(predicates)}]


def query(caller: Caller, page: int = 1, size: int = 100, interval: str = DAY, **wish: Any) -> dict[str, Any]:
    order = {"interval": interval, "paging": {"pageSize": size, "pageNumber": page}, **wish}
    answer = caller.post(f"{PATH}/query", order)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def all_of(caller: Caller, **wish: Any) -> list[dict[str, Any]]:
    conversations: list[dict[str, Any]] = []
    total = 1
    while len(conversations) < total:
        answer = query(caller, len(conversations) // 100 + 1, **wish)
        total = answer["totalHits"]
        conversations += answer["conversations"]
    return conversations


def sessions(conversation: dict[str, Any], purpose: str) -> list[dict[str, Any]]:
    return [
        session for each in conversation["participants"] if each["purpose"] == purpose for session in each["sessions"]
    ]


def ids(conversations: list[dict[str, Any]]) -> list[str]:
    return [each["conversationId"] for each in conversations]


def test_a_page_has_25_conversations_unless_told_otherwise_and_100_at_most(
    simulate: Simulate, calling: Calling
) -> None:
    caller = calling(simulate(calls_per_day=180))
    plain = caller.post(f"{PATH}/query", {"interval": DAY}).json()
    assert (len(plain["conversations"]), plain["totalHits"]) == (25, 200)
    assert len(query(caller)["conversations"]) == 100
    refused = caller.post(f"{PATH}/query", {"interval": DAY, "paging": {"pageSize": 101}})
    assert refused.status_code == 400
    assert "from 1 to 100" in refused.json()["message"]


def test_pages_in_either_order_show_each_conversation_once(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(calls_per_day=180))
    forth = all_of(caller, order="asc", orderBy="conversationStart")
    back = all_of(caller, order="desc", orderBy="conversationStart")
    assert len(set(ids(forth))) == 200
    assert ids(forth) == ids(back)[::-1]
    starts = [each["conversationStart"] for each in forth]
    assert starts == sorted(starts)


def test_a_query_finds_what_started_on_a_day_that_the_interval_touches(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(calls_per_day=9))
    hour = query(caller, interval="2024-05-01T13:00:00Z/2024-05-01T14:00:00Z")
    assert hour["totalHits"] == 10
    assert {each["conversationStart"][:10] for each in hour["conversations"]} == {"2024-05-01"}
    assert query(caller, interval="2024-05-01T23:00:00Z/2024-05-02T01:00:00Z")["totalHits"] == 20
    assert query(caller, interval="2024-05-01T00:00:00+02:00/2024-05-02T00:00:00+02:00")["totalHits"] == 20


def test_an_interval_is_7_days_at_most(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(calls_per_day=9))
    assert query(caller, interval="2024-05-01T00:00:00Z/2024-05-08T00:00:00Z")["totalHits"] == 70
    assert (
        caller.post(f"{PATH}/query", {"interval": "2024-05-01T00:00:00Z/2024-05-08T00:00:00.001Z"}).status_code == 400
    )


def test_a_query_has_limits_of_age_and_of_records_where_the_universe_says_so(
    simulate: Simulate, calling: Calling
) -> None:
    caller = calling(simulate(query_age_days=35, query_records=200, calls_per_day=360))
    assert len(query(caller, 2)["conversations"]) == 100
    beyond = caller.post(f"{PATH}/query", {"interval": DAY, "paging": {"pageSize": 100, "pageNumber": 3}})
    assert (beyond.status_code, "200 conversations" in beyond.json()["message"]) == (400, True)
    old = caller.post(f"{PATH}/query", {"interval": "2024-03-01T00:00:00Z/2024-03-02T00:00:00Z"})
    assert (old.status_code, "35 days" in old.json()["message"]) == (400, True)


def test_recorded_calls_are_exactly_those_of_the_guides_api(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(calls_per_day=180))
    found = all_of(caller, segmentFilters=every(matches("mediaType", "voice"), RECORDED))
    calls = [caller.volume(pageSize=100, pageNumber=page).json()["entities"] for page in (1, 2)]
    assert ids(found) == [each["conversationId"] for page in calls for each in page]
    assert all(session["recording"] for each in found for session in sessions(each, "agent"))
    unrecorded = [{"type": "and", "predicates": [matches("mediaType", "voice"), {**RECORDED, "operator": "notExists"}]}]
    assert query(caller, segmentFilters=unrecorded)["totalHits"] == 5


@pytest.mark.parametrize(
    "wish",
    [
        {"segmentFilters": every(matches("queueId", QUEUE_IDS[1]))},
        {"segmentFilters": every(matches("userId", AGENT_IDS[3]))},
        {"segmentFilters": every(matches("direction", "outbound"))},
        {"segmentFilters": every(matches("wrapUpCode", WRAP_UP_IDS[2]), RECORDED)},
        {"segmentFilters": every({**RECORDED, "dimension": "screenRecording"})},
        {"segmentFilters": every(matches("mediaType", "chat"))},
        {"segmentFilters": [*every(matches("queueId", QUEUE_IDS[0])), *every(matches("queueId", QUEUE_IDS[2]))]},
        {
            "segmentFilters": [
                {
                    "type": "or",
                    "clauses": [
                        {"type": "or", "predicates": [matches("queueId", queue)]}
                        for queue in (QUEUE_IDS[0], QUEUE_IDS[4])
                    ],
                }
            ]
        },
        {"conversationFilters": every(matches("divisionId", DIVISION_IDS[2]))},
        {"conversationFilters": every(matches("originatingDirection", "inbound"))},
        {
            "conversationFilters": every(
                {"type": "metric", "metric": "tConversationDuration", "range": {"gte": 300_000}}
            )
        },
    ],
)
def test_filters_find_what_reading_every_conversation_finds(
    simulate: Simulate, calling: Calling, wish: dict[str, Any]
) -> None:
    caller = calling(simulate(calls_per_day=360))
    everything = all_of(caller)
    found = all_of(caller, **wish)
    assert 0 < len(found) < len(everything)
    assert ids(found) == [each["conversationId"] for each in everything if wanted(each, wish)]


def wanted(conversation: dict[str, Any], wish: dict[str, Any]) -> bool:
    """What the filters of the test above mean, read off a conversation as it is written."""
    segments = [
        {
            "mediaType": session["mediaType"],
            "direction": session["direction"],
            "recording": session["recording"] or None,
            "screenRecording": participant.get("screenRecording") or None,
            "userId": participant.get("userId"),
            "queueId": next((each.get("queueId") for each in session["segments"]), None),
            "wrapUpCode": next((each["wrapUpCode"] for each in session["segments"] if "wrapUpCode" in each), None),
        }
        for participant in conversation["participants"]
        if participant["purpose"] != "acd"
        for session in participant["sessions"]
    ]

    def holds(segment: dict[str, Any], predicate: dict[str, Any]) -> bool:
        value = segment[predicate["dimension"]]
        return value is not None if predicate["operator"] == "exists" else value == predicate["value"]

    def met(segment: dict[str, Any], one: dict[str, Any]) -> bool:
        parts = [holds(segment, each) for each in one.get("predicates", ())]
        parts += [met(segment, each) for each in one.get("clauses", ())]
        return all(parts) if one["type"] == "and" else any(parts)

    def meant(predicate: dict[str, Any]) -> bool:
        if predicate["type"] == "metric":
            start, end = (
                datetime.fromisoformat(conversation[name]) for name in ("conversationStart", "conversationEnd")
            )
            return (end - start).total_seconds() * 1000 >= predicate["range"]["gte"]
        if predicate["dimension"] == "divisionId":
            return predicate["value"] in conversation["divisionIds"]
        return bool(conversation["originatingDirection"] == predicate["value"])

    return all(any(met(segment, one) for segment in segments) for one in wish.get("segmentFilters", ())) and all(
        meant(predicate) for one in wish.get("conversationFilters", ()) for predicate in one["predicates"]
    )


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({}, "an ISO 8601 interval such as"),
        ({"interval": "2024-05-01T00:00:00Z"}, "an ISO 8601 interval such as"),
        ({"interval": "2024-05-02T00:00:00Z/2024-05-01T00:00:00Z"}, "must end after it starts"),
        ({"interval": "soon/later"}, "two ISO 8601 times"),
        ({"interval": DAY, "order": "up"}, "order must be"),
        ({"interval": DAY, "orderBy": "segmentEnd"}, "not simulated"),
        ({"interval": DAY, "paging": 7}, "paging must be"),
        ({"interval": DAY, "paging": {"pageNumber": 0}}, "paging.pageNumber"),
        ({"interval": DAY, "segmentFilters": {}}, "list of objects"),
        ({"interval": DAY, "segmentFilters": [{}]}, '"and" or "or"'),
        ({"interval": DAY, "segmentFilters": [{"type": "and"}]}, "must have predicates or clauses"),
        ({"interval": DAY, "segmentFilters": every(matches("mood", "x"))}, "'mood' in segmentFilters"),
        ({"interval": DAY, "segmentFilters": every({**RECORDED, "operator": "like"})}, "operator of recording"),
        ({"interval": DAY, "segmentFilters": every({"dimension": "queueId"})}, "a value that is a string"),
        ({"interval": DAY, "conversationFilters": every(matches("queueId", "x"))}, "'queueId' in conversationFilters"),
        ({"interval": DAY, "conversationFilters": every({"type": "metric", "metric": "tFun"})}, "the metric 'tFun'"),
        ({"interval": DAY, "conversationFilters": every({"type": "metric", "metric": "tTalk"})}, "range must have"),
        ({"interval": DAY, "surveyFilters": [{}]}, "surveyFilters are not simulated"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(
    simulate: Simulate, calling: Calling, wish: dict[str, Any], message: str
) -> None:
    answer = calling(simulate()).post(f"{PATH}/query", wish)
    assert answer.status_code == 400
    assert message in answer.json()["message"]


def test_a_hidden_division_hides_conversations_without_an_error(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(calls_per_day=180)
    caller = calling(simulator)
    before = all_of(caller)
    simulator.faults = [Fault("hidden_division", message="South")]
    seen = all_of(caller)
    assert ids(seen) == [each["conversationId"] for each in before if each["divisionIds"] != [DIVISION_IDS[2]]]
    assert 0 < len(seen) < len(before)


def run(caller: Caller, interval: str, size: int = 97, **wish: Any) -> list[dict[str, Any]]:
    """A details job's conversations, where jobs take no time."""
    job_id = caller.post(f"{PATH}/jobs", {"interval": interval, **wish}).json()["jobId"]
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = caller.get(f"{PATH}/jobs/{job_id}/results", pageSize=size, **cursor).json()
        assert len(page["conversations"]) <= size
        found += page["conversations"]
        if "cursor" not in page:
            return found
        cursor = {"cursor": page["cursor"]}


def test_a_details_job_is_queued_then_pending_then_fulfilled_then_expired(
    simulate: Simulate, calling: Calling, clock: Clock
) -> None:
    caller = calling(simulate(details_job_seconds=100, token_seconds=1e6))
    accepted = caller.post(f"{PATH}/jobs", {"interval": DAY})
    assert (accepted.status_code, list(accepted.json())) == (202, ["jobId"])
    path = f"{PATH}/jobs/{accepted.json()['jobId']}"
    states = []
    for seconds in (0, 50, 50, 86_400):
        clock.tick(seconds)
        states.append(caller.get(path).json()["state"])
        if states[-1] == "PENDING":
            early = caller.get(f"{path}/results")
            assert (early.status_code, "PENDING" in early.json()["message"]) == (400, True)
    assert states == ["QUEUED", "PENDING", "FULFILLED", "EXPIRED"]


def test_a_details_job_finds_what_was_active_in_the_interval_or_started_on_its_days(
    simulate: Simulate, calling: Calling
) -> None:
    caller = calling(simulate(calls_per_day=900, details_job_seconds=0))
    interval = "2024-04-30T12:00:00.000Z/2024-04-30T12:10:00.000Z"
    day = all_of(caller, interval=interval)
    active = run(caller, interval)
    assert ids(active) == [
        each["conversationId"]
        for each in day
        if each["conversationStart"] < "2024-04-30T12:10" and each["conversationEnd"] > "2024-04-30T12:00:00.000Z"
    ]
    assert any(each["conversationStart"] < "2024-04-30T12:00" for each in active)
    assert len(run(caller, interval, startOfDayIntervalMatching=True)) == len(day) == 1000
    midnight = run(caller, "2024-04-30T00:00:00.000Z/2024-05-01T00:00:00.000Z")
    assert any(each["conversationStart"] < "2024-04-30" for each in midnight)


def test_a_details_job_pages_by_cursor_and_knows_participants_attributes(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(calls_per_day=18, details_job_seconds=0))
    found = run(
        caller, "2024-04-30T00:00:00Z/2024-05-01T00:00:00Z", size=7, startOfDayIntervalMatching=True, order="desc"
    )
    assert len(set(ids(found))) == 20
    assert all(participant["attributes"] for each in found for participant in each["participants"])
    job_id = caller.post(f"{PATH}/jobs", {"interval": DAY}).json()["jobId"]
    assert caller.get(f"{PATH}/jobs/{job_id}/results", cursor="abc").status_code == 400


def test_the_data_lake_trails(simulate: Simulate, calling: Calling, clock: Clock) -> None:
    simulator = simulate(calls_per_day=900, details_job_seconds=0, availability_lag_seconds=14 * 3600)
    caller = calling(simulator)
    until = caller.get(f"{PATH}/jobs/availability").json()["dataAvailabilityDate"]
    assert datetime.fromisoformat(until).timestamp() == clock.now - 14 * 3600
    job_id = caller.post(f"{PATH}/jobs", {"interval": DAY, "startOfDayIntervalMatching": True}).json()["jobId"]
    clock.tick(3600)
    page = caller.get(f"{PATH}/jobs/{job_id}/results").json()
    assert page["dataAvailabilityDate"] == until
    assert 0 < len(page["conversations"]) < 900
    assert max(each["conversationStart"] for each in page["conversations"]) < until


def test_a_details_job_is_its_clients_own_and_can_fail(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(clients={"a": "1", "b": "2"}, details_job_seconds=0, faults=[Fault("failed_details")])
    caller = calling(simulator, "a", "1")
    failed = caller.post(f"{PATH}/jobs", {"interval": DAY}).json()["jobId"]
    status = caller.get(f"{PATH}/jobs/{failed}").json()
    assert (status["state"], status["errorMessage"]) == ("FAILED", "Query timed out")
    good = caller.post(f"{PATH}/jobs", {"interval": DAY}).json()["jobId"]
    assert caller.get(f"{PATH}/jobs/{good}").json()["state"] == "FULFILLED"
    assert calling(simulator, "b", "2").get(f"{PATH}/jobs/{good}").status_code == 404


def test_details_lost(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(details_job_seconds=0, faults=[Fault("details_lost")]))
    with pytest.raises(requests.ConnectionError):
        caller.post(f"{PATH}/jobs", {"interval": DAY})
    assert caller.post(f"{PATH}/jobs", {"interval": DAY}).status_code == 202


def test_a_day_of_a_million_is_counted_and_paged_at_once(simulate: Simulate, calling: Calling) -> None:
    caller = calling(simulate(calls_per_day=1_000_000, query_records=10_000_000, details_job_seconds=0))
    began = time.process_time()
    voice = every(matches("mediaType", "voice"), RECORDED)
    last = query(caller, page=10_000, segmentFilters=voice)
    assert (last["totalHits"], len(last["conversations"])) == (1_000_000, 100)
    queue = query(caller, page=1_000, segmentFilters=every(matches("queueId", QUEUE_IDS[0])))
    assert queue["totalHits"] > 200_000
    job_id = caller.post(f"{PATH}/jobs", {"interval": DAY}).json()["jobId"]
    assert len(caller.get(f"{PATH}/jobs/{job_id}/results", pageSize=1000).json()["conversations"]) == 1000
    assert time.process_time() - began < 3


def test_conversations_that_come_late_are_found_once_they_are_there(
    simulate: Simulate, calling: Calling, clock: Clock
) -> None:
    simulator = simulate(calls_per_day=45)
    caller = calling(simulator)
    whole = query(caller)["totalHits"]
    simulator.faults = [Fault("late_recordings", every=15, until=clock.now + 60)]
    assert query(caller, segmentFilters=every(RECORDED))["totalHits"] == 42
    assert query(caller)["totalHits"] < whole
    clock.tick(60)
    assert query(caller, segmentFilters=every(RECORDED))["totalHits"] == 45
    assert query(caller)["totalHits"] == whole
