# SPDX-License-Identifier: Apache-2.0
"""What differs between the two Airflow lines for tests, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pendulum
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider_genesys.versions import IS_AIRFLOW_3

if IS_AIRFLOW_3:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.asset import AssetEvent
    from airflow.serialization.serialized_objects import DagSerialization as SerializedDag

    MissingArgument: type[Exception] = TypeError
else:
    import airflow.providers.fab.auth_manager.models  # noqa: F401 (a repeated run deletes the first one by its tables)
    from airflow.exceptions import AirflowException
    from airflow.models.dagbag import DagBag
    from airflow.models.dataset import DatasetEvent as AssetEvent
    from airflow.serialization.serialized_objects import SerializedDAG as SerializedDag

    MissingArgument = AirflowException


def dag_bag(folder: Path) -> Any:
    """The DAGs of a folder or file, parsed now."""
    return DagBag(str(folder)) if IS_AIRFLOW_3 else DagBag(str(folder), include_examples=False)


def serialized(dag: Any) -> dict[str, Any]:
    """A DAG as the scheduler reads it."""
    found: dict[str, Any] = SerializedDag.to_dict(dag)
    return found


def as_the_webserver_reads(dag: Any) -> Any:
    """A DAG made from its serialized form, in which links are what Airflow lets through."""
    return SerializedDag.from_dict(serialized(dag))


def run_dag(dag: Any, logical_date: datetime, conf: dict[str, Any]) -> Any:
    """Run a whole DAG in this process, deferrals included, and return its DAG run."""
    date = pendulum.instance(logical_date)
    if IS_AIRFLOW_3:
        return dag.test(logical_date=date, run_conf=conf)
    return dag.test(execution_date=date, run_conf=conf)


def register(dag: Any) -> None:
    """Make a DAG's assets known as the parsing of its file does, which ``dag.test()`` of Airflow 2 leaves out."""
    if not IS_AIRFLOW_3:
        dag.sync_to_db()


def asset_events() -> list[Any]:
    """All updates of assets that Airflow's database knows, the oldest first."""
    with create_session() as session:
        found = list(session.scalars(select(AssetEvent).order_by(AssetEvent.id)))
        session.expunge_all()
        return found


def triggered_by(events: Iterable[Any]) -> dict[str, Any]:
    """What the context of a run has of the updates that triggered it."""
    by_asset = {"genesys://recordings": list(events)}
    return {"triggering_asset_events" if IS_AIRFLOW_3 else "triggering_dataset_events": by_asset}
