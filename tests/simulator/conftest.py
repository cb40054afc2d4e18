# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from airflow_provider_genesys.simulator import Simulator, Universe

DAY = {"dateFrom": "2024-05-01T00:00:00.000Z", "dateTo": "2024-05-01T23:59:59.999Z"}


@dataclass
class Clock:
    """A clock that stands still until a test moves it."""

    now: float = 1_714_600_000.0

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Caller:
    """Somebody with an access token."""

    url: str
    name: str = "demo"
    secret: str = "demo"
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.headers["Authorization"] = f"Bearer {self.sign_in().json()['access_token']}"

    def sign_in(self) -> requests.Response:
        grant = {"grant_type": "client_credentials"}
        return requests.post(f"{self.url}/oauth/token", auth=(self.name, self.secret), data=grant)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.session.get(f"{self.url}{path}", params=query, timeout=30)

    def post(self, path: str, body: Any) -> requests.Response:
        return self.session.post(f"{self.url}{path}", json=body, timeout=30)

    def volume(self, **query: Any) -> requests.Response:
        return self.session.get(f"{self.url}/api/v2/recordings", params={**DAY, "pageSize": 1, **query})

    def submit(self, media_format: str = "mp3", timeout: float = 10.0, **filters: Any) -> requests.Response:
        order = {
            "type": "export",
            "filter": {**DAY, **filters},
            "jobDetails": [{"type": "recording", "format": media_format}],
        }
        return self.session.post(f"{self.url}/api/v2/recordings/jobs", json=order, timeout=timeout)

    def poll(self, job_id: str, timeout: float = 10.0) -> requests.Response:
        return self.session.get(f"{self.url}/api/v2/recordings/jobs/{job_id}", timeout=timeout)

    def export(self, **filters: Any) -> dict[str, Any]:
        """A job submitted and polled once: completed where jobs take no time."""
        job: dict[str, Any] = self.poll(self.submit(**filters).json()["jobId"]).json()
        return job


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulate(clock: Clock) -> Iterator[Callable[..., Simulator]]:
    """Start a simulator on the test's clock; jobs take no time and the day has seven calls unless told otherwise."""
    with ExitStack() as running:

        def start(**settings: Any) -> Simulator:
            universe = Universe(**{"job_seconds": 0, "calls_per_day": 7, **settings})
            return running.enter_context(Simulator(universe, clock=clock))

        yield start


@pytest.fixture
def calling() -> Callable[..., Caller]:
    """Get an access token from a simulator, as ``demo`` unless told otherwise."""

    def call(simulator: Simulator, name: str = "demo", secret: str = "demo") -> Caller:
        return Caller(simulator.url, name, secret)

    return call
