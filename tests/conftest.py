# SPDX-License-Identifier: Apache-2.0
"""Airflow's environment for the whole run, set before anything imports Airflow; and the servers that tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.postgres import PostgresServer, postgres_server
from tests.servers.seaweedfs import SeaweedServer, seaweedfs_server

ROOT = Path(__file__).resolve().parent.parent
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="genesys-tests-"))
atexit.register(shutil.rmtree, AIRFLOW_HOME, ignore_errors=True)

for name in [name for name in os.environ if name.startswith(("AIRFLOW", "GENESYS_EXPORT_"))]:
    del os.environ[name]
os.environ.update(
    AIRFLOW_HOME=str(AIRFLOW_HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL, one for the run, with an empty database ``ledger``."""
    with postgres_server() as server:
        server.create_database("ledger")
        yield server


@pytest.fixture(scope="session")
def seaweed() -> Iterator[SeaweedServer]:
    """A real S3-compatible store, one for the run, with a bucket ``calls``."""
    with seaweedfs_server() as server:
        server.create_bucket("calls")
        yield server
