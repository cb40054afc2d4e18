# SPDX-License-Identifier: Apache-2.0
"""What the web server has to know of the DAG that exports, from the environment variables that the DAG file reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.planning import timezone_of
from airflow_provider_genesys.params import export_params

DAG_ID = "GENESYS_COVERAGE_DAG_ID"
DESTINATIONS = "GENESYS_COVERAGE_DESTINATIONS"
TIMEZONE = "GENESYS_EXPORT_TIMEZONE"


@dataclass(frozen=True)
class Deployment:
    """The DAG that the page speaks of.

    :param dag_id: whose readers may see the page, and what its commands backfill.
    :param timezone: whose calendar days are exported.
    :param naive_timezone: the zone in which Airflow's commands read a date without one.
    :param defaults: of the DAG's params, by name.
    :param destinations: URIs of archives whose receipts are read, with their connections.
    """

    dag_id: str
    timezone: tzinfo
    naive_timezone: tzinfo
    defaults: Mapping[str, Any] = field(default_factory=dict)
    destinations: tuple[str, ...] = ()


def dag_id(environment: Mapping[str, str] = os.environ) -> str:
    """The DAG whose readers may see the page."""
    return environment.get(DAG_ID) or "genesys_recordings_export"


def deployment(environment: Mapping[str, str] = os.environ) -> Deployment:
    """The deployment that the environment describes.

    :raises InvalidInput: for a time zone or a default that there is not.
    """
    try:
        defaults = {name: param.value for name, param in export_params(environment).items()}
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    named = environment.get(DESTINATIONS) or str(defaults["destination"])
    return Deployment(
        dag_id=dag_id(environment),
        timezone=timezone_of(environment.get(TIMEZONE) or "UTC"),
        naive_timezone=_naive_timezone(),
        defaults=defaults,
        destinations=tuple(named.split()),
    )


def _naive_timezone() -> tzinfo:
    name = conf.get("core", "default_timezone", fallback="utc")
    return timezone_of("local" if name == "system" else name)
