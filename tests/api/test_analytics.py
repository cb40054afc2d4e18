# SPDX-License-Identifier: Apache-2.0
"""What was recorded in a window: asked of the simulator, and of a platform that answers as a test dictates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_genesys.api.analytics import QUERY_LIMIT, Analytics
from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.export.errors import Passing, Refused
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.simulator import Fault, Simulator
from airflow_provider_genesys.simulator.conversations import DIVISION_IDS
from airflow_provider_genesys.simulator.universe import AGENT_IDS, QUEUE_IDS
from tests.api.rude import Answer, RudePlatform
from tests.export.memory.clock import Clock

DAY = ExportWindow(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC))
NOON = datetime(2024, 5, 2, 12, tzinfo=UTC).timestamp()
REQUEST = ExportRequest(Organisation("api.mypurecloud.com", "demo"), DAY, "original")

Simulate = Callable[..., Simulator]
Connect = Callable[..., GenesysClient]


def hours(start: float, end: float) -> ExportWindow:
    return ExportWindow(DAY.start + timedelta(hours=start), DAY.start + timedelta(hours=end))


def asked(window: ExportWindow = DAY, **filters: Any) -> ExportRequest:
    return replace(REQUEST, window=window, filters=filters)


@pytest.fixture
def analytics(simulate: Simulate, connect: Connect) -> Callable[..., tuple[Analytics, Simulator]]:
    """Analytics of a simulator, at noon of the day after; details jobs take no time there, unless told otherwise."""

    def build(now: float = NOON, **settings: Any) -> tuple[Analytics, Simulator]:
        simulator = simulate(clock=lambda: now, **{"details_job_seconds": 0, **settings})
        return Analytics(connect(simulator.url), clock=lambda: now, sleep=lambda _: None), simulator

    return build


def truth(simulator: Simulator, window: ExportWindow = DAY) -> set[str]:
    """The conversations whose calls were recorded in a window, as the universe has them."""
    start, end = (int(time.timestamp() * 1000) for time in (window.start, window.end))
    return {call.conversation_id for call in simulator.universe.calls(start, end)}


# -- traps -----------------------------------------------------------------------------------------------------------


def test_not_the_first_page_only(analytics: Callable[..., tuple[Analytics, Simulator]]) -> None:
    found, simulator = analytics(calls_per_day=350)
    assert found.recorded(REQUEST).keys() == truth(simulator)
    assert simulator.stats.requests["details_query"] == 4


def test_a_call_across_midnight_belongs_to_the_day_in_which_it_started(
    analytics: Callable[..., tuple[Analytics, Simulator]],
) -> None:
    found, simulator = analytics(calls_per_day=900)
    next_day = ExportWindow(DAY.end, DAY.end + timedelta(hours=12))
    first, second = found.recorded(REQUEST), found.recorded(asked(next_day))
    assert any(one.end is not None and one.end > DAY.end.timestamp() for one in first.values())
    assert first.keys().isdisjoint(second)
    assert (first.keys(), second.keys()) == (truth(simulator), truth(simulator, next_day))


@pytest.mark.parametrize("calls", [40, 2 * QUERY_LIMIT])
def test_both_meanings_of_an_interval_are_the_windows(
    analytics: Callable[..., tuple[Analytics, Simulator]], calls: int
) -> None:
    """A query finds all of a day, a job what was active in the interval: either way, what started in the window."""
    found, simulator = analytics(calls_per_day=calls)
    quarters = [hours(start, start + 6) for start in (0, 6, 12, 18)]
    ids = [one for window in quarters for one in found.recorded(asked(window))]
    assert len(ids) == len(set(ids)) == calls
    assert set(ids) == truth(simulator)
    assert (simulator.stats.requests["details_submit"] > 0) == (calls > QUERY_LIMIT)


# -- where it looks --------------------------------------------------------------------------------------------------


def test_conversations_come_in_the_order_of_their_start(analytics: Callable[..., tuple[Analytics, Simulator]]) -> None:
    found, _ = analytics(calls_per_day=250)
    starts = [one.start for one in found.recorded(REQUEST).values()]
    assert starts == sorted(starts)


def test_what_was_not_recorded_is_left_out(analytics: Callable[..., tuple[Analytics, Simulator]]) -> None:
    """Every ninth call is followed by a conversation that nobody recorded as a call."""
    found, simulator = analytics(calls_per_day=90)
    recorded = found.recorded(REQUEST)
    assert len(recorded) == 90
    assert recorded.keys() == truth(simulator)


def test_a_large_window_is_searched_by_a_job_with_its_cursor(
    analytics: Callable[..., tuple[Analytics, Simulator]],
) -> None:
    found, simulator = analytics(calls_per_day=2500)
    assert found.recorded(REQUEST).keys() == truth(simulator)
    requests = simulator.stats.requests
    assert (requests["details_query"], requests["details_submit"], requests["details_results"]) == (1, 1, 3)


@pytest.mark.parametrize("days", [36, 400])
def test_an_old_window_is_searched_by_a_job(analytics: Callable[..., tuple[Analytics, Simulator]], days: int) -> None:
    found, simulator = analytics(DAY.start.timestamp() + days * 86_400, calls_per_day=90, query_age_days=35)
    assert found.recorded(REQUEST).keys() == truth(simulator)
    assert found.count(REQUEST) == 90
    assert simulator.stats.requests["details_query"] == 0


def test_a_job_is_waited_for(simulate: Simulate, connect: Connect) -> None:
    clock = Clock(DAY.end + timedelta(hours=12))
    simulator = simulate(clock=clock, calls_per_day=2000, details_job_seconds=90)
    found = Analytics(connect(simulator.url), clock=clock, sleep=clock.sleep)
    assert len(found.recorded(REQUEST)) == 2000
    assert 90 <= clock.now - NOON < 120
    assert simulator.stats.requests["details_poll"] < 12


def test_a_job_that_fails_may_pass(analytics: Callable[..., tuple[Analytics, Simulator]]) -> None:
    found, _ = analytics(calls_per_day=2000, faults=[Fault("failed_details")])
    with pytest.raises(Passing, match="is FAILED"):
        found.recorded(REQUEST)
    assert len(found.recorded(REQUEST)) == 2000


def test_a_job_whose_answer_was_lost_is_begun_again(analytics: Callable[..., tuple[Analytics, Simulator]]) -> None:
    found, simulator = analytics(calls_per_day=2000, faults=[Fault("details_lost")])
    assert len(found.recorded(REQUEST)) == 2000
    assert simulator.stats.requests["details_submit"] == 2


def test_a_window_is_searched_once(analytics: Callable[..., tuple[Analytics, Simulator]]) -> None:
    found, simulator = analytics()
    assert found.recorded(REQUEST) == found.recorded(replace(REQUEST, media_format="original"))
    assert simulator.stats.requests["details_query"] == 1


# -- how many --------------------------------------------------------------------------------------------------------


def test_a_day_is_counted_by_one_request_and_its_windows_by_its_conversations(
    analytics: Callable[..., tuple[Analytics, Simulator]],
) -> None:
    found, simulator = analytics(calls_per_day=3000)
    assert found.count(REQUEST) == 3000
    assert dict(simulator.stats.requests) == {"token": 1, "details_query": 1}
    quarters = [found.count(asked(hours(start, start + 6))) for start in (0, 6, 12, 18)]
    assert quarters == [len(truth(simulator, hours(start, start + 6))) for start in (0, 6, 12, 18)]
    assert simulator.stats.requests["details_submit"] == 1


def test_the_next_day_is_counted_by_itself(analytics: Callable[..., tuple[Analytics, Simulator]]) -> None:
    found, _ = analytics(volumes={"2024-05-01": 9, "2024-05-02": 4})
    tomorrow = ExportWindow(DAY.end, DAY.end + timedelta(days=1))
    assert [found.count(asked(window)) for window in (DAY, tomorrow, hours(0, 24))] == [9, 4, 9]


# -- what is selected ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "test"),
    [
        ({"queueId": QUEUE_IDS[1]}, lambda one: QUEUE_IDS[1] in one.queues),
        ({"queueId": [QUEUE_IDS[1], QUEUE_IDS[2]]}, lambda one: {QUEUE_IDS[1], QUEUE_IDS[2]} & set(one.queues)),
        ({"userId": AGENT_IDS[3]}, lambda one: AGENT_IDS[3] in dict(one.agents)),
        ({"divisionId": DIVISION_IDS[1]}, lambda one: DIVISION_IDS[1] in one.divisions),
        ({"direction": "outbound"}, lambda one: one.direction == "outbound"),
        ({"minDurationSeconds": 300}, lambda one: one.end - one.start >= 300),
        (
            {"queueId": QUEUE_IDS[1], "direction": "inbound"},
            lambda one: QUEUE_IDS[1] in one.queues and one.direction == "inbound",
        ),
    ],
)
def test_filters_are_the_platforms(
    analytics: Callable[..., tuple[Analytics, Simulator]], filters: dict[str, Any], test: Callable[[Any], Any]
) -> None:
    found, _ = analytics(calls_per_day=360)
    everything = found.recorded(REQUEST)
    wanted = {one for one, conversation in everything.items() if test(conversation)}
    assert 0 < len(wanted) < len(everything)
    assert found.recorded(asked(**filters)).keys() == wanted


def test_a_wrap_up_code_is_a_filter(analytics: Callable[..., tuple[Analytics, Simulator]]) -> None:
    found, _ = analytics(calls_per_day=90)
    everything = found.recorded(REQUEST)
    code = next(iter(everything.values())).codes[0]
    wanted = {key for key, one in everything.items() if code in one.codes}
    assert found.recorded(asked(wrapUpCode=code)).keys() == wanted


@pytest.mark.parametrize(
    ("media", "test"),
    [
        (("screen",), lambda one: "screen" in one.recorded),
        (("audio", "screen"), lambda one: one.recorded),
        (("chat",), lambda one: "chat" in one.written),
        (("email", "message"), lambda one: one.written & {"email", "message"}),
    ],
)
def test_media_are_selected(
    analytics: Callable[..., tuple[Analytics, Simulator]], media: tuple[str, ...], test: Callable[[Any], Any]
) -> None:
    found, simulator = analytics(calls_per_day=180)
    conversations = found.recorded(replace(REQUEST, media=media))
    assert conversations
    assert all(test(one) for one in conversations.values())
    assert (conversations.keys() <= truth(simulator)) == (not {"chat", "email", "message"} & set(media))


def test_a_division_that_the_client_may_not_see_is_simply_not_there(
    analytics: Callable[..., tuple[Analytics, Simulator]],
) -> None:
    found, simulator = analytics(calls_per_day=90, faults=[Fault("hidden_division")])
    assert found.recorded(REQUEST).keys() < truth(simulator)


# -- the data lake ---------------------------------------------------------------------------------------------------


def test_how_far_the_data_lake_reaches(analytics: Callable[..., tuple[Analytics, Simulator]]) -> None:
    found, _ = analytics(availability_lag_seconds=7200)
    assert found.available_until() == NOON - 7200


# -- answers that can't be used --------------------------------------------------------------------------------------


@pytest.fixture
def rude_analytics(rude: RudePlatform, connect: Connect) -> Analytics:
    return Analytics(connect(rude.url, tries=1), clock=lambda: NOON, sleep=lambda _: None)


@pytest.mark.parametrize(
    "answer",
    [
        {"conversations": [{"conversationId": "one", "conversationStart": "2024-05-01T09:00:00Z"}]},
        {"conversations": [{"conversationStart": "2024-05-01T09:00:00Z"}], "totalHits": 1},
        {"conversations": [{"conversationId": "one"}], "totalHits": 1},
        {"conversations": ["one"], "totalHits": 1},
        {"conversations": [], "totalHits": "many"},
    ],
)
def test_an_answer_that_leaves_anything_out_is_no_answer(
    rude: RudePlatform, rude_analytics: Analytics, answer: Any
) -> None:
    rude.will(Answer(200, answer))
    with pytest.raises(Passing):
        rude_analytics.recorded(REQUEST)


def test_an_empty_window_may_leave_out_what_it_has_none_of(rude: RudePlatform, rude_analytics: Analytics) -> None:
    rude.will(Answer(200, {}))
    assert rude_analytics.recorded(REQUEST) == {}
    assert rude_analytics.count(REQUEST) == 0


def test_a_cursor_that_leads_in_a_circle_ends(rude: RudePlatform, rude_analytics: Analytics) -> None:
    rude.will(
        Answer(200, {"conversations": [{}], "totalHits": 5000}),
        Answer(202, {"jobId": "job"}),
        Answer(200, {"state": "FULFILLED"}),
        Answer(200, {"conversations": [], "cursor": "same"}),
    )
    with pytest.raises(Passing, match="leads in a circle"):
        rude_analytics.recorded(REQUEST)


def test_a_job_that_never_ends_is_left_after_a_while(rude: RudePlatform, connect: Connect) -> None:
    clock = Clock(DAY.end)
    rude.will(
        Answer(200, {"conversations": [{}], "totalHits": 5000}),
        Answer(202, {"jobId": "job"}),
        Answer(200, {"state": "PENDING"}),
    )
    with pytest.raises(Passing, match="still PENDING"):
        Analytics(connect(rude.url, tries=1), clock=clock, sleep=clock.sleep).recorded(REQUEST)


def test_a_refusal_names_the_permission(analytics: Callable[..., tuple[Analytics, Simulator]]) -> None:
    found, _ = analytics(faults=[Fault("forbidden", route="details_query")])
    with pytest.raises(Refused, match="Analytics > Conversation Detail > View, in the divisions"):
        found.recorded(REQUEST)


def test_a_question_whose_answer_was_lost_is_asked_again(
    analytics: Callable[..., tuple[Analytics, Simulator]], slept: list[float]
) -> None:
    found, simulator = analytics(faults=[Fault("dropped_connection", route="details_query")])
    assert len(found.recorded(REQUEST)) == 7
    assert simulator.stats.requests["details_query"] >= 1
    assert len(slept) == 1


def test_availability_without_a_date_may_pass(rude: RudePlatform, rude_analytics: Analytics) -> None:
    rude.will(Answer(200, {}))
    with pytest.raises(Passing, match="dataAvailabilityDate"):
        rude_analytics.available_until()
