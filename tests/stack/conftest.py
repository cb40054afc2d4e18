# SPDX-License-Identifier: Apache-2.0
"""The running system. A test that fails shows the ends of the logs; one that is interrupted leaves nothing behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from dev.stack.system import system
from tests.stack.view import View

UNIVERSE: dict[str, Any] = {"calls_per_day": 48, "job_seconds": 15.0}
"""Its limits are the platform's: 300 requests and 20 polls a minute."""

SETTINGS = {
    # four windows of six hours a day
    "GENESYS_EXPORT_MAX_RECORDINGS_PER_JOB": "20",
    "GENESYS_EXPORT_LEASE_SECONDS": "30",
    # a busy machine is no failure
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "180",
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "200",
    # after how many seconds Airflow misses what was killed
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
}

_seen = pytest.StashKey[View]()


@pytest.fixture
def view(request: pytest.FixtureRequest) -> Iterator[View]:
    """A system of the test's own, started."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with system(UNIVERSE, **SETTINGS) as running:
            request.node.stash[_seen] = View(running)
            yield request.node.stash[_seen]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    if report.failed and report.when == "call" and _seen in item.stash:
        report.sections.extend(item.stash[_seen].logs())
    return report
