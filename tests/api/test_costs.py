# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_genesys.api.costs import BATCH, BULK, GUIDE, TRANSCODED, costs_of, search_requests
from airflow_provider_genesys.export.estimate import Costs


@pytest.mark.parametrize(("conversations", "requests"), [(0, 1), (100, 1), (101, 2), (1000, 10), (1001, 7)])
def test_a_search_costs_pages(conversations: int, requests: int) -> None:
    assert search_requests(conversations) == requests


@pytest.mark.parametrize(
    ("export_api", "media_format", "costs"),
    [
        ("guide", "mp3", GUIDE),
        ("batch", "original", BATCH),
        ("batch", "mp3", TRANSCODED),
        ("batch", "wav", TRANSCODED),
        ("bulk", "original", BULK),
    ],
)
def test_an_api_and_a_format_have_their_costs(export_api: str, media_format: str, costs: Costs) -> None:
    assert costs_of(export_api, media_format) is costs


def test_a_window_is_searched_twice_by_batch_and_once_by_bulk() -> None:
    assert (GUIDE.of_window(1000), BATCH.of_window(1000), BULK.of_window(1000)) == (0, 2 + 2 * 10, 2 + 10)
