# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_genesys.simulator import Fault
from airflow_provider_genesys.triggers.recordings import STATUSES, ExportJobTrigger, tags_of
from airflow_provider_genesys.versions import IS_AIRFLOW_3
from tests.rig import PACE, SECRET, Rig, context_of, events_of

OWNER = "export/scheduled[-1]"


def following(job_ids: list[str], seconds: float = 20.0, **arguments: Any) -> ExportJobTrigger:
    given = {
        "genesys_conn_id": "genesys_default",
        "ledger_conn_id": "genesys_ledger",
        "owner": OWNER,
        "deadline": time.time() + seconds,
        **PACE,
        **arguments,
    }
    return ExportJobTrigger(job_ids=job_ids, **given)


def restored(trigger: ExportJobTrigger) -> ExportJobTrigger:
    """The trigger as another triggerer reads it from Airflow's database."""
    path, arguments = trigger.serialize()
    assert path == "airflow_provider_genesys.triggers.recordings.ExportJobTrigger"
    return ExportJobTrigger(**json.loads(json.dumps(arguments)))


def test_it_survives_being_written_down() -> None:
    trigger = following(["a", "b"])
    assert restored(trigger).serialize() == trigger.serialize()


def test_it_is_written_down_as_json_scalars_and_a_list_of_ids() -> None:
    _, arguments = following(["a", "b"]).serialize()
    assert arguments.pop("job_ids") == ["a", "b"]
    assert {type(value) for value in arguments.values()} == {str, float, int}


def test_none_of_its_arguments_is_one_that_airflow_takes_for_itself() -> None:
    _, arguments = following(["a"]).serialize()
    assert not {"task_id", "trigger_id", "template_fields", "task_instance", "triggerer_job_id"} & arguments.keys()


def test_it_holds_no_secret(rig: Callable[..., Rig]) -> None:
    platform = rig()
    trigger = following(platform.submit(context_of()))
    events = events_of(trigger)
    kept = repr(vars(trigger)) + json.dumps([trigger.serialize(), events])
    issued = [secret for secrets in platform.simulator.issued.values() for secret in secrets]
    assert len(issued) >= 3
    assert not [secret for secret in (SECRET, *issued) if secret in kept]
    assert "http" not in kept


def test_completed_jobs_make_one_event_with_ids_and_a_status(rig: Callable[..., Rig]) -> None:
    platform = rig(job_seconds=0.3)
    job_ids = platform.submit(context_of())
    assert events_of(following(job_ids)) == [{"job_ids": job_ids, "status": "completed"}]


@pytest.mark.parametrize("kind", ["failed_jobs", "silent_failures", "canceled_jobs"])
def test_a_bad_end_asks_for_attention_at_once(rig: Callable[..., Rig], kind: str) -> None:
    platform = rig(faults=(Fault(kind),))
    job_ids = platform.submit(context_of())
    assert events_of(following(job_ids)) == [{"job_ids": job_ids, "status": "attention"}]
    assert platform.simulator.stats.jobs == 1


def test_the_deadline_ends_the_wait(rig: Callable[..., Rig]) -> None:
    platform = rig(job_seconds=60)
    job_ids = platform.submit(context_of())
    trigger = following(job_ids, seconds=0.4)
    assert events_of(trigger) == [{"job_ids": job_ids, "status": "timeout"}]
    assert 0 <= time.time() - trigger.deadline < 1


def test_a_job_that_cannot_be_followed_is_told_and_not_raised(rig: Callable[..., Rig]) -> None:
    rig()
    assert events_of(following(["nobody's"])) == [{"job_ids": ["nobody's"], "status": "refused"}]


def test_a_ledger_that_cannot_be_used_is_told_and_not_raised(rig: Callable[..., Rig]) -> None:
    rig()
    assert events_of(following(["a"], ledger_conn_id="elsewhere"))[0]["status"] == "refused"


def test_an_organisation_that_is_not_defined_is_an_error(rig: Callable[..., Rig]) -> None:
    rig()
    with pytest.raises(AirflowNotFoundException, match="elsewhere"):
        events_of(following(["a"], genesys_conn_id="elsewhere"))


def test_every_status_is_one_that_tasks_know() -> None:
    assert set(STATUSES) == {"completed", "attention", "refused", "timeout"}


@pytest.mark.parametrize(
    "fault",
    [
        Fault("server_errors", route="poll", times=2),
        Fault("dropped_connection", route="poll", times=2),
        Fault("rate_limited", route="poll", times=1, seconds=0),
        Fault("invalid_json", route="poll", times=2),
        Fault("revoked_token", route="poll", times=1),
        Fault("server_errors", route="token", times=2),
    ],
    ids=lambda fault: f"{fault.route}-{fault.kind}",
)
def test_faults_that_pass_stay_inside(rig: Callable[..., Rig], fault: Fault) -> None:
    platform = rig()
    job_ids = platform.submit(context_of())
    platform.simulator.faults = (fault,)
    assert events_of(following(job_ids)) == [{"job_ids": job_ids, "status": "completed"}]


def test_a_ledger_that_is_away_for_a_moment_stays_inside(rig: Callable[..., Rig]) -> None:
    platform = rig()
    job_ids = platform.submit(context_of())
    ledger = platform.archive.with_name("ledger.db")
    away = ledger.with_suffix(".away")

    async def scene() -> list[Any]:
        trigger = following(job_ids, poll_interval=0.2)
        ledger.rename(away)
        ledger.mkdir()
        collecting = asyncio.create_task(_collect(trigger))
        await asyncio.sleep(2.0)  # longer than an operation of the ledger is tried again
        ledger.rmdir()
        away.rename(ledger)
        return await collecting

    assert asyncio.run(scene()) == [{"job_ids": job_ids, "status": "completed"}]


def test_a_slow_platform_does_not_block_the_loop(rig: Callable[..., Rig]) -> None:
    platform = rig()
    job_ids = platform.submit(context_of())
    platform.simulator.hold("poll")

    async def scene() -> list[Any]:
        collecting = asyncio.create_task(_collect(following(job_ids)))
        await asyncio.to_thread(platform.simulator.wait_until_held)
        platform.simulator.release()  # which only a loop that goes on comes to
        return await collecting

    assert asyncio.run(scene()) == [{"job_ids": job_ids, "status": "completed"}]


def test_a_budget_that_is_spent_is_waited_for_without_a_thread(rig: Callable[..., Rig]) -> None:
    platform = rig()
    job_ids = platform.submit(context_of())
    platform.limit(requests_per_minute=1)
    began = time.monotonic()
    assert events_of(following(job_ids, seconds=0.5))[0]["status"] == "timeout"
    assert time.monotonic() - began < 5
    assert "poll" not in platform.asked_for()


def test_a_restart_comes_to_the_same_moments(rig: Callable[..., Rig]) -> None:
    platform = rig()
    job_ids = platform.submit(context_of())
    trigger = following(job_ids, poll_interval=1.0, max_poll_interval=1.0)

    async def scene() -> list[Any]:
        running = asyncio.create_task(_collect(trigger))
        await asyncio.sleep(0.4)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await trigger.cleanup()
        return await _collect(restored(trigger))

    assert asyncio.run(scene()) == [{"job_ids": job_ids, "status": "completed"}]
    assert 0.9 <= time.time() - platform.simulator.jobs[0].submitted_at < 2.5
    assert platform.asked_for()["poll"] == 1


def test_a_restart_comes_to_the_same_deadline(rig: Callable[..., Rig]) -> None:
    platform = rig(job_seconds=60)
    trigger = following(platform.submit(context_of()), seconds=0.6)

    async def scene() -> list[Any]:
        running = asyncio.create_task(_collect(trigger))
        await asyncio.sleep(0.3)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return await _collect(restored(trigger))

    (event,) = asyncio.run(scene())
    assert event["status"] == "timeout"
    assert 0 <= time.time() - trigger.deadline < 1


def test_waits_that_begin_together_look_their_connections_up_once(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = rig()
    job_ids = platform.submit(context_of())
    found: list[str] = []

    async def looked_up(conn_id: str) -> Any:
        found.append(conn_id)
        return await get_async_connection(conn_id)

    for room in ("hooks.genesys", "wiring"):
        monkeypatch.setattr(f"airflow_provider_genesys.{room}.get_async_connection", looked_up)

    async def scene() -> list[Any]:
        return await asyncio.gather(*[_collect(following(job_ids)) for _ in range(20)])

    assert asyncio.run(scene()) == [[{"job_ids": job_ids, "status": "completed"}]] * 20
    assert sorted(found) == ["genesys_default", "genesys_ledger"]


@pytest.mark.skipif(not IS_AIRFLOW_3, reason="Airflow 2 masks without a supervisor")
def test_connections_are_read_where_airflow_may_be_asked(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor's answer is waited for: never on the loop, where another trigger may be waiting for it too."""
    platform = rig()
    job_ids = platform.submit(context_of())
    on_the_loop: list[bool] = []
    monkeypatch.setattr("airflow.sdk.log.mask_secret", lambda secret, name=None: on_the_loop.append(_in_a_loop()))
    assert events_of(following(job_ids))[0]["status"] == "completed"
    assert on_the_loop
    assert not any(on_the_loop)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _collect(trigger: ExportJobTrigger) -> list[Any]:
    return [event.payload async for event in trigger.run()]


def test_metrics_of_a_trigger_are_those_of_its_task() -> None:
    assert tags_of(SimpleNamespace(dag_id="export", task_id="wait", run_id="scheduled")) == {
        "dag_id": "export",
        "task_id": "wait",
    }


def test_metrics_of_a_trigger_without_a_task_have_no_tags_of_one() -> None:
    assert tags_of(following(["a"]).task_instance) == {}
