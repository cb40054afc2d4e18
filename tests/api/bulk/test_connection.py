# SPDX-License-Identifier: Apache-2.0
"""A connection's test."""

from __future__ import annotations

import pytest

from airflow_provider_genesys.export.errors import ExportError, InvalidInput
from airflow_provider_genesys.simulator import Fault
from tests.api.bulk.world import PROCESSING, REQUEST, Build


def test_an_organisation_says_what_it_answers(bulk: Build) -> None:
    api, simulator = bulk(foreign_bulk_jobs=1, foreign_bulk_seconds=PROCESSING)
    said = api.answers(REQUEST.organisation)
    assert "integration " in said
    assert "1 of 2 bulk jobs are under way" in said
    assert simulator.stats.bulk_jobs == 0, "no job was made for it"


def test_an_integration_that_is_switched_off_is_named(bulk: Build) -> None:
    api, _ = bulk(integration_active=False)
    with pytest.raises(InvalidInput, match="not ENABLED and ACTIVE: switch it on under Admin > Integrations"):
        api.answers(REQUEST.organisation)


def test_an_integration_that_there_is_none_of_is_named(bulk: Build) -> None:
    api, _ = bulk(integration="another")
    with pytest.raises(InvalidInput, match="no integration 'simulated-integration': the connection's extra"):
        api.answers(REQUEST.organisation)


@pytest.mark.parametrize(
    ("route", "permission"),
    [
        ("integration", "Integrations > Integration > View"),
        ("details_query", "Analytics > Conversation Detail > View"),
        ("bulk_list", "Recording > Job > View"),
        ("bulk_execute", "Recording > Job > Edit"),
        ("bulk_delete", "Recording > Job > Delete"),
    ],
)
def test_a_permission_that_is_missing_is_named(bulk: Build, route: str, permission: str) -> None:
    api, simulator = bulk()
    simulator.faults = [Fault("forbidden", route=route)]
    with pytest.raises(ExportError, match=permission):
        api.answers(REQUEST.organisation)
