# SPDX-License-Identifier: Apache-2.0
"""What a browser is shown: an Airflow 3 over a simulated organisation, with an archive on an S3-compatible store."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from airflow_provider_genesys.simulator import Simulator, universe_from
from tests.conftest import ROOT
from tests.end_to_end.stage import QUICK_WORLD, SECRET
from tests.servers.airflow import AirflowServer, airflow_server
from tests.servers.postgres import PostgresServer
from tests.servers.seaweedfs import SeaweedServer

DAG_ID = "genesys_recordings_export"
BUCKET = "calls"
QUARTERS = ("00:00–06:00", "06:00–12:00", "12:00–18:00", "18:00–24:00")
"""The windows of a day here: 72 recordings, of which a job takes 50."""


@dataclass(frozen=True)
class World:
    """An Airflow, the organisation that it exports, and the store that it archives in."""

    airflow: AirflowServer
    simulator: Simulator
    store: SeaweedServer

    def path(self, run_id: str = "", task: str = "", index: int = -1, tab: str = "") -> str:
        """Where the UI shows the DAG, a run of it, a task of the run, or one of the task's mapped instances."""
        parts = [f"/dags/{DAG_ID}"]
        if run_id:
            parts.append(f"runs/{quote(run_id, safe='')}")
        if task:
            parts.append(f"tasks/{task}")
        if index >= 0:
            parts.append(f"mapped/{index}")
        return "/".join([*parts, tab] if tab else parts)

    def call(self, path: str, method: str = "GET", body: Mapping[str, Any] | None = None) -> Any:
        """What Airflow's API answers to a call below the DAG; None where it has nothing to say."""
        request = Request(f"{self.airflow.url}/api/v2/dags/{DAG_ID}{path}", method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def runs(self) -> dict[str, str]:
        """Ids of the DAG's runs, and their states."""
        return {run["dag_run_id"]: run["state"] for run in self.call("/dagRuns?order_by=id")["dag_runs"]}

    def states(self, run_id: str, task: str) -> list[str | None]:
        """The states of a task's instances in a run."""
        found = self.call(f"/dagRuns/{quote(run_id, safe='')}/taskInstances")["task_instances"]
        return [instance["state"] for instance in found if instance["task_id"] == task]

    def wait_until(self, task: str, run_id: str, states: list[str], seconds: float = 300) -> None:
        """Wait for the instances of a task.

        :raises TimeoutError: they don't get there.
        """
        deadline = time.monotonic() + seconds
        while (found := self.states(run_id, task)) != states:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{task} of {run_id} is {found}, not {states}")
            time.sleep(1)

    def holds(self, url: str) -> bytes:
        """The document to which a link of the UI leads, as the archive's owner reads it."""
        assert url.startswith(f"{self.store.endpoint}/{BUCKET}/")
        key = urlsplit(url).path.removeprefix(f"/{BUCKET}/")
        return bytes(self.store.client().get_object(Bucket=BUCKET, Key=key)["Body"].read())


@contextmanager
def world(home: Path, postgres: PostgresServer, store: SeaweedServer) -> Iterator[World]:
    """Start it, with a day that is exported: 1 May 2024.

    :param home: an empty directory.
    :param store: with a bucket :data:`BUCKET`.
    """
    universe = universe_from({**QUICK_WORLD, "clients": {"demo": SECRET}, "calls_per_day": 72})
    organisation = {"allow_private_downloads": True, "polls_per_minute": 60_000, "requests_per_minute": 600_000}
    place = {"endpoint_url": store.endpoint, "region_name": "us-east-1"}
    with Simulator(universe) as simulator:
        environment = {
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",  # nothing runs that nobody has triggered
            "AIRFLOW_CONN_GENESYS_DEFAULT": _connection("genesys", "demo", SECRET, organisation, host=simulator.url),
            "AIRFLOW_CONN_GENESYS_LEDGER": postgres.create_database("ledger_of_the_world"),
            "AIRFLOW_CONN_ARCHIVE": _connection("aws", store.access_key, store.secret_key, place),
            "GENESYS_EXPORT_DESTINATION": f"s3://archive@{BUCKET}/genesys",
            "GENESYS_EXPORT_MAX_RECORDINGS_PER_JOB": "50",
            "GENESYS_EXPORT_SETTLE_MINUTES": "0",
            "GENESYS_EXPORT_POLL_INTERVAL": "0.2",
            "GENESYS_EXPORT_MAX_POLL_INTERVAL": "0.5",
        }
        with airflow_server(home, postgres.create_database("airflow"), **environment) as airflow:
            airflow.run("dags", "test", DAG_ID, "2024-05-02")
            yield World(airflow, simulator, store)


def _connection(kind: str, login: str, password: str, extra: dict[str, Any], **more: Any) -> str:
    return json.dumps({"conn_type": kind, "login": login, "password": password, "extra": extra, **more})
