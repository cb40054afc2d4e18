# SPDX-License-Identifier: Apache-2.0
"""Jobs whose answers were lost are found again, and no others are taken for them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_provider_genesys.api import bulkjobs
from airflow_provider_genesys.api.bulk import BulkApi
from airflow_provider_genesys.export.errors import OutcomeUnknown, Passing
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.simulator import Fault
from airflow_provider_genesys.simulator.universe import QUEUE_IDS
from tests.api.bulk.world import DAY, INTEGRATION, NEXT_DAY, REQUEST, Build, Connect, known_jobs, written
from tests.api.rude import Answer, RudePlatform
from tests.export.memory.clock import Clock


def test_a_job_whose_answer_was_lost_is_found_by_its_query(bulk: Build) -> None:
    api, simulator = bulk(faults=[Fault("bulk_lost")])
    with pytest.raises(OutcomeUnknown):
        api.submit(REQUEST)
    (made,) = [job["id"] for job in known_jobs(simulator)]
    assert api.orphan(REQUEST, []) == made
    assert api.orphan(REQUEST, [made]) is None
    for other in (
        NEXT_DAY,
        replace(REQUEST, window=ExportWindow(DAY.start, DAY.end - timedelta(milliseconds=1))),
        replace(REQUEST, media=("audio", "screen")),
        replace(REQUEST, filters={"queueId": QUEUE_IDS[0]}),
    ):
        assert api.orphan(other, []) is None


def test_a_job_with_more_filters_is_no_orphan_of_a_request_with_fewer(bulk: Build) -> None:
    api, _ = bulk()
    api.submit(replace(REQUEST, filters={"queueId": QUEUE_IDS[0], "direction": "inbound"}))
    assert api.orphan(REQUEST, []) is None
    assert api.orphan(replace(REQUEST, filters={"queueId": QUEUE_IDS[0]}), []) is None


def test_an_orphan_is_found_on_the_last_page(bulk: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulkjobs, "PAGE", 3)
    api, _ = bulk()
    for number in range(10):
        window = ExportWindow(DAY.start + timedelta(hours=number), DAY.end)
        api.discard(api.submit(replace(REQUEST, window=window)))
    made = api.submit(NEXT_DAY)
    assert api.orphan(NEXT_DAY, []) == made


def test_a_rehearsal_that_was_left_behind_is_used(bulk: Build) -> None:
    api, _ = bulk()
    assert api.rehearse(REQUEST) == api.rehearse(REQUEST) != api.rehearse(NEXT_DAY)


def test_neither_a_discarded_job_nor_a_rehearsal_nor_another_clients_is_an_orphan(
    bulk: Build, connect: Connect, clock: Clock
) -> None:
    api, simulator = bulk()
    api.discard(api.submit(REQUEST))
    api.rehearse(REQUEST)
    BulkApi(connect(simulator.url, client_id="other"), INTEGRATION, clock=clock).submit(REQUEST)
    assert api.orphan(REQUEST, []) is None


def test_a_query_is_recognised_as_the_platform_writes_it(rude: RudePlatform, rude_api: BulkApi) -> None:
    rude.will(Answer(202, written()))
    rude_api.submit(REQUEST)
    query = json.loads(rude.requests[-1].body)
    query["conversationQuery"] |= {"interval": "2024-05-01T00:00Z/2024-05-02T00:00Z", "limit": 0, "surveyFilters": []}
    del query["includeRecordingsWithSensitiveData"], query["includeScreenRecordings"]
    rude.will(Answer(200, {"entities": [written(recordingJobsQuery={**query, "clearExport": False})]}))
    assert rude_api.orphan(REQUEST, []) == "job"
    query["conversationQuery"]["conversationFilters"] = [{"type": "and", "predicates": []}]
    rude.will(Answer(200, {"entities": [written(recordingJobsQuery=query)]}))
    assert rude_api.orphan(REQUEST, []) is None


def test_a_cursor_that_leads_in_a_circle_ends(rude: RudePlatform, rude_api: BulkApi) -> None:
    rude.will(Answer(200, {"entities": [], "nextUri": "/api/v2/recording/jobs?cursor=abc"}))
    with pytest.raises(Passing, match="leads in a circle"):
        rude_api.ready()
