# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.errors import ApiRefused
from airflow_provider_genesys.api.roles import roles_of_client
from tests.api.rude import Answer, RudePlatform

Connect = Callable[..., GenesysClient]


def has(*roles: Mapping[str, Any], ids: Sequence[str] = ()) -> Answer:
    """The OAuth client with its roles in divisions, and with roles of which no division is told."""
    return Answer(body={"id": "demo", "roleIds": list(ids), "roleDivisions": list(roles)})


def in_division(role: str, *divisions: str) -> list[dict[str, str]]:
    return [{"roleId": role, "divisionId": each} for each in divisions]


@pytest.mark.parametrize(
    ("client", "told"),
    [
        (has(*in_division("r", "d-1")), "the OAuth client has the role 'Exporter' in the division d-1"),
        (has(*in_division("r", "d-1", "d-2")), "the OAuth client has the role 'Exporter' in the divisions d-1, d-2"),
        (has(*in_division("r", "d-1", "*")), "the OAuth client has the role 'Exporter' in every division"),
        (has(ids=["r"]), "the OAuth client has the role 'Exporter' in no division"),
        (has(), "the OAuth client has no role: give it one under Admin > Integrations > OAuth"),
    ],
)
def test_roles_are_told_with_their_divisions(rude: RudePlatform, connect: Connect, client: Answer, told: str) -> None:
    rude.will(client, Answer(body={"name": "Exporter"}))
    assert roles_of_client(connect(rude.url)) == told


def test_many_roles_and_divisions_are_told_in_bounded_length(rude: RudePlatform, connect: Connect) -> None:
    divisions = [f"division-{number}" for number in range(500)]
    roles = [each for number in range(100) for each in in_division(f"role-{number}", *divisions)]
    rude.will(has(*roles), Answer(body={"name": "n" * 1000}))
    told = roles_of_client(connect(rude.url))
    assert told.count("in the divisions division-0, division-1, division-2 and 497 more") == 5
    assert told.endswith("; and 95 more")
    assert len(told) < 1000
    assert len(rude.requests) == 6


def test_a_client_that_is_not_found_may_have_any_role(rude: RudePlatform, connect: Connect) -> None:
    rude.will(Answer(404, {"message": "not found", "code": "not.found", "status": 404}))
    assert "roles are not readable without the permission OAuth > Client > View" in roles_of_client(connect(rude.url))


def test_another_refusal_is_an_error(rude: RudePlatform, connect: Connect) -> None:
    rude.will(Answer(400, {"message": "bad", "code": "bad.request", "status": 400}))
    with pytest.raises(ApiRefused, match="GET /api/v2/oauth/clients/"):
        roles_of_client(connect(rude.url))
