# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowException, AirflowFailException, conf

from airflow_provider_genesys.operators.recordings import PlanExportOperator
from airflow_provider_genesys.versions import DateTimeTrigger
from tests.airflow_versions import IS_AIRFLOW_3
from tests.rig import DAY, PACE, WINDOW, Rig, context_of, deferral

QUARTERS = ["00:00:00", "06:00:00", "12:00:00", "18:00:00"]


def planning(zone: str = "UTC", **arguments: Any) -> PlanExportOperator:
    with DAG("export", schedule=None, start_date=pendulum.datetime(2024, 1, 1, tz=zone)):
        return PlanExportOperator(task_id="plan", **{"media_format": "mp3", **PACE, **arguments})


def test_a_small_day_is_one_window(rig: Callable[..., Rig]) -> None:
    rig()
    assert planning().execute(context_of()) == [WINDOW]


def test_a_large_day_is_subdivided(rig: Callable[..., Rig]) -> None:
    rig()
    windows = planning(max_recordings_per_job="11").execute(context_of())
    assert [window["start"] for window in windows] == [f"2024-05-01T{time}Z" for time in QUARTERS]
    assert windows[-1]["end"] == WINDOW["end"]


def test_a_day_without_recordings_gives_no_window(rig: Callable[..., Rig]) -> None:
    rig(volumes={"2024-05-01": 0})
    assert planning().execute(context_of()) == []


def test_a_day_is_cut_once_unless_forced(rig: Callable[..., Rig]) -> None:
    platform = rig()
    planning().execute(context_of())
    asked = platform.asked_for()["volume"]
    assert planning().execute(context_of("another")) == [WINDOW]
    assert platform.asked_for()["volume"] == asked
    assert planning(force="True").execute(context_of("a third")) == [WINDOW]
    assert platform.asked_for()["volume"] == asked + 1


def test_filters_are_part_of_the_question(rig: Callable[..., Rig]) -> None:
    rig()
    assert planning(filters='{"queueId": "a queue without calls"}').execute(context_of()) == []


def test_start_and_end_win_over_the_data_interval(rig: Callable[..., Rig]) -> None:
    rig()
    context = context_of(start=DAY - timedelta(days=9), end=DAY - timedelta(days=8))
    assert planning(start=WINDOW["start"], end="2024-05-02T02:00:00+02:00").execute(context) == [WINDOW]


def test_a_run_without_a_data_interval_needs_start_and_end(rig: Callable[..., Rig]) -> None:
    platform = rig()
    context = {name: value for name, value in context_of().items() if not name.startswith("data_interval")}
    with pytest.raises(AirflowFailException, match="no data interval: trigger it with a logical date, or set"):
        planning().execute(context)
    assert planning(**WINDOW).execute(context) == [WINDOW]
    assert platform.asked_for()["volume"] == 1


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_calendar_days_are_those_of_the_dags_zone(rig: Callable[..., Rig], zone: str) -> None:
    rig(volumes={}, calls_per_day=5)
    start = pendulum.datetime(2024, 5, 1, tz=zone)
    windows = planning(zone).execute(context_of(start=start, end=start.add(days=2)))
    assert [pendulum.parse(window["start"]) for window in windows] == [start, start.add(days=1)]


def test_calendar_days_may_be_those_of_another_zone(rig: Callable[..., Rig]) -> None:
    rig(volumes={}, calls_per_day=5)
    windows = planning(timezone="Asia/Tokyo").execute(context_of())
    assert [window["start"] for window in windows] == ["2024-05-01T00:00:00Z", "2024-05-01T15:00:00Z"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"media_format": "default"}, "say mp3 or wav explicitly"),
        ({"media_format": "original"}, "which the guide's API can't be asked for: say mp3 or wav"),
        ({"filters": {"dateFrom": "2024-05-01T00:00:00Z"}}, "filters must not say dateFrom"),
        ({"media_format": "ogg"}, "say mp3 or wav explicitly"),
        ({"filters": "[]"}, "filters must be a JSON object"),
        ({"start": "2024-05-01T00:00:00", "end": "2024-05-02T00:00:00"}, "naive"),
        ({"start": WINDOW["end"], "end": WINDOW["start"]}, "empty or reversed"),
        ({"start": WINDOW["start"], "end": WINDOW["start"]}, "empty or reversed"),
        ({"start": WINDOW["start"]}, "end is None: give 'start' and 'end' together"),
        ({"end": WINDOW["end"]}, "start is None: give 'start' and 'end' together"),
        ({"start": "yesterday", "end": WINDOW["end"]}, "start is 'yesterday'"),
        ({"start": WINDOW["start"], "end": "2999-01-01T00:00:00Z"}, "not over yet"),
        ({"max_recordings_per_job": "0"}, "max_recordings_per_job must be at least 1"),
        ({"max_recordings_per_job": "many"}, "max_recordings_per_job must be a number"),
        ({"settle_minutes": "inf"}, "settle_minutes must be a number"),
        ({"force": "perhaps"}, "force must be true or false"),
        ({"poll_interval": "300"}, "at most max_poll_interval"),
        ({"lease_seconds": "0"}, "lease_seconds must be above 0"),
        ({"timezone": "Europe/Nowhere"}, "timezone is 'Europe/Nowhere'"),
    ],
)
def test_nonsense_is_refused_before_any_request(
    rig: Callable[..., Rig], arguments: dict[str, Any], complaint: str
) -> None:
    platform = rig()
    with pytest.raises(AirflowFailException, match=complaint):
        planning(**arguments).execute(context_of())
    assert platform.asked_for() == {}


@pytest.mark.parametrize(
    ("start", "end", "complaint"),
    [
        (DAY.replace(tzinfo=None), DAY.replace(tzinfo=None, day=2), "naive"),
        (DAY, DAY, "empty or reversed"),
        (DAY, datetime(2999, 1, 1, tzinfo=UTC), "not over yet"),
        (None, None, "no data interval"),
    ],
)
def test_a_data_interval_that_cannot_be_exported_is_refused(
    rig: Callable[..., Rig], start: Any, end: Any, complaint: str
) -> None:
    platform = rig()
    with pytest.raises(AirflowFailException, match=complaint):
        planning().execute(context_of(start=start, end=end))
    assert platform.asked_for() == {}


def test_planning_waits_deferred_until_recordings_have_settled(rig: Callable[..., Rig]) -> None:
    platform = rig()
    end = datetime.now(UTC) - timedelta(minutes=10)
    task, context = planning(settle_minutes="60"), context_of(start=end - timedelta(hours=1), end=end)
    deferred = deferral(lambda: task.execute(context))
    assert isinstance(deferred.trigger, DateTimeTrigger)
    assert abs(deferred.trigger.moment - (end + timedelta(minutes=60))) < timedelta(milliseconds=1)
    assert platform.asked_for() == {}


def test_planning_goes_on_when_recordings_have_settled(rig: Callable[..., Rig]) -> None:
    rig()
    task = planning(allow_nested_operators=False)
    assert task.resume_execution("execute_again", {"event": DAY}, context_of()) == [WINDOW]


def test_more_windows_than_airflow_maps_are_refused(rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    rig()
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "3")
    with pytest.raises(AirflowFailException, match=r"makes 4 windows, more than the 3 .*MAX_MAP_LENGTH"):
        planning(max_recordings_per_job=11).execute(context_of())


def test_a_refused_login_ends_the_task_with_the_platforms_words(rig: Callable[..., Rig]) -> None:
    platform = rig(clients={"somebody": "else"})
    with pytest.raises(AirflowFailException, match="client not found or secret wrong"):
        planning().execute(context_of())
    assert platform.asked_for() == {"token": 1}


def test_a_ledger_that_cannot_be_used_is_said_before_any_request(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = rig()
    monkeypatch.setenv("AIRFLOW_CONN_GENESYS_LEDGER", '{"conn_type": "http", "host": "localhost"}')
    with pytest.raises(AirflowFailException, match="'genesys_ledger' has the type 'http': use one of sqlite, postgres"):
        planning().execute(context_of())
    assert platform.asked_for() == {}


def test_an_unreachable_ledger_is_left_to_a_retry(rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    rig()
    monkeypatch.setenv("AIRFLOW_CONN_GENESYS_LEDGER", '{"conn_type": "postgres", "host": "127.0.0.1", "port": 1}')
    with pytest.raises(AirflowException) as raised:
        planning().execute(context_of())
    assert not isinstance(raised.value, AirflowFailException)


@pytest.mark.skipif(IS_AIRFLOW_3, reason="only the backfill of Airflow 2 hangs")
def test_a_backfill_that_would_hang_is_refused(rig: Callable[..., Rig]) -> None:
    platform = rig()
    kept = conf.getboolean("scheduler", "schedule_after_task_execution")
    conf.read_dict({"scheduler": {"schedule_after_task_execution": "True"}})
    try:
        with pytest.raises(AirflowFailException, match="let_backfills_map_tasks"):
            planning().execute(context_of(run_type="backfill"))
    finally:
        conf.read_dict({"scheduler": {"schedule_after_task_execution": str(kept)}})
    assert platform.asked_for() == {}
