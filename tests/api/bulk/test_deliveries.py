# SPDX-License-Identifier: Apache-2.0
"""What a job delivers, and why something is absent."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from airflow_provider_genesys.api import bulkjobs
from airflow_provider_genesys.api.media import GONE
from airflow_provider_genesys.simulator import Fault, Simulator
from tests.api.bulk.world import DAY, DELIVERING, NEXT_DAY, PENDING, REQUEST, Build, fulfilled, known_jobs
from tests.export.memory.clock import Clock


def wait_for_delivery(simulator: Simulator) -> None:
    """Its clock is ours, its diligence its own."""
    until = time.monotonic() + 10.0
    while any(job["deliveredAt"] is None for job in known_jobs(simulator) if job["state"] == "FULFILLED"):
        assert time.monotonic() < until
        time.sleep(0.02)


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
