# SPDX-License-Identifier: Apache-2.0
"""What can be asked for: exports, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_genesys.api.bulk import BulkApi
from airflow_provider_genesys.api.selection import FILTERS, MEDIA
from airflow_provider_genesys.export.errors import InvalidInput, Passing
from tests.api.bulk.world import REQUEST, Build, Connect, written
from tests.api.rude import Answer, RudePlatform

# -- nothing but EXPORT ----------------------------------------------------------------------------------------------

WORDS = st.sampled_from(["DELETE", "ARCHIVE", "delete", "action", "clearExport", "EXPORT", '","action":"DELETE', "x"])
VALUES = st.one_of(WORDS, st.lists(WORDS, max_size=3), st.integers(), st.dictionaries(WORDS, WORDS, max_size=2))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    filters=st.dictionaries(st.one_of(st.sampled_from(FILTERS), WORDS), VALUES, max_size=4),
    media=st.lists(st.one_of(st.sampled_from(MEDIA), WORDS), max_size=3),
    media_format=st.one_of(st.sampled_from(["", "auto", "original"]), WORDS),
    integration=WORDS,
)
def test_nothing_can_make_a_job_say_anything_but_export(
    rude: RudePlatform, connect: Connect, filters: Any, media: list[str], media_format: str, integration: str
) -> None:
    """Arguments, filters and extras try to."""
    rude.will(Answer(202, written()))
    api = BulkApi(connect(rude.url, tries=1), integration)
    rude.requests.clear()
    wanted = replace(REQUEST, filters=filters, media=tuple(media), media_format=media_format)
    try:
        checked = api.checked(wanted)
    except InvalidInput:
        assert not rude.requests
        checked = wanted  # what goes round the check changes nothing, either
    for make in (api.submit, api.rehearse):
        try:
            make(checked)
        except (AttributeError, TypeError):  # no JSON comes of it at all
            continue
    for request in rude.requests:
        if request.method == "GET":
            continue
        assert request.method == "POST"
        body = json.loads(request.body)
        assert body.keys() == {
            "action",
            "actionDate",
            "integrationId",
            "includeRecordingsWithSensitiveData",
            "includeScreenRecordings",
            "includePolicyBasedRecordings",
            "includeSnippetRecordings",
            "conversationQuery",
        }
        assert body["action"] == "EXPORT"
        assert body["includeRecordingsWithSensitiveData"] is False
        assert body["conversationQuery"].keys() <= {
            "interval",
            "order",
            "orderBy",
            "segmentFilters",
            "conversationFilters",
        }


# -- what can be asked for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"media_format": "mp3"}, "bulk jobs export what was recorded: say original"),
        ({"filters": {"minDurationSeconds": 5}}, "bulk jobs know no filter minDurationSeconds"),
        ({"filters": {"action": "DELETE"}}, "filters has 'action'"),
        ({"media": ("screen",)}, "say media audio and screen"),
        ({"media": ("video",)}, "media must be one or more of"),
    ],
)
def test_what_a_bulk_job_can_not_do_is_refused_before_any_request(
    rude: RudePlatform, rude_api: BulkApi, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        rude_api.checked(replace(REQUEST, **changes))
    assert not rude.requests


def test_the_original_is_the_default(rude_api: BulkApi) -> None:
    assert rude_api.checked(replace(REQUEST, media_format="")) == REQUEST


def test_a_window_that_the_data_lake_has_not_reached_waits(bulk: Build) -> None:
    api, _ = bulk(availability_lag_seconds=48 * 3600)
    with pytest.raises(Passing, match="knows what was recorded until"):
        api.parts(REQUEST)
