# SPDX-License-Identifier: Apache-2.0
"""The integration that carries exports into a bucket: whether there is one, and whether it is switched on."""

from __future__ import annotations

from airflow_provider_genesys.api.client import GenesysClient
from airflow_provider_genesys.api.errors import ApiRefused, Call
from airflow_provider_genesys.export.errors import InvalidInput

INTEGRATION = Call("GET", "/api/v2/integrations/{integration_id}", "Integrations > Integration > View")


def active_integration(client: GenesysClient, integration_id: str) -> str:
    """The name of the integration.

    :raises InvalidInput: where there is none of this id, or it is not active.
    """
    try:
        answer = client.call(INTEGRATION, ids={"integration_id": integration_id})
    except ApiRefused as refused:
        if refused.body.status != 404:
            raise
        raise InvalidInput(
            f"there is no integration {integration_id!r}: the connection's extra 'integration_id' is that of an AWS S3 "
            "Recording Bulk Actions integration, as Admin > Integrations shows it"
        ) from None
    name = str(answer.get("name") or integration_id)
    intended = str(answer.get("intendedState") or "unknown")
    reported = str((answer.get("reportedState") or {}).get("code") or "unknown")
    if intended.upper() != "ENABLED" or reported.upper() != "ACTIVE":
        raise InvalidInput(
            f"the integration {name!r} is {intended} and {reported}, not ENABLED and ACTIVE: switch it on under "
            "Admin > Integrations, and look at its credentials there"
        )
    return name
