# SPDX-License-Identifier: Apache-2.0
"""From a day's volume to its URLs, and when a job is done."""

from __future__ import annotations

import pytest

from airflow_provider_genesys.api.batch import BatchApi
from airflow_provider_genesys.export.model import JobStatus
from airflow_provider_genesys.simulator import Fault
from tests.api.batch.world import ONE, REQUEST, Build, exported, parts_of, status
from tests.api.rude import RudePlatform
from tests.export.memory.clock import Clock


def test_a_day_from_its_volume_to_its_urls(batch: Build) -> None:
    api, simulator = batch(calls_per_day=250)
    assert api.volume(REQUEST) == 250
    parts = parts_of(api)
    jobs = [exported(api, part) for part in parts]
    assert [job.status for job in jobs] == [JobStatus.COMPLETED] * 3
    recordings = [recording for job in jobs for recording in job.recordings]
    assert len({recording.recording_id for recording in recordings}) == len(recordings) >= 250
    assert {recording.conversation_id for recording in recordings} == {
        one for part in parts for one in part.conversations
    }
    assert all(recording.url and recording.url.startswith(simulator.url) for recording in recordings)
    assert [api.missing(part, job) for part, job in zip(parts, jobs, strict=True)] == [[], [], []]


def test_a_job_that_is_asked_again_says_the_same(batch: Build) -> None:
    api, _ = batch(calls_per_day=30)
    (part,) = parts_of(api)
    job_id = api.submit(part)
    first, second = (api.job(part, job_id).recordings for _ in range(2))
    assert [recording.recording_id for recording in first] == [recording.recording_id for recording in second]


@pytest.mark.parametrize("kind", ["empty_discovery", "growing_discovery"])
def test_a_job_is_not_done_because_nothing_of_nothing_is(batch: Build, clock: Clock, kind: str) -> None:
    """0 of 0 before it has looked, n of n while it looks: only its status says that it is done."""
    api, _ = batch(calls_per_day=30, batch_seconds=4, faults=[Fault(kind, seconds=20)])
    (part,) = parts_of(api)
    job_id = api.submit(part)
    seen = []
    while (job := api.job(part, job_id)).status is JobStatus.RUNNING:
        seen.append(job)
        clock.sleep(2.0)
    assert len(seen) >= 10
    assert api.missing(part, job) == []


def test_a_job_that_never_finds_anything_goes_on_and_is_not_taken_for_done(batch: Build, clock: Clock) -> None:
    api, _ = batch(calls_per_day=30, faults=[Fault("stuck_batches")])
    (part,) = parts_of(api)
    job_id = api.submit(part)
    clock.sleep(86_400.0)
    assert api.job(part, job_id).status is JobStatus.RUNNING


def test_an_empty_job_is_done_when_it_says_so_and_is_not_polled_for_ever(
    rude: RudePlatform, rude_api: BatchApi
) -> None:
    rude.will(status([]))
    job = rude_api.job(ONE, "job")
    assert (job.status, job.recordings, job.expires_at) == (JobStatus.COMPLETED, (), None)
    assert rude_api.missing(ONE, job) == ["one"]


@pytest.mark.parametrize("word", ["InProgress", "Discovering", ""])
def test_a_status_that_is_not_known_is_waited_out(rude: RudePlatform, rude_api: BatchApi, word: str) -> None:
    rude.will(status([], word))
    assert rude_api.job(ONE, "job").status is JobStatus.RUNNING


def test_one_token_does_for_every_call(batch: Build) -> None:
    api, simulator = batch(calls_per_day=250)
    for part in parts_of(api):
        exported(api, part)
    assert simulator.stats.requests["token"] == 1
