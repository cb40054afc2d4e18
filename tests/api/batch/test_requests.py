# SPDX-License-Identifier: Apache-2.0
"""What can be asked for, and how much at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_genesys.api.batch import LOT
from airflow_provider_genesys.export.errors import InvalidInput, Passing
from airflow_provider_genesys.simulator.universe import QUEUE_IDS
from tests.api.batch.world import REQUEST, Build, parts_of
from tests.export.memory.clock import Clock


@pytest.mark.parametrize("media_format", ["", "auto", "original", "mp3", "wav"])
def test_formats(batch: Build, media_format: str) -> None:
    api, simulator = batch()
    asked = api.checked(replace(REQUEST, media_format=media_format))
    assert asked.media_format == (media_format if media_format in ("mp3", "wav") else "original")
    assert not simulator.stats.requests


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"filters": {"queue": "claims"}}, "'queue': the published API's are queueId, userId, wrapUpCode"),
        ({"filters": {"dateFrom": "2024-05-01", "action": "DELETE"}}, "'dateFrom', 'action'"),
        ({"filters": {"queueId": 7}}, "queueId must be a text"),
        ({"filters": {"queueId": []}}, "queueId must be a text"),
        ({"filters": {"direction": [""]}}, "direction must be a text"),
        ({"filters": {"minDurationSeconds": "long"}}, "must be a number of seconds"),
        ({"filters": {"minDurationSeconds": True}}, "must be a number of seconds"),
        ({"media": ("smoke",)}, "media must be one or more of audio, screen"),
        ({"media": ()}, "media must be one or more of"),
        ({"media": ("screen",), "media_format": "mp3"}, "one of audio alone"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_any_request(
    batch: Build, changes: dict[str, Any], words: str
) -> None:
    api, simulator = batch()
    with pytest.raises(InvalidInput, match=words):
        api.checked(replace(REQUEST, **changes))
    assert not simulator.stats.requests


def test_filters_reach_the_platform(batch: Build) -> None:
    api, _ = batch(calls_per_day=90)
    everything, filtered = api.volume(REQUEST), replace(REQUEST, filters={"queueId": QUEUE_IDS[0]})
    assert 0 < api.volume(filtered) < everything
    assert len(api.parts(filtered)[0]) == api.volume(filtered)


def test_no_batch_request_has_more_than_a_hundred_conversations(batch: Build) -> None:
    api, simulator = batch(calls_per_day=250)
    parts = parts_of(api)
    assert [len(part.conversations) for part in parts] == [LOT, LOT, 50]
    for part in parts:
        api.submit(part)
    assert simulator.stats.batches == 3


def test_a_window_has_no_job_of_its_own(batch: Build) -> None:
    api, simulator = batch()
    for ask in (lambda: api.submit(REQUEST), lambda: api.job(REQUEST, "job")):
        with pytest.raises(InvalidInput, match="only its parts have"):
            ask()
    assert not simulator.stats.requests


def test_a_window_that_the_data_lake_does_not_reach_is_not_looked_for(batch: Build, clock: Clock) -> None:
    api, simulator = batch(availability_lag_seconds=13 * 3600)
    with pytest.raises(Passing, match="2024-05-01 23:00:00 UTC, which is before the end of") as raised:
        api.parts(REQUEST)
    assert raised.value.retry_after == 3600.0
    assert simulator.stats.requests["details_query"] == 0
    clock.sleep(raised.value.retry_after)
    assert len(api.parts(REQUEST)) == 1
