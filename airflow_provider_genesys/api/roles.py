# SPDX-License-Identifier: Apache-2.0
"""The roles of the OAuth client and the divisions that it has them in: they decide what an export can see."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.errors import ApiRefused, Call

OAUTH_CLIENT = Call("GET", "/api/v2/oauth/clients/{client_id}", "OAuth > Client > View")
ROLE = Call("GET", "/api/v2/authorization/roles/{role_id}", "Authorization > Role > View")

_EVERY_DIVISION = "*"
_MOST_ROLES = 5
_MOST_DIVISIONS = 3
_LONGEST_NAME = 60


def roles_of_client(client: GenesysClient) -> str:
    """The client's roles by name, each with the ids of its divisions, in bounded length.

    What the client may not read is told with the permission that it takes.

    :raises ExportError: for a fault other than that the client may not read its roles.
    """
    try:
        answer = client.call(OAUTH_CLIENT, ids={"client_id": client.settings.client_id})
    except ApiRefused as refused:
        return f"the OAuth client's roles are {_not_readable(OAUTH_CLIENT, refused)}"
    divisions: dict[str, list[str]] = {str(role_id): [] for role_id in answer.get("roleIds") or ()}
    for each in answer.get("roleDivisions") or ():
        divisions.setdefault(str(each.get("roleId")), []).append(str(each.get("divisionId")))
    if not divisions:
        return "the OAuth client has no role: give it one under Admin > Integrations > OAuth"
    told = [
        f"{_role(client, role_id)} in {_divisions(divisions[role_id])}" for role_id in list(divisions)[:_MOST_ROLES]
    ]
    return f"the OAuth client has the {_shortened('role', told, len(divisions), '; ')}"


def _role(client: GenesysClient, role_id: str) -> str:
    try:
        answer = client.call(ROLE, ids={"role_id": role_id})
    except ApiRefused as refused:
        return f"{role_id[:_LONGEST_NAME]} (its name is {_not_readable(ROLE, refused)})"
    return repr(str(answer.get("name") or role_id)[:_LONGEST_NAME])


def _divisions(ids: Sequence[str]) -> str:
    if _EVERY_DIVISION in ids:
        return "every division"
    if not ids:
        return "no division"
    told = [division[:_LONGEST_NAME] for division in ids[:_MOST_DIVISIONS]]
    return f"the {_shortened('division', told, len(ids), ', ')}"


def _shortened(noun: str, told: Sequence[str], count: int, separator: str) -> str:
    more = f"{separator.strip(', ')} and {count - len(told)} more" if count > len(told) else ""
    return f"{noun}{'s' if count > 1 else ''} {separator.join(told)}{more}"


def _not_readable(call: Call, refused: ApiRefused) -> str:
    """What is said in the answer's place.

    :raises ApiRefused: where it is refused for another reason than that the client may not see it.
    """
    if refused.body.status not in (403, 404):
        raise refused
    return f"not readable without the permission {call.permission}"
