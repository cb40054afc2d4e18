# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from tests.conftest import ROOT
from tests.end_to_end.conftest import stage

__all__ = ["stage"]

FOLDER = ROOT / "airflow_provider_genesys" / "example_dags"


@pytest.fixture(autouse=True)
def examples_are_a_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Airflow 3, only a DAG of a bundle can be run."""
    bundle = {
        "name": "examples",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(FOLDER)},
    }
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
