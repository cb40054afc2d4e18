# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Entry
from tests.export.orchestrator import asked

REQUEST = asked()


def test_the_current_attempt_is_the_newest_of_the_present_generation() -> None:
    old, first, second = (
        Attempt(3, 0, AttemptStatus.FAILED),
        Attempt(0, 1, AttemptStatus.FAILED),
        Attempt(1, 1, AttemptStatus.SUBMITTED),
    )
    assert Entry(REQUEST, generation=1, attempts=(old, first, second)).current == second
    assert Entry(REQUEST, generation=1, attempts=(old,)).current is None
    assert Entry(REQUEST).current is None
