# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from airflow_provider_genesys.export.following import Progress, Wait
from airflow_provider_genesys.sensors.recordings import ExportJobSensor
from airflow_provider_genesys.simulator import Fault
from airflow_provider_genesys.triggers.recordings import ExportJobTrigger
from airflow_provider_genesys.versions import DateTimeTrigger
from tests.rig import PACE, SECRET, Rig, context_of, deferral, resumed, run

BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "in a worker"])
TOO_LARGE = {"record_limit": 5}
"""A world in which the day's job fails without a word, and the jobs of its quarters don't."""


def waiting(job_ids: Any, **arguments: Any) -> ExportJobSensor:
    return ExportJobSensor(task_id="wait", job_ids=job_ids, **{**PACE, "poke_interval": 0.05, **arguments})


@BOTH_WAYS
def test_completed_jobs_end_the_wait(rig: Callable[..., Rig], deferrable: bool) -> None:
    platform, context = rig(job_seconds=0.3), context_of()
    job_ids = platform.submit(context)
    assert run(waiting(job_ids, deferrable=deferrable), context) == job_ids


@BOTH_WAYS
def test_a_single_job_id_may_come_as_text(rig: Callable[..., Rig], deferrable: bool) -> None:
    platform, context = rig(), context_of()
    (job_id,) = platform.submit(context)
    assert run(waiting(job_id, deferrable=deferrable), context) == [job_id]


@BOTH_WAYS
def test_a_failed_job_is_replaced(rig: Callable[..., Rig], deferrable: bool) -> None:
    platform, context = rig(faults=(Fault("failed_jobs"),)), context_of()
    job_ids = platform.submit(context)
    ended = run(waiting(job_ids, deferrable=deferrable), context)
    assert ended == [platform.simulator.jobs[1].job_id] != job_ids


@BOTH_WAYS
def test_a_job_that_was_too_large_becomes_several(rig: Callable[..., Rig], deferrable: bool) -> None:
    platform, context = rig(**TOO_LARGE), context_of()
    job_ids = platform.submit(context)
    ended = run(waiting(job_ids, deferrable=deferrable), context)
    assert ended == [job.job_id for job in platform.simulator.jobs[1:]]
    assert len(ended) == 4


def test_a_worker_sleeps_until_the_poll_that_is_reserved_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later poke would have another coordinator, which knows nothing of the slot."""
    steps = iter([Progress(Wait.RUNNING, 40.0, reserved=True), Progress(Wait.RUNNING, 7.0)])
    slept: list[float] = []
    coordinator = SimpleNamespace(follow=lambda job_ids, ahead: next(steps), sleep=slept.append)
    monkeypatch.setattr(ExportJobSensor, "_coordinator", lambda self, context: coordinator)
    assert not waiting("job-1", deferrable=False).poke(context_of())
    assert slept == [40.0]


@BOTH_WAYS
def test_a_canceled_job_ends_the_wait_at_once(rig: Callable[..., Rig], deferrable: bool) -> None:
    platform, context = rig(faults=(Fault("canceled_jobs", times=None),)), context_of()
    (job_id,) = platform.submit(context)
    with pytest.raises(AirflowFailException, match=f"job {job_id} .* was canceled at Genesys Cloud"):
        run(waiting(job_id, deferrable=deferrable), context)
    assert platform.simulator.stats.jobs == 1


@BOTH_WAYS
def test_a_job_that_always_fails_ends_the_wait_with_the_platforms_words(
    rig: Callable[..., Rig], deferrable: bool
) -> None:
    platform, context = rig(faults=(Fault("failed_jobs", times=None, message="The codec is on fire."),)), context_of()
    job_ids = platform.submit(context)
    with pytest.raises(AirflowFailException, match=r"used up its 3 resubmissions.*The codec is on fire\."):
        run(waiting(job_ids, deferrable=deferrable), context)
    assert platform.simulator.stats.jobs == 4


@BOTH_WAYS
def test_an_unknown_status_is_waited_out(rig: Callable[..., Rig], deferrable: bool) -> None:
    platform, context = rig(faults=(Fault("unknown_status", seconds=0.3),)), context_of()
    job_ids = platform.submit(context)
    assert run(waiting(job_ids, deferrable=deferrable), context) == job_ids


@BOTH_WAYS
def test_a_timeout_ends_the_wait(rig: Callable[..., Rig], deferrable: bool) -> None:
    platform, context = rig(job_seconds=60), context_of()
    task = waiting(platform.submit(context), deferrable=deferrable, timeout=0.3)
    with pytest.raises(AirflowSensorTimeout):
        run(task, context)


@BOTH_WAYS
def test_a_timeout_skips_where_soft_fail_says_so(rig: Callable[..., Rig], deferrable: bool) -> None:
    platform, context = rig(job_seconds=60), context_of()
    task = waiting(platform.submit(context), deferrable=deferrable, timeout=0.3, soft_fail=True)
    with pytest.raises(AirflowSkipException):
        run(task, context)


def test_a_failure_while_deferred_skips_where_soft_fail_says_so(rig: Callable[..., Rig]) -> None:
    platform, context = rig(job_seconds=2.0, faults=(Fault("canceled_jobs"),)), context_of()
    task = waiting(platform.submit(context), deferrable=True, soft_fail=True)
    with pytest.raises(AirflowSkipException):
        run(task, context)


@BOTH_WAYS
@pytest.mark.parametrize("job_ids", [None, "", [["a"]], {"a": 1}])
def test_nonsense_is_refused_before_any_request(rig: Callable[..., Rig], job_ids: Any, deferrable: bool) -> None:
    platform = rig()
    with pytest.raises(AirflowFailException, match="job_ids must be"):
        waiting(job_ids, deferrable=deferrable).execute(context_of())
    assert platform.asked_for() == {}


def test_jobs_that_have_completed_are_not_deferred_for(rig: Callable[..., Rig]) -> None:
    platform, context = rig(), context_of()
    job_ids = platform.submit(context)
    time.sleep(2 * PACE["poll_interval"])
    assert waiting(job_ids, deferrable=True).execute(context) == job_ids


def test_a_deferral_is_for_the_jobs_and_to_an_absolute_moment(rig: Callable[..., Rig]) -> None:
    platform, context = rig(job_seconds=60), context_of("manual")
    job_ids, before = platform.submit(context), time.time()
    deferred = deferral(lambda: waiting(job_ids, deferrable=True, timeout=timedelta(hours=3)).execute(context))
    assert isinstance(deferred.trigger, ExportJobTrigger)
    _, arguments = deferred.trigger.serialize()
    assert before + 3 * 3600 <= arguments.pop("deadline") <= time.time() + 3 * 3600
    assert arguments == {
        "job_ids": job_ids,
        "genesys_conn_id": "genesys_default",
        "ledger_conn_id": "genesys_ledger",
        "owner": "export/manual[-1]",
        "max_recordings_per_job": 5000,
        **PACE,
    }


def test_a_replacement_does_not_prolong_the_deadline(rig: Callable[..., Rig]) -> None:
    platform, context = rig(job_seconds=0.2, faults=(Fault("failed_jobs", times=2),)), context_of()
    task = waiting(platform.submit(context), deferrable=True)
    first = deferral(lambda: task.execute(context))
    time.sleep(0.4)
    second = deferral(lambda: resumed(task, first, context, {"status": "attention", "job_ids": first.trigger.job_ids}))
    assert second.trigger.job_ids != first.trigger.job_ids
    assert second.trigger.deadline == first.trigger.deadline


def test_a_window_that_another_run_splits_is_waited_for(rig: Callable[..., Rig]) -> None:
    platform, context = rig(**TOO_LARGE), context_of()
    job_ids = platform.submit(context_of("another"))
    time.sleep(2 * PACE["poll_interval"])
    platform.simulator.hold("submit:before", nth=2)
    task, attention = waiting(job_ids, deferrable=True), {"status": "attention", "job_ids": job_ids}
    deadline = time.time() + 600

    with _splitting(platform, job_ids):
        held = deferral(
            lambda: task.resume_execution("execute_complete", {"event": attention, "deadline": deadline}, context)
        )
        again = deferral(lambda: resumed(task, held, context, None))
    goes_on = deferral(lambda: resumed(task, again, context, None))

    assert isinstance(held.trigger, DateTimeTrigger)
    assert isinstance(again.trigger, DateTimeTrigger)
    assert held.kwargs == again.kwargs == goes_on.kwargs == {"deadline": deadline}
    assert isinstance(goes_on.trigger, ExportJobTrigger)
    assert platform.simulator.stats.jobs == 5


@contextmanager
def _splitting(rig: Rig, job_ids: list[str]) -> Iterator[None]:
    """While another run is held in the middle of submitting the jobs of a split."""
    thread = threading.Thread(
        target=lambda: deferral(lambda: waiting(job_ids, deferrable=True).execute_again(context_of("another")))
    )
    thread.start()
    rig.simulator.wait_until_held()
    yield
    rig.simulator.release()
    thread.join(10)


@pytest.mark.parametrize("event", [None, {}, {"status": "success", "job_ids": ["a"]}, {"status": "completed"}])
def test_an_event_that_says_nothing_is_an_error(rig: Callable[..., Rig], event: Any) -> None:
    rig()
    with pytest.raises(AirflowFailException):
        waiting(["a"], deferrable=True).execute_complete(context_of(), event)


def test_what_kept_the_trigger_away_is_told_in_words(rig: Callable[..., Rig]) -> None:
    platform = rig()
    with pytest.raises(AirflowFailException, match=r"job nobody's .* is not in the ledger"):
        waiting("nobody's").execute_complete(context_of(), {"status": "refused", "job_ids": ["nobody's"]})
    assert platform.asked_for() == {}


def test_what_keeps_only_the_trigger_away_does_not_go_round_in_circles(rig: Callable[..., Rig]) -> None:
    platform, context = rig(job_seconds=60), context_of()
    job_ids = platform.submit(context)
    with pytest.raises(AirflowException, match="though this worker can") as raised:
        waiting(job_ids).execute_complete(context, {"status": "refused", "job_ids": job_ids})
    assert not isinstance(raised.value, AirflowFailException)


def test_a_permission_that_is_missing_ends_the_wait_with_the_platforms_words(rig: Callable[..., Rig]) -> None:
    platform, context = rig(), context_of()
    job_ids = platform.submit(context)
    platform.simulator.faults = (Fault("forbidden", route="poll", times=None),)
    with pytest.raises(AirflowFailException, match=r"missing the permission recording:job:view.*contextId") as raised:
        run(waiting(job_ids, deferrable=True), context)
    assert SECRET not in str(raised.value)


def test_the_dags_default_args_say_how_long_to_wait() -> None:
    default_args = {"timeout": 77, "poke_interval": 7, "poll_interval": 3}
    with DAG("export", schedule=None, start_date=pendulum.datetime(2024, 1, 1), default_args=default_args):
        task = ExportJobSensor(task_id="wait", job_ids="a")
    assert (task.timeout, task.poke_interval, task.poll_interval) == (77, 7, 3)


def test_without_a_word_jobs_are_waited_for_for_longer_than_the_platform_takes_to_fail_them() -> None:
    task = ExportJobSensor(task_id="wait", job_ids="a")
    assert (task.timeout / 3600, task.poke_interval, task.deferrable) == (50, 15, False)
