# SPDX-License-Identifier: Apache-2.0
"""The calls of a made-up export of WFM shifts, which the example of an export of one's own makes.

The provider's simulator answers them, Genesys Cloud does not.
"""

from __future__ import annotations

from airflow_provider_genesys.api.errors import Call

_EXPORTS = "/api/v2/workforcemanagement/shiftexports"

SUBMIT = Call("POST", _EXPORTS, permission="yours", scope="yours", repeatable=False)
LOOK = Call("GET", f"{_EXPORTS}/{{job_id}}", permission="yours", scope="yours")
