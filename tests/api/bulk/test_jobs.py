# SPDX-License-Identifier: Apache-2.0
"""A job from its submission to its end, whether it is started, discarded, or fails."""

from __future__ import annotations

import pytest

from airflow_provider_genesys.api.bulk import BulkApi
from airflow_provider_genesys.export.errors import OutcomeUnknown, Refused
from airflow_provider_genesys.export.model import JobStatus
from tests.api.bulk.world import (
    INTEGRATION,
    PENDING,
    PROCESSING,
    REQUEST,
    Build,
    Connect,
    fulfilled,
    known_jobs,
    written,
)
from tests.api.rude import Answer, RudePlatform
from tests.export.memory.clock import Clock

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
