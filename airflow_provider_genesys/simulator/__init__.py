# SPDX-License-Identifier: Apache-2.0
"""A simulated Genesys Cloud to develop, test and demonstrate against (extra ``[simulator]``)."""

from __future__ import annotations

from airflow_provider_genesys.simulator.faults import Fault, SpecError
from airflow_provider_genesys.simulator.jobs import Job
from airflow_provider_genesys.simulator.platform.state import Batch, BulkJob
from airflow_provider_genesys.simulator.server import Simulator
from airflow_provider_genesys.simulator.simulation import Stats
from airflow_provider_genesys.simulator.universe import Call, Selection, Universe, universe_from

__all__ = [
    "Batch",
    "BulkJob",
    "Call",
    "Fault",
    "Job",
    "Selection",
    "Simulator",
    "SpecError",
    "Stats",
    "Universe",
    "universe_from",
]
