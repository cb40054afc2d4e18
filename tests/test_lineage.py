# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_genesys.lineage import name_of


@pytest.mark.parametrize(
    ("destination", "namespace", "name"),
    [
        ("s3://calls/genesys/mp3", "s3://calls", "genesys/mp3"),
        ("s3://calls", "s3://calls", "/"),
        ("gs://calls/genesys", "gs://calls", "genesys"),
        ("file:///srv/calls%20of%202024", "file", "/srv/calls of 2024"),
        (
            "https://recordings.blob.core.windows.net/calls/genesys/mp3",
            "abfss://calls@recordings.dfs.core.windows.net",
            "genesys/mp3",
        ),
        ("https://recordings.blob.core.windows.net/calls", "abfss://calls@recordings.dfs.core.windows.net", "/"),
        (
            "http://127.0.0.1:10000/devstoreaccount1/calls/genesys",
            "abfss://calls@devstoreaccount1.dfs.core.windows.net",
            "genesys",
        ),
    ],
)
def test_an_archive_is_named_as_openlineage_names_datasets(destination: str, namespace: str, name: str) -> None:
    named = name_of(destination)
    assert (named.get_namespace(), named.get_name()) == (namespace, name)
