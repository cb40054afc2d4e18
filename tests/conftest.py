# SPDX-License-Identifier: Apache-2.0
"""Airflow's environment for the whole run, set before anything imports Airflow; and the servers that tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

from tests.servers.azurite import AzuriteServer, azurite_server
from tests.servers.dynalite import DynaliteServer, dynalite_server
from tests.servers.gcs import GcsServer, gcs_server
from tests.servers.mariadb import MariadbServer, mariadb_server
from tests.servers.postgres import PostgresServer, postgres_server
from tests.servers.redis import RedisServer, redis_server
from tests.servers.seaweedfs import SeaweedServer, seaweedfs_server

ROOT = Path(__file__).resolve().parent.parent
# What `make test-sdk` and `make test-browser` install is in the one environment only; `make stack-test` runs stack/.
NEEDS = {"sdk": "PureCloudPlatformClientV2", "browser": "playwright"}
collect_ignore = ["stack", *(room for room, module in NEEDS.items() if not find_spec(module))]
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="genesys-tests-"))
atexit.register(shutil.rmtree, AIRFLOW_HOME, ignore_errors=True)

for name in [name for name in os.environ if name.startswith(("AIRFLOW", "GENESYS_EXPORT_"))]:
    del os.environ[name]
os.environ.update(
    AIRFLOW_HOME=str(AIRFLOW_HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__FERNET_KEY=urlsafe_b64encode(os.urandom(32)).decode(),
)


settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def migrated_airflow() -> None:
    """Airflow's own database, migrated once for the run."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL, one for the run, with an empty database ``ledger``."""
    with postgres_server() as server:
        server.create_database("ledger")
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    """A real MariaDB, one for the run."""
    with mariadb_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A real Redis, one for the run; who kills it has one of their own."""
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def dynalite() -> Iterator[DynaliteServer]:
    """A DynamoDB that a test can have, one for the run."""
    with dynalite_server() as server:
        yield server


@pytest.fixture(scope="session")
def seaweed() -> Iterator[SeaweedServer]:
    """A real S3-compatible store, one for the run, with a bucket ``calls``."""
    with seaweedfs_server() as server:
        server.create_bucket("calls")
        yield server


@pytest.fixture(scope="session")
def azurite() -> Iterator[AzuriteServer]:
    """An Azure Blob Storage that a test can have, one for the run, with a container ``calls``."""
    with azurite_server() as server:
        server.create_container("calls")
        yield server


@pytest.fixture(scope="session")
def gcs() -> Iterator[GcsServer]:
    """A Google Cloud Storage that a test can have, one for the run, with a bucket ``calls``."""
    with gcs_server() as server:
        server.create_bucket("calls")
        yield server
