# SPDX-License-Identifier: Apache-2.0
"""A day whose recordings are exported by bulk jobs, and how long those take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from airflow_provider_genesys.api.bulk import BulkApi
from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.export.model import ExportJob, ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.simulator import Simulator
from tests.export.memory.clock import Clock

DAY = ExportWindow(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC))
REQUEST = ExportRequest(Organisation("api.mypurecloud.com", "demo"), DAY, "original")
NEXT_DAY = replace(REQUEST, window=ExportWindow(DAY.end, DAY.end + timedelta(days=1)))
NOON = DAY.end + timedelta(hours=36)
INTEGRATION = "simulated-integration"
PENDING, PROCESSING, DELIVERING = 60.0, 600.0, 3600.0

Simulate = Callable[..., Simulator]
Connect = Callable[..., GenesysClient]
Build = Callable[..., tuple[BulkApi, Simulator]]


def fulfilled(api: BulkApi, clock: Clock, request: ExportRequest = REQUEST) -> ExportJob:
    """A request's job, from its submission to its end."""
    job_id = api.submit(request)
    clock.sleep(PENDING)
    api.start(job_id)
    clock.sleep(PROCESSING)
    return api.job(request, job_id)


def known_jobs(simulator: Simulator) -> list[dict[str, Any]]:
    """What the simulator knows of bulk jobs."""
    jobs: list[dict[str, Any]] = requests.get(f"{simulator.url}/_simulator/bulk_jobs", timeout=5).json()
    return jobs


def written(**changes: Any) -> dict[str, Any]:
    """A job as the platform writes it."""
    return {"id": "job", "state": "PENDING", "dateCreated": "2024-05-03T12:00:00.000Z", **changes}
