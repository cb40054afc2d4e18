# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_genesys.archive.pages import page_of

KEY = "manifests/job_a%2Fb.json"


@pytest.mark.parametrize(
    ("scheme", "place", "prefix", "page"),
    [
        ("file", "", "/data/my calls", "file:///data/my%20calls/manifests/job_a%252Fb.json"),
        (
            "s3",
            "calls",
            "eu/1",
            "https://console.aws.amazon.com/s3/object/calls?prefix=eu%2F1%2Fmanifests%2Fjob_a%252Fb.json",
        ),
        (
            "gs",
            "calls",
            "eu",
            "https://console.cloud.google.com/storage/browser/_details/calls/eu/manifests/job_a%252Fb.json",
        ),
        ("abfs", "calls", "", "abfs://calls/manifests/job_a%252Fb.json"),
    ],
)
def test_an_object_is_found_where_its_store_shows_it(scheme: str, place: str, prefix: str, page: str) -> None:
    """A key has percent signs of its own, which a URL has to quote once more."""
    assert page_of(scheme, place, prefix, KEY) == page


def test_a_folder_has_another_page_than_an_object() -> None:
    assert page_of("s3", "calls", "", "manifests/") == (
        "https://console.aws.amazon.com/s3/buckets/calls?prefix=manifests%2F"
    )
    assert page_of("gs", "calls", "", "manifests/") == (
        "https://console.cloud.google.com/storage/browser/calls/manifests/"
    )


def test_a_store_that_is_not_amazons_has_the_object_at_its_own_endpoint() -> None:
    page = page_of("s3", "calls", "eu", "reports/r.json", endpoint="http://127.0.0.1:8333/")
    assert page == "http://127.0.0.1:8333/calls/eu/reports/r.json"
