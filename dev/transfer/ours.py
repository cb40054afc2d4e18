# SPDX-License-Identifier: Apache-2.0
"""Ours: the step of the coordinator that the retrieving task runs, wired as it is there, its receipt included."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from airflow_provider_genesys import wiring
from airflow_provider_genesys.export.errors import ExportFailed
from airflow_provider_genesys.export.following import Wait
from airflow_provider_genesys.export.model import (
    ExportJob,
    ExportRequest,
    ExportWindow,
    JobStatus,
    Recording,
    RecordingStatus,
)
from airflow_provider_genesys.export.ports import ExportApi
from dev.transfer.task import Task

_DAY = datetime(2024, 5, 1, tzinfo=UTC)
_AT_ONCE = 0.001


@dataclass(frozen=True)
class _CompletedJob(ExportApi):
    """A Genesys Cloud whose only job has completed, without a manifest: the others fetch none either."""

    recordings: tuple[Recording, ...]

    def checked(self, request: ExportRequest) -> ExportRequest:
        return request

    def parts(self, request: ExportRequest) -> None:
        return None

    def missing(self, request: ExportRequest, job: ExportJob) -> tuple[str, ...]:
        return ()

    def volume(self, request: ExportRequest) -> int:
        return len(self.recordings)

    def submit(self, request: ExportRequest) -> str:
        return "job-of-the-bench"

    def job(self, request: ExportRequest, job_id: str) -> ExportJob:
        return ExportJob(job_id, JobStatus.COMPLETED, "completed", recordings=self.recordings)


def retrieval(task: Task, absent: int = 0) -> Callable[[], None]:
    """Submit and follow a job, so that its retrieval is left. It raises where recordings are missing in the end.

    :param absent: how many recordings the source does not have.
    """
    coordinator = replace(
        wiring.coordinator(
            "genesys_default",
            "genesys_ledger",
            "bench",
            {"poll_interval": _AT_ONCE, "max_poll_interval": _AT_ONCE},
            destination=f"s3://{task.bucket}",
            concurrency=task.in_flight,
        ),
        api=_CompletedJob(tuple(Recording(source.recording_id, source.url) for source in task.sources)),
    )
    request = coordinator.request(ExportWindow(_DAY, _DAY + timedelta(days=1)), "mp3")
    job_ids = coordinator.submit(request)
    if not isinstance(job_ids, list):
        raise RuntimeError(f"the window is held: {job_ids}")
    while coordinator.follow(job_ids).wait is Wait.RUNNING:
        coordinator.sleep(_AT_ONCE)

    def retrieve() -> None:
        try:
            counts = coordinator.retrieve(job_ids)
        except ExportFailed:
            if not absent:
                raise
            return
        if counts != {RecordingStatus.ARCHIVED: len(task.sources)}:
            raise RuntimeError(f"of {len(task.sources)} recordings: {counts}")

    return retrieve


def define_connections(task: Task) -> None:
    """Airflow connections by environment, as a deployment has them."""
    aws = {
        "conn_type": "aws",
        "login": task.access_key,
        "password": task.secret_key,
        "extra": {"endpoint_url": task.endpoint, "region_name": "us-east-1", "verify": task.certificates},
    }
    genesys = {
        "conn_type": "genesys",
        "host": "https://127.0.0.1",
        "login": "bench",
        "password": "bench",
        "extra": {"verify": task.certificates, "allow_private_downloads": True},
    }
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(aws)
    os.environ["AIRFLOW_CONN_GENESYS_DEFAULT"] = json.dumps(genesys)
