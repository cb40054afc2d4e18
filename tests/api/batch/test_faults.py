# SPDX-License-Identifier: Apache-2.0
"""What can go wrong on the wire."""

from __future__ import annotations

import pytest

from airflow_provider_genesys.api.batch import BatchApi
from airflow_provider_genesys.export.errors import ExportError, OutcomeUnknown, Passing, Refused
from airflow_provider_genesys.export.model import JobStatus
from airflow_provider_genesys.simulator import Fault
from tests.api.batch.world import ONE, Build, exported, parts_of
from tests.api.rude import Answer, Dropped, RudePlatform


def test_a_lost_answer_of_a_submission_is_unknown_and_not_asked_again(batch: Build) -> None:
    api, simulator = batch(calls_per_day=30, faults=[Fault("batch_lost")])
    (part,) = parts_of(api)
    with pytest.raises(OutcomeUnknown):
        api.submit(part)
    assert simulator.stats.batches == 1


def test_only_who_submitted_a_job_may_read_it(batch: Build) -> None:
    api, _ = batch(calls_per_day=30, faults=[Fault("foreign_batches")])
    (part,) = parts_of(api)
    with pytest.raises(Refused, match="be the client that submitted the request"):
        exported(api, part)


def test_a_job_that_the_platform_does_not_know_has_failed_in_its_words(batch: Build) -> None:
    api, _ = batch(calls_per_day=30)
    job = api.job(ONE, "never-heard-of")
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert "not found" in job.error


def test_a_limit_without_retry_after_is_waited_for_as_its_reset_says(batch: Build, slept: list[float]) -> None:
    api, _ = batch(calls_per_day=30, faults=[Fault("rate_limited", route="batch_poll", form="absent", seconds=7)])
    (part,) = parts_of(api)
    assert exported(api, part).status is JobStatus.COMPLETED
    assert 7 <= slept[0] < 12


def test_a_daily_limit_is_told_at_once_with_its_hours(batch: Build, slept: list[float]) -> None:
    api, simulator = batch(calls_per_day=30)
    (part,) = parts_of(api)
    simulator.faults = [Fault("daily_limits", route="batch_submit", seconds=7200)]
    with pytest.raises(Passing) as raised:
        api.submit(part)
    assert (raised.value.retry_after, slept) == (7200.0, [])


def test_a_token_that_is_refused_in_mid_flow_costs_one_login(batch: Build) -> None:
    api, simulator = batch(calls_per_day=30)
    (part,) = parts_of(api)
    simulator.faults = [Fault("revoked_token")]
    assert exported(api, part).status is JobStatus.COMPLETED
    assert simulator.stats.requests["token"] == 2


@pytest.mark.parametrize("answer", [Dropped(), Answer(503), Answer(200, b"<html>")])
def test_a_submission_without_an_answer_is_made_once(rude: RudePlatform, rude_api: BatchApi, answer: Answer) -> None:
    rude.will(answer)
    with pytest.raises(OutcomeUnknown):
        rude_api.submit(ONE)
    assert len(rude.requests) == 1


def test_an_answer_to_a_submission_without_an_id_is_unknown(rude: RudePlatform, rude_api: BatchApi) -> None:
    rude.will(Answer(200, {}))
    with pytest.raises(OutcomeUnknown, match="has no id"):
        rude_api.submit(ONE)


@pytest.mark.parametrize("route", ["details_query", "availability", "batch_poll", "settings"])
@pytest.mark.parametrize("kind", ["dropped_connection", "invalid_json", "server_errors", "rate_limited"])
def test_every_fault_of_the_wire_is_one_of_the_domains(batch: Build, route: str, kind: str) -> None:
    api, simulator = batch(calls_per_day=9)
    simulator.faults = [Fault(kind, route=route, times=None)]
    with pytest.raises(ExportError):
        exported(api, parts_of(api)[0])
