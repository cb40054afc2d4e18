# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_genesys.api import client as client_module
from airflow_provider_genesys.hooks.genesys import GenesysHook

SECRET = "secret-that-nobody-may-see"


@pytest.fixture(autouse=True)
def _no_tokens_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port, and with it a token's key, may come back."""
    monkeypatch.setattr(client_module, "_tokens", {})


@pytest.fixture
def hook_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., GenesysHook]:
    """A hook over a connection of the environment, as JSON: its extras, and fields that differ from the usual ones."""

    def build(extra: dict[str, Any] | None = None, **fields: Any) -> GenesysHook:
        usual = {"conn_type": "genesys", "host": "api.usw2.pure.cloud", "login": "client", "password": SECRET}
        connection = {**usual, "extra": extra or {}, **fields}
        monkeypatch.setenv("AIRFLOW_CONN_GENESYS_TEST", json.dumps(connection))
        return GenesysHook("genesys_test")

    return build


@pytest.fixture
def hook_of_uri(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], GenesysHook]:
    """A hook over a connection of the environment, as a URI."""

    def build(uri: str) -> GenesysHook:
        monkeypatch.setenv("AIRFLOW_CONN_GENESYS_TEST", uri)
        return GenesysHook("genesys_test")

    return build
