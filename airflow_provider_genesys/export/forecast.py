# SPDX-License-Identifier: Apache-2.0
"""How much an export would bring, without exporting anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_genesys.export.errors import Passing
from airflow_provider_genesys.export.metering import Figure, Meter
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, JobStatus
from airflow_provider_genesys.export.ports import ExportApi

_MOST_POLLS = 240
"""Of a job that is only asked how much it would export; the platform is then slower than anybody will wait for."""


@dataclass(frozen=True)
class Forecast:
    """What a window's export would bring.

    :param recordings: how many; or how many conversations that were recorded, where it is not exact.
    :param is_exact: whether a job has counted them.
    """

    window: ExportWindow
    recordings: int
    is_exact: bool

    def to_dict(self) -> dict[str, Any]:
        """As XCom carries it. It is no window: nothing can be exported by mistake that is mapped over it."""
        return {"window": self.window.to_dict(), "recordings": self.recordings, "exact": self.is_exact}


def forecast(
    request: ExportRequest,
    api: ExportApi,
    await_poll: Callable[[], None],
    poll_interval: float,
    sleep: Callable[[float], None],
    meter: Meter,
) -> Forecast:
    """Ask a job that is never started, where the platform has such; else its estimate.

    :param await_poll: waits until a job may be polled, within the organisation's budget.
    :raises NotYet: where there is no room for another job now.
    :raises Passing: where the job came to no end.
    """
    job_id = api.rehearse(request)
    if job_id is None:
        return Forecast(request.window, api.volume(request), is_exact=False)
    try:
        for _ in range(_MOST_POLLS):
            await_poll()
            job = api.job(request, job_id)
            meter.count(Figure.POLLS)
            if job.status is JobStatus.READY:
                return Forecast(request.window, job.size or 0, is_exact=True)
            if job.status is not JobStatus.RUNNING:
                raise Passing(f"job {job_id}, which counts window {request}, is {job.word}: {job.error or 'no reason'}")
            sleep(poll_interval)
    finally:
        api.discard(job_id)
    raise Passing(f"job {job_id}, which counts window {request}, was not ready after {_MOST_POLLS} polls")
