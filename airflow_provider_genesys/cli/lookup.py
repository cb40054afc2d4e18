# SPDX-License-Identifier: Apache-2.0
"""Connections outside of a task, where Airflow 3's hooks don't look into the metadata database."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from airflow.models.connection import Connection as StoredConnection
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_genesys.cli.output import note
from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.hooks.genesys import GenesysHook
from airflow_provider_genesys.wiring import DEFAULT_LEDGER, default_ledger_file, ledger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_genesys.export.ports import Ledger


def ledger_of(conn_id: str, tell: Callable[[str], None] = note) -> Ledger:
    """The ledger that tasks use.

    :param tell: is told which ledger that is, where its connection does not say so.
    :raises InvalidInput: where there is none. A look inside makes no SQLite file: it would be another ledger's.
    """
    found = _stored(conn_id)
    if found is not None:
        return ledger(conn_id, lambda _: found)
    file = default_ledger_file()
    if conn_id != DEFAULT_LEDGER or not file.exists():
        raise InvalidInput(_undefined(conn_id) + (f"; nor is there a ledger at {file}" * (conn_id == DEFAULT_LEDGER)))
    tell(f"The connection {conn_id!r} is not defined: this is the ledger at {file}")
    return ledger(conn_id, _none)


def known_ledger_of(conn_id: str, tell: Callable[[str], None] = note) -> Ledger | None:
    """The ledger that tasks use; None where the default one is not there yet.

    :param tell: as of :func:`ledger_of`.
    :raises InvalidInput: for another one that is not defined.
    """
    is_new = conn_id == DEFAULT_LEDGER and _stored(conn_id) is None and not default_ledger_file().exists()
    return None if is_new else ledger_of(conn_id, tell)


def hook_of(conn_id: str) -> GenesysHook:
    """The organisation's hook.

    :raises InvalidInput: where its connection is not defined.
    """
    found = _stored(conn_id)
    if found is None:
        raise InvalidInput(_undefined(conn_id))
    return GenesysHook(conn_id, found)


def _stored(conn_id: str) -> Connection | None:
    """A connection from the environment, a secrets backend or the metadata database."""
    try:
        return cast("Connection", StoredConnection.get_connection_from_secrets(conn_id))
    except AirflowNotFoundException:
        return None


def _none(conn_id: str) -> Connection:
    raise AirflowNotFoundException(conn_id)


def _undefined(conn_id: str) -> str:
    return (
        f"the connection {conn_id!r} is not defined in the environment, in a secrets backend or in the metadata "
        "database that this process is configured with. Run this where Airflow's own commands run, as 'airflow "
        f"connections get {conn_id}' finds it, or set AIRFLOW_CONN_{conn_id.upper()}"
    )
