# SPDX-License-Identifier: Apache-2.0
"""A request that the SDK's operations and models don't allow is seen as such."""

from __future__ import annotations

import pytest

from tests.sdk.operations import operation, problems


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"action": "EXPORTS"}, "$.action: 'EXPORTS' is none of"),
        ({"integration": "x"}, "$.integration: RecordingJobsQuery has no such key"),
        ({"includeScreenRecordings": "yes"}, "$.includeScreenRecordings: 'yes' is no bool"),
        ({"actionDate": "2024-05-01"}, "$.actionDate: '2024-05-01' is no datetime"),
        ({"actionAge": True}, "$.actionAge: True is no int"),
        ({"conversationQuery": []}, "$.conversationQuery: [] is no dict"),
        ({"conversationQuery": {"segmentFilters": {}}}, "$.conversationQuery.segmentFilters: {} is no list"),
        (
            {"conversationQuery": {"segmentFilters": [{"predicates": [{"operator": "is"}]}]}},
            "$.conversationQuery.segmentFilters[0].predicates[0].operator: 'is' is none of",
        ),
    ],
)
def test_a_wrong_body_would_be_seen(body: dict[str, object], message: str) -> None:
    (problem,) = problems(body, "RecordingJobsQuery")
    assert message in problem


def test_an_operation_that_the_platform_has_not_would_be_seen() -> None:
    with pytest.raises(AssertionError, match="knows no POST /api/v2/recordings/jobs"):
        operation("POST", "/api/v2/recordings/jobs")
