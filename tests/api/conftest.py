# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from airflow_provider_genesys.api import client as client_module
from airflow_provider_genesys.api.client import ClientSettings, GenesysClient
from airflow_provider_genesys.api.hosts import resolve_hosts
from airflow_provider_genesys.simulator import Simulator, Universe
from tests.api.rude import RudePlatform, rude_platform

SECRET = "secret-that-nobody-may-see"


@pytest.fixture(autouse=True)
def _no_tokens_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port, and with it a token's key, may come back."""
    monkeypatch.setattr(client_module, "_tokens", {})


@pytest.fixture
def slept() -> list[float]:
    """What the clients have slept between tries, in seconds; in truth they don't."""
    return []


@pytest.fixture
def connect(slept: list[float]) -> Callable[..., GenesysClient]:
    """A client of a base URL; ``timeout``, ``verify`` and the like are settings, the rest is the client's."""

    def build(url: str, *, tries: int = 5, on_token: Callable[[str], None] = lambda _: None, **settings: Any) -> Any:
        known = {"client_id": "demo", "client_secret": SECRET, "timeout": 5.0, **settings}
        return GenesysClient(
            ClientSettings(resolve_hosts(url), **known), tries=tries, on_token=on_token, sleep=slept.append
        )

    return build


@pytest.fixture
def simulate() -> Iterator[Callable[..., Simulator]]:
    """Start a simulator whose jobs take no time and whose days have seven calls, unless told otherwise."""
    with ExitStack() as running:

        def start(clock: Callable[[], float] = time.time, **settings: Any) -> Simulator:
            quick = {"clients": {"demo": SECRET}, "job_seconds": 0, "calls_per_day": 7}
            return running.enter_context(Simulator(Universe(**{**quick, **settings}), clock=clock))

        yield start


@pytest.fixture
def rude() -> Iterator[RudePlatform]:
    with rude_platform() as platform:
        yield platform
