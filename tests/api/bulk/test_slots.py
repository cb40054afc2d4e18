# SPDX-License-Identifier: Apache-2.0
"""Jobs are two at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_genesys.api.bulk import BulkApi
from airflow_provider_genesys.export.errors import NotYet, Passing, Refused
from airflow_provider_genesys.simulator.universe import QUEUE_IDS
from tests.api.bulk.world import NEXT_DAY, PENDING, PROCESSING, REQUEST, Build
from tests.api.rude import Answer, RudePlatform
from tests.export.memory.clock import Clock


def test_a_third_job_waits(bulk: Build, clock: Clock) -> None:
    api, simulator = bulk()
    api.submit(REQUEST)
    api.submit(NEXT_DAY)
    with pytest.raises(NotYet, match="2 bulk jobs of an organisation at a time, and 2 are pending or processing"):
        api.submit(replace(REQUEST, filters={"queueId": QUEUE_IDS[0]}))
    clock.sleep(PENDING)
    api.submit(replace(REQUEST, filters={"queueId": QUEUE_IDS[0]}))
    assert simulator.stats.bulk_jobs == 3, "what is ready takes no slot"


def test_the_jobs_of_administrators_take_slots_too(bulk: Build, clock: Clock) -> None:
    api, _ = bulk(foreign_bulk_jobs=2, foreign_bulk_seconds=PROCESSING)
    with pytest.raises(NotYet, match="perhaps an administrator's"):
        api.submit(REQUEST)
    clock.sleep(PROCESSING)
    api.submit(REQUEST)


def test_a_start_waits_for_a_slot_as_well(bulk: Build, clock: Clock) -> None:
    api, _ = bulk()
    job_ids = [api.submit(REQUEST), api.submit(NEXT_DAY)]
    clock.sleep(PENDING)
    job_ids.append(api.submit(replace(REQUEST, filters={"queueId": QUEUE_IDS[0]})))
    clock.sleep(PENDING)
    for job_id in job_ids[:2]:
        api.start(job_id)
    with pytest.raises(NotYet, match=r"job .* waits"):
        api.start(job_ids[2])
    clock.sleep(PROCESSING)
    api.start(job_ids[2])


@pytest.mark.parametrize("status", [400, 409])
def test_a_refusal_for_another_reason_is_told(rude: RudePlatform, rude_api: BulkApi, status: int) -> None:
    refusal = {"message": "conversationQuery is too old", "code": "bad.request", "status": status, "contextId": "c-1"}
    rude.will(*[Answer(status, refusal), Answer(200, {"entities": []})] * 3)
    with pytest.raises(Refused, match="conversationQuery is too old"):
        rude_api.submit(REQUEST)


def test_a_slot_that_came_free_before_anybody_looked_is_taken(rude: RudePlatform, rude_api: BulkApi) -> None:
    full = {"message": "2 jobs pending or processing", "code": "bad.request", "status": 400, "contextId": "c-1"}
    rude.will(Answer(400, full), Answer(200, {"entities": []}), Answer(202, {"id": "j-3"}))
    assert rude_api.submit(REQUEST) == "j-3"


def test_a_rate_limit_is_no_want_of_a_slot(rude: RudePlatform, rude_api: BulkApi) -> None:
    rude.will(Answer(429, {"message": "slow down"}, (("Retry-After", "7200"),)), Answer(200, {"entities": []}))
    with pytest.raises(Passing) as passing:
        rude_api.submit(REQUEST)
    assert not isinstance(passing.value, NotYet)
    assert passing.value.retry_after == 7200.0
