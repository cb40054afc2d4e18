# SPDX-License-Identifier: Apache-2.0
"""What happens to the system, each at a moment that is seen to be in the middle of the work."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.stack.view import Task, View

SECONDS_AWAY = 30


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    :param moment: when, true once it is time; what it returns is handed on.
    :param strike: does it.
    """

    name: str
    moment: Callable[[View], Any]
    strike: Callable[[View, Any], None]


def _waits(view: View) -> bool:
    """A task is deferred, and a job is open at Genesys Cloud."""
    is_open = any(job["status"] in ("submitted", "processing") for job in view.simulated("jobs"))
    return is_open and bool(view.tasks("wait_for_export", "deferred"))


def _works(view: View) -> bool:
    """Tasks are with the workers, and others wait for the scheduler."""
    with_workers = [task for task in view.tasks(state="running") if view.worker_of(task)]
    return bool(with_workers) and any(task.state is None for task in view.tasks())


def _is_in_a_recording(view: View) -> Task | None:
    """A worker's task that is held in the middle of a recording."""
    if view.simulated("held")["held"]:
        for task in view.tasks("retrieve_recordings", "running"):
            if view.worker_of(task):
                return task
        view.release()  # the backfill's command has it
    view.hold("recording")
    return None


def _kill_the_worker_of(view: View, task: Task) -> None:
    view.system.kill(view.worker_of(task), children=True)
    view.release()


def _take_the_store_away(view: View, _: Task) -> None:
    with view.system.without("seaweedfs"):
        view.release()
        time.sleep(SECONDS_AWAY)


FAULTS = (
    Fault("the triggerer is killed", _waits, lambda view, _: view.system.kill("airflow-triggerer", children=True)),
    Fault("a worker is killed, with its tasks", _is_in_a_recording, _kill_the_worker_of),
    Fault("the scheduler is killed", _works, lambda view, _: view.system.kill("airflow-scheduler", children=True)),
    Fault("Redis is restarted", _works, lambda view, _: view.system.restart("redis")),
    Fault("the store is away", _is_in_a_recording, _take_the_store_away),
    Fault("PostgreSQL is restarted", _waits, lambda view, _: view.system.restart("postgres")),
)
