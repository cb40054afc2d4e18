# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_genesys.operators.recordings import RetrieveRecordingsOperator
from airflow_provider_genesys.sensors.recordings import ExportJobSensor
from airflow_provider_genesys.simulator import Fault
from airflow_provider_genesys.triggers.recordings import ExportJobTrigger
from airflow_provider_genesys.versions import DateTimeTrigger
from tests.rig import CALLS, PACE, SECRET, Rig, context_of, deferral, events_of, resumed, run

EXPIRED_ONCE = (Fault("expired_urls"),)


def retrieving(rig: Rig, job_ids: Any, **arguments: Any) -> RetrieveRecordingsOperator:
    given = {"job_ids": job_ids, "destination": rig.destination, **PACE, **arguments}
    return RetrieveRecordingsOperator(task_id="retrieve", **given)


def completed(rig: Rig, context: dict[str, Any]) -> list[str]:
    """The ids of the day's jobs, once they have completed."""
    sensor = ExportJobSensor(task_id="wait", job_ids=rig.submit(context), deferrable=True, **PACE)
    return list(run(sensor, context))


def archived(rig: Rig) -> int:
    return len(list((rig.archive / "recordings").glob("*.mp3")))


def test_every_recording_is_archived(rig: Callable[..., Rig]) -> None:
    platform, context = rig(), context_of()
    job_ids = completed(platform, context)
    assert retrieving(platform, job_ids).execute(context) == {"archived": CALLS}
    assert archived(platform) == CALLS
    assert [file.name for file in (platform.archive / "manifests").iterdir()] == [f"job_{job_ids[0]}.json"]


def test_a_single_job_id_may_come_as_text(rig: Callable[..., Rig]) -> None:
    platform, context = rig(), context_of()
    (job_id,) = completed(platform, context)
    assert retrieving(platform, job_id).execute(context) == {"archived": CALLS}


def test_a_second_try_fetches_nothing_twice(rig: Callable[..., Rig]) -> None:
    platform, context = rig(), context_of()
    task = retrieving(platform, completed(platform, context))
    assert task.execute(context) == task.execute(context) == {"archived": CALLS}
    assert set(platform.simulator.stats.begun.values()) == {1}


def test_a_template_says_where_recordings_lie_and_receipts_say_it_too(rig: Callable[..., Rig]) -> None:
    platform, context = rig(), context_of()
    job_ids = completed(platform, context)
    template = "calls/{date}/{queue_name}/{agent_name}/{recording_id}.{ext}"
    retrieving(platform, job_ids, key_template=template).execute(context)
    calls = platform.simulator.jobs[0].calls(platform.simulator.universe)
    keys = {
        f"calls/2024-05-01/{quote(call.queue_name)}/{quote(call.agent_name)}/{call.recording_id}.mp3" for call in calls
    }
    assert {file.relative_to(platform.archive).as_posix() for file in platform.archive.rglob("*.mp3")} == keys
    assert {line["key"] for line in receipt_of(platform)} == keys
    assert all(line["checksum"] == f"sha256:{line['sha256']}" for line in receipt_of(platform))


def test_what_is_archived_stays_where_it_is_when_the_template_changes(rig: Callable[..., Rig]) -> None:
    platform, context = rig(faults=(Fault("storage_gone", every=CALLS),)), context_of()
    job_ids = completed(platform, context)
    with pytest.raises(AirflowFailException):
        retrieving(platform, job_ids).execute(context)
    moved = retrieving(platform, job_ids, key_template="calls/{date}/{recording_id}.{ext}")
    assert moved.execute(context) == {"archived": CALLS}
    folders = Counter(line["key"].split("/")[0] for line in receipt_of(platform))
    assert folders == {"recordings": CALLS - 1, "calls": 1}
    assert set(platform.simulator.stats.completed.values()) == {1}


def receipt_of(rig: Rig) -> list[dict[str, Any]]:
    """The lines of the one receipt."""
    (receipt,) = (rig.archive / "receipts").iterdir()
    return [json.loads(line) for line in receipt.read_text().splitlines()]


@pytest.mark.parametrize(
    "template", ["recordings/{date}.{ext}", "{queue_id}/{recording_id}.{ext}", "recordings/{recording_id}{ext}"]
)
def test_a_template_that_promises_too_little_is_refused_before_any_request(
    rig: Callable[..., Rig], template: str
) -> None:
    platform = rig()
    with pytest.raises(AirflowFailException, match="key_template is"):
        retrieving(platform, "any", key_template=template).execute(context_of())
    assert platform.asked_for() == {}


def test_recordings_without_a_url_are_counted_as_unavailable(rig: Callable[..., Rig]) -> None:
    platform, context = rig(faults=(Fault("null_urls", every=4),)), context_of()
    counts = retrieving(platform, completed(platform, context)).execute(context)
    assert counts == {"archived": CALLS - 3, "unavailable": 3}


def test_the_result_is_counts_and_no_more(rig: Callable[..., Rig]) -> None:
    platform, context = rig(), context_of()
    counts = retrieving(platform, completed(platform, context)).execute(context)
    assert type(counts) is dict
    assert {type(count) for count in counts.values()} == {int}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"job_ids": None}, "job_ids must be a list"),
        ({"job_ids": [["a"]]}, "job_ids must be a list"),
        ({"destination": "s3://user:secret@bucket/prefix"}, "no password"),
        ({"destination": "/var/archive"}, "has the scheme ''"),
        ({"lease_seconds": "long"}, "lease_seconds must be a number"),
    ],
)
def test_nonsense_is_refused_before_any_request(
    rig: Callable[..., Rig], arguments: dict[str, Any], complaint: str
) -> None:
    platform = rig()
    with pytest.raises(AirflowFailException, match=complaint) as raised:
        retrieving(platform, **{"job_ids": ["a"], **arguments}).execute(context_of())
    assert "secret" not in str(raised.value)
    assert platform.asked_for() == {}


def test_a_job_that_nobody_knows_is_refused_with_advice(rig: Callable[..., Rig]) -> None:
    platform = rig()
    with pytest.raises(
        AirflowFailException, match=r"job nobody's .* is not in the ledger.*Clear the task that submits"
    ):
        retrieving(platform, "nobody's").execute(context_of())


def test_expired_urls_are_replaced_by_a_new_job_that_is_waited_for(rig: Callable[..., Rig]) -> None:
    platform, context = rig(faults=EXPIRED_ONCE), context_of()
    task, before = retrieving(platform, completed(platform, context)), time.time()

    deferred = deferral(lambda: task.execute(context))

    first, second = platform.simulator.jobs
    assert isinstance(deferred.trigger, ExportJobTrigger)
    assert set(deferred.trigger.job_ids) == {first.job_id, second.job_id}
    hours = (deferred.trigger.deadline - before) / 3600
    assert 49.9 < hours < 50.1
    assert deferred.kwargs == {"deadline": deferred.trigger.deadline}
    assert SECRET not in json.dumps(deferred.trigger.serialize())
    assert "http" not in json.dumps(deferred.trigger.serialize())
    (event,) = events_of(deferred.trigger)
    assert resumed(task, deferred, context, event) == {"archived": CALLS}
    assert archived(platform) == CALLS


def test_urls_that_always_expire_end_the_task_when_the_budget_is_used_up(rig: Callable[..., Rig]) -> None:
    platform, context = rig(faults=(Fault("expired_urls", times=None),)), context_of()
    with pytest.raises(AirflowFailException, match=r"used up its 3 resubmissions.*force=true"):
        run(retrieving(platform, completed(platform, context)), context)
    assert platform.simulator.stats.jobs == 4


def test_a_replacement_that_fails_is_replaced_in_turn(rig: Callable[..., Rig]) -> None:
    platform, context = rig(faults=EXPIRED_ONCE), context_of()
    job_ids = completed(platform, context)
    platform.simulator.faults = (Fault("failed_jobs", times=2),)
    assert run(retrieving(platform, job_ids), context) == {"archived": CALLS}
    assert platform.simulator.stats.jobs == 3


def test_a_replacement_that_never_completes_ends_the_task(rig: Callable[..., Rig]) -> None:
    platform, context = rig(faults=EXPIRED_ONCE), context_of()
    task = retrieving(platform, completed(platform, context))
    deferred = deferral(lambda: task.execute(context))
    with pytest.raises(AirflowFailException, match="did not complete within 2 days"):
        resumed(task, deferred, context, {"status": "timeout", "job_ids": deferred.trigger.job_ids})


def test_a_refused_trigger_is_no_success(rig: Callable[..., Rig]) -> None:
    platform, context = rig(faults=EXPIRED_ONCE), context_of()
    task = retrieving(platform, completed(platform, context))
    deferred = deferral(lambda: task.execute(context))
    with pytest.raises(AirflowException, match="the triggerer could not follow jobs"):
        resumed(task, deferred, context, {"status": "refused", "job_ids": deferred.trigger.job_ids})


def test_a_missing_event_is_no_success(rig: Callable[..., Rig]) -> None:
    platform, context = rig(faults=EXPIRED_ONCE), context_of()
    task = retrieving(platform, completed(platform, context))
    deferred = deferral(lambda: task.execute(context))
    with pytest.raises(AirflowException, match="the trigger came back with status"):
        resumed(task, deferred, context, None)


def test_a_window_that_another_run_retrieves_is_waited_for(rig: Callable[..., Rig]) -> None:
    platform, other, context = rig(), context_of("another"), context_of()
    job_ids = completed(platform, other)
    task = retrieving(platform, job_ids)

    deferred = deferral(lambda: task.execute(context))

    assert isinstance(deferred.trigger, DateTimeTrigger)
    assert retrieving(platform, job_ids).execute(other) == {"archived": CALLS}
    assert resumed(task, deferred, context, deferred.trigger.moment) == {"archived": CALLS}
    assert set(platform.simulator.stats.begun.values()) == {1}


def test_a_wait_for_another_run_does_not_prolong_the_deadline(rig: Callable[..., Rig]) -> None:
    platform, other, context = rig(), context_of("another"), context_of()
    task = retrieving(platform, completed(platform, other))
    deferred = deferral(lambda: task.execute(context))
    again = deferral(lambda: resumed(task, deferred, context, deferred.trigger.moment))
    assert isinstance(again.trigger, DateTimeTrigger)
    assert again.kwargs == deferred.kwargs
    assert deferred.kwargs is not None
    assert deferred.kwargs["deadline"] > time.time()


def test_a_recording_that_cannot_be_had_ends_the_task_by_name(rig: Callable[..., Rig]) -> None:
    platform, context = rig(faults=(Fault("storage_gone", every=CALLS, times=None),)), context_of()
    with pytest.raises(AirflowFailException, match=f"1 of {CALLS} recordings are not archived, such as '"):
        retrieving(platform, completed(platform, context)).execute(context)
    assert archived(platform) == CALLS - 1
