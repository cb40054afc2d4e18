# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_genesys.api.urls import end_of

NOON = datetime(2024, 5, 2, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0


@pytest.mark.parametrize(
    ("query", "end"),
    [
        ("X-Amz-Date=20240502T120000Z&X-Amz-Expires=900", NOON + 900),
        ("X-Amz-Date=20240502T120000Z&X-Amz-Expires=90000", NOON + HOUR),
        ("X-Amz-Date=20240502T113000Z&X-Amz-Expires=3600", NOON + HOUR / 2),
        ("X-Amz-Date=20240502T110000Z", NOON),
        ("X-Amz-Expires=900", NOON + 900),
        (f"Expires={int(NOON) + 60}&Signature=s&Key-Pair-Id=k", NOON + 60),
        (f"Expires={int(NOON) + 86_400}", NOON + HOUR),
        ("sig=x", NOON + HOUR),
        ("X-Amz-Date=yesterday&X-Amz-Expires=soon&Expires=-1", NOON + HOUR),
    ],
)
def test_whichever_ends_first(query: str, end: float) -> None:
    assert end_of(f"https://bucket.example/one.ogg?{query}", HOUR, NOON) == end


def test_a_url_without_a_query_lives_as_the_settings_say() -> None:
    assert end_of("https://bucket.example/one.ogg", HOUR, NOON) == NOON + HOUR
