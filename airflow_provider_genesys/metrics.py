# SPDX-License-Identifier: Apache-2.0
"""The figures of an export as metrics of Airflow: by statsd or OpenTelemetry, wherever ``[metrics]`` sends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_genesys.export.metering import Figure, Meter

PREFIX = "genesys.export."


@dataclass
class StatsMeter(Meter):
    """Sends what it is told as ``genesys.export.{figure}``.

    :param tags: of every metric: what few values are known of, such as the DAG's id, and never a recording's or job's.
    """

    tags: Mapping[str, str] = field(default_factory=dict)

    def tagged(self, tags: Mapping[str, str]) -> StatsMeter:
        return StatsMeter(tags={**tags, **self.tags})

    def count(self, figure: Figure, number: int = 1) -> None:
        super().count(figure, number)
        if number:
            Stats.incr(PREFIX + figure, number, tags=dict(self.tags))

    def time(self, figure: Figure, seconds: float) -> None:
        Stats.timing(PREFIX + figure, timedelta(seconds=seconds), tags=dict(self.tags))

    def gauge(self, figure: Figure, value: float) -> None:
        Stats.gauge(PREFIX + figure, value, tags=dict(self.tags))
