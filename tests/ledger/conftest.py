# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_genesys.export.ports import Ledger
from tests.ledger.backends import ADDRESSES, SERVED, SQL, open_ledger
from tests.ledger.racing import Racers


@pytest.fixture(scope="session")
def racers() -> Iterator[Racers]:
    """Eight processes that start at the same moment."""
    with Racers(8) as racers:
        yield racers


@pytest.fixture(params=ADDRESSES)
def address(request: pytest.FixtureRequest) -> str:
    """Where an empty ledger is, on every kind of backend."""
    return ADDRESSES[request.param](request)


@pytest.fixture(params=SQL)
def sql_address(request: pytest.FixtureRequest) -> str:
    """Where an empty ledger is, on every kind of database."""
    return ADDRESSES[request.param](request)


@pytest.fixture(params=SERVED)
def served_address(request: pytest.FixtureRequest) -> str:
    """Where an empty ledger is, on every kind of server."""
    return ADDRESSES[request.param](request)


@pytest.fixture
def ledger(address: str) -> Ledger:
    return open_ledger(address)
