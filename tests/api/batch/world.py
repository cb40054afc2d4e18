# SPDX-License-Identifier: Apache-2.0
"""A day whose recordings are asked for in batch requests, and what a platform says of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_genesys.api.batch import BatchApi
from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.export.model import ExportJob, ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.simulator import Simulator
from tests.api.rude import Answer

DAY = ExportWindow(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC))
REQUEST = ExportRequest(Organisation("api.mypurecloud.com", "demo"), DAY, "original")
ONE = replace(REQUEST, conversations=("one",))
NOON = DAY.end + timedelta(hours=12)

Simulate = Callable[..., Simulator]
Connect = Callable[..., GenesysClient]
Build = Callable[..., tuple[BatchApi, Simulator]]


def parts_of(api: BatchApi, request: ExportRequest = REQUEST) -> list[ExportRequest]:
    return [replace(request, conversations=lot) for lot in api.parts(request)]


def exported(api: BatchApi, part: ExportRequest) -> ExportJob:
    return api.job(part, api.submit(part))


def status(results: list[dict[str, Any]], word: str = "Completed") -> Answer:
    """A batch request's state, as the platform gives it."""
    return Answer(
        200,
        {"id": "job", "jobId": "job", "expectedResultCount": len(results), "resultCount": len(results),
         "errorCount": 0, "status": word, "results": results},
    )  # fmt: skip


def result(**changes: Any) -> dict[str, Any]:
    return {
        "conversationId": "one",
        "recordingId": "first",
        "resultUrl": "https://bucket.example/first.ogg?X-Amz-Expires=3600&X-Amz-Signature=s",
        "contentType": "audio/ogg",
        **changes,
    }
