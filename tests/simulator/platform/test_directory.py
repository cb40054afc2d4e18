# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_genesys.simulator import Fault, Simulator
from airflow_provider_genesys.simulator.conversations import DIVISION_IDS, WRAP_UP_IDS
from airflow_provider_genesys.simulator.universe import AGENT_IDS, AGENTS, QUEUE_IDS, QUEUES
from tests.simulator.conftest import Caller

Simulate = Callable[..., Simulator]
Calling = Callable[..., Caller]


@pytest.mark.parametrize(
    ("path", "ids", "names"),
    [
        ("/api/v2/routing/queues", QUEUE_IDS, QUEUES),
        ("/api/v2/users", AGENT_IDS, AGENTS),
        ("/api/v2/routing/wrapupcodes", WRAP_UP_IDS, None),
        ("/api/v2/authorization/divisions", DIVISION_IDS, ("Home", "North", "South")),
    ],
)
def test_what_has_a_name_is_listed_by_pages_and_by_id(
    simulate: Simulate, calling: Calling, path: str, ids: tuple[str, ...], names: Any
) -> None:
    caller = calling(simulate())
    first = caller.get(path, pageSize=2).json()
    second = caller.get(first["nextUri"]).json()
    assert [each["id"] for page in (first, second) for each in page["entities"]] == list(ids[:4])
    assert (first["total"], first["pageCount"]) == (len(ids), -(-len(ids) // 2))
    assert "previousUri" in second
    asked = caller.get(path, id=[ids[1], ids[0]]).json()["entities"]
    assert {each["id"] for each in asked} == set(ids[:2])
    assert asked == caller.get(path, id=f"{ids[0]},{ids[1]}").json()["entities"]
    narrowed = caller.get(path, id=list(ids[:3]), pageSize=2).json()
    rest = caller.get(narrowed["nextUri"]).json()
    assert [each["id"] for each in rest["entities"]] == [ids[2]]
    if names is not None:
        assert [each["name"] for each in caller.get(path, name=f"{names[0][:3]}*").json()["entities"]] == [names[0]]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"/api/v2/routing/queues/{QUEUE_IDS[0]}", QUEUES[0]),
        (f"/api/v2/users/{AGENT_IDS[0]}", AGENTS[0]),
        (f"/api/v2/routing/wrapupcodes/{WRAP_UP_IDS[0]}", "resolved"),
    ],
)
def test_one_can_be_asked_for(simulate: Simulate, calling: Calling, path: str, name: str) -> None:
    caller = calling(simulate())
    assert caller.get(path).json()["name"] == name
    unknown = caller.get(path.rpartition("/")[0] + "/me")
    assert (unknown.status_code, unknown.json()["entityId"]) == (404, "me")


@pytest.mark.parametrize(("active", "code"), [(True, "ACTIVE"), (False, "INACTIVE")])
def test_the_integration_says_whether_it_is_active(
    simulate: Simulate, calling: Calling, active: bool, code: str
) -> None:
    caller = calling(simulate(integration_active=active))
    one = caller.get("/api/v2/integrations/simulated-integration").json()
    assert one["reportedState"]["code"] == code
    assert caller.get("/api/v2/integrations").json()["entities"] == [one]


def test_the_oauth_client_has_a_role_in_the_divisions_that_it_sees(simulate: Simulate, calling: Calling) -> None:
    simulator = simulate(faults=[Fault("hidden_division", message="North")])
    caller = calling(simulator)
    client = caller.get("/api/v2/oauth/clients/demo").json()
    assert "secret" not in client
    assert [each["divisionId"] for each in client["roleDivisions"]] == [DIVISION_IDS[0], DIVISION_IDS[2]]
    role = caller.get(f"/api/v2/authorization/roles/{client['roleIds'][0]}").json()
    assert "recording:recording:view" in role["permissions"]
    assert caller.get("/api/v2/authorization/divisions").json()["total"] == 3
    assert caller.get("/api/v2/oauth/clients/nobody").status_code == 404
    assert caller.get("/api/v2/organizations/me").json()["state"] == "active"
    assert len(caller.get("/api/v2/routing/queues").json()["entities"]) == 3
