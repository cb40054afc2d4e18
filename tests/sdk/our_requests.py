# SPDX-License-Identifier: Apache-2.0
"""The requests that the provider makes, as it makes them: the hook by which the SDK's models hold ``api/`` to account.

Whatever in ``api/`` calls the published API has its requests here, but for those of batch requests and conversations,
which ``test_requests_as_made.py`` listens to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DAY = "2024-05-01T00:00:00.000Z/2024-05-02T00:00:00.000Z"
CALLS = [
    {
        "type": "and",
        "predicates": [
            {"type": "dimension", "dimension": "mediaType", "operator": "matches", "value": "voice"},
            {"type": "dimension", "dimension": "recording", "operator": "exists"},
        ],
    }
]


@dataclass(frozen=True)
class Request:
    """A request.

    :param path: as it is sent, without its query.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


REQUESTS = (
    Request("GET", "/api/v2/conversations/a-conversation/recordingmetadata"),
    Request(
        "GET",
        "/api/v2/recordings/retention/query",
        query={"retentionThresholdDays": "1", "pageSize": "500", "cursor": "a-cursor"},
    ),
    Request(
        "POST",
        "/api/v2/recording/jobs",
        body={
            "action": "EXPORT",
            "actionDate": "2024-05-02T00:00:00.000Z",
            "integrationId": "simulated-integration",
            "includeRecordingsWithSensitiveData": False,
            "includeScreenRecordings": True,
            "includePolicyBasedRecordings": True,
            "includeSnippetRecordings": True,
            "conversationQuery": {
                "interval": DAY,
                "order": "asc",
                "orderBy": "conversationStart",
                "segmentFilters": CALLS,
                "startOfDayIntervalMatching": True,
            },
        },
    ),
    Request(
        "GET",
        "/api/v2/recording/jobs",
        query={"state": "READY", "showOnlyMyJobs": "true", "jobType": "EXPORT", "includeTotal": "false"},
    ),
    Request("GET", "/api/v2/recording/jobs/a-job"),
    Request("PUT", "/api/v2/recording/jobs/a-job", body={"state": "PROCESSING"}),
    Request("DELETE", "/api/v2/recording/jobs/a-job"),
    Request("GET", "/api/v2/recording/jobs/a-job/failedrecordings", query={"pageSize": "100", "pageNumber": "1"}),
    Request("GET", "/api/v2/routing/wrapupcodes", query={"id": "a,b", "pageSize": "100", "pageNumber": "1"}),
    Request("GET", "/api/v2/integrations/simulated-integration"),
    Request("GET", "/api/v2/oauth/clients/demo"),
    Request("GET", "/api/v2/authorization/roles/a-role"),
    Request("GET", "/api/v2/authorization/divisions"),
    Request("GET", "/api/v2/organizations/me"),
)
