# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_genesys.simulator import Fault
from airflow_provider_genesys.versions import DateTimeTrigger
from tests.rig import PACE, WINDOW, Rig, context_of, deferral, resumed


def test_a_window_gets_one_job(rig: Callable[..., Rig]) -> None:
    platform = rig()
    job_ids = platform.submitting(filters={"agentId": "a"}).execute(context_of())
    (job,) = platform.simulator.jobs
    assert job_ids == [job.job_id]
    assert (job.media_format, job.filter["agentId"]) == ("mp3", "a")
    assert (job.filter["dateFrom"], job.filter["dateTo"]) == ("2024-05-01T00:00:00.000Z", "2024-05-01T23:59:59.999Z")


def test_a_second_try_and_another_run_find_the_same_job(rig: Callable[..., Rig]) -> None:
    platform = rig()
    first = platform.submit(context_of())
    assert platform.submit(context_of()) == first
    assert platform.submit(context_of("another")) == first
    assert platform.simulator.stats.jobs == 1


def test_force_begins_afresh_once_in_a_run(rig: Callable[..., Rig]) -> None:
    platform = rig()
    first = platform.submit(context_of())
    forced = platform.submitting(force="True").execute(context_of())
    assert forced != first
    assert platform.submitting(force="True").execute(context_of()) == forced
    assert platform.simulator.stats.jobs == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"media_format": "default"}, "say mp3 or wav explicitly"),
        ({"media_format": "original"}, "which the guide's API can't be asked for: say mp3 or wav"),
        ({"media": ["screen"]}, "the guide's API has calls only"),
        ({"media": "[screen"}, "media must be a list"),
        ({"media_format": "ogg"}, "say mp3 or wav explicitly"),
        ({"filters": {"dateTo": "2025-01-01T00:00:00Z"}}, "filters must not say dateTo"),
        ({"force": "perhaps"}, "force must be true or false"),
        ({"window": None}, "not a window: None"),
        ({"window": {"start": WINDOW["start"]}}, "not a window"),
        ({"window": {"start": "2024-05-01T00:00:00", "end": "2024-05-02T00:00:00"}}, "naive"),
        ({"window": {"start": WINDOW["end"], "end": WINDOW["start"]}}, "empty or reversed"),
        ({"destination": "ftp://host/archive"}, "has the scheme 'ftp'"),
        ({"destination": ""}, "has the scheme ''"),
        ({"poll_interval": "soon"}, "poll_interval must be a number"),
    ],
)
def test_nonsense_is_refused_before_any_request(
    rig: Callable[..., Rig], arguments: dict[str, Any], complaint: str
) -> None:
    platform = rig()
    with pytest.raises(AirflowFailException, match=complaint):
        platform.submitting(**arguments).execute(context_of())
    assert platform.asked_for() == {}


def test_a_refused_job_ends_the_task_with_the_platforms_words(rig: Callable[..., Rig]) -> None:
    platform = rig(faults=(Fault("forbidden", route="submit", times=None),))
    with pytest.raises(AirflowFailException, match=r"missing the permission.*contextId"):
        platform.submit(context_of())


def test_a_format_that_is_not_said_is_the_apis_own(rig: Callable[..., Rig]) -> None:
    platform = rig()
    for media_format in (None, "", "mp3"):
        platform.submitting(media_format=media_format).execute(context_of())
    (job,) = platform.simulator.jobs
    assert job.media_format == "mp3"


def test_a_fault_that_asks_for_minutes_is_left_to_a_retry(rig: Callable[..., Rig]) -> None:
    platform = rig(faults=(Fault("rate_limited", route="submit", times=None, seconds=120),))
    with pytest.raises(AirflowException, match="rate limit") as raised:
        platform.submit(context_of())
    assert not isinstance(raised.value, AirflowFailException)


def test_a_limit_of_hours_defers_the_task_until_then_and_uses_no_retry(rig: Callable[..., Rig]) -> None:
    platform = rig(faults=(Fault("daily_limits", route="submit", seconds=7200),))
    task, context = platform.submitting(), context_of()

    deferred = deferral(lambda: task.execute(context))

    assert isinstance(deferred.trigger, DateTimeTrigger)
    wait = deferred.trigger.moment - datetime.now(UTC)
    assert timedelta(hours=1.9) < wait <= timedelta(hours=2)
    assert resumed(task, deferred, context, deferred.trigger.moment) == [platform.simulator.jobs[0].job_id]
    assert platform.simulator.stats.jobs == 1


def test_a_window_that_another_run_is_submitting_is_waited_for(rig: Callable[..., Rig]) -> None:
    platform = rig()
    platform.simulator.hold("submit:before")
    other: list[str] = []
    begin = platform.submitting().execute_again  # Airflow 2 knows no execute() in another thread
    thread = threading.Thread(target=lambda: other.extend(begin(context_of("another"))))
    thread.start()
    platform.simulator.wait_until_held()
    task, context = platform.submitting(), context_of()

    deferred = deferral(lambda: task.execute(context))

    platform.simulator.release()
    thread.join(10)
    assert isinstance(deferred.trigger, DateTimeTrigger)
    wait = deferred.trigger.moment - datetime.now(UTC)
    assert wait < timedelta(seconds=PACE["max_poll_interval"])
    assert resumed(task, deferred, context, deferred.trigger.moment) == other
    assert platform.simulator.stats.jobs == 1
