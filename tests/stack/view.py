# SPDX-License-Identifier: Apache-2.0
"""What can be seen of the running system from outside: Airflow's database, the simulator's counts, the archive."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.request import Request, urlopen

import psutil
import psycopg2

from dev.stack import archive
from dev.stack.system import System

DAG = "genesys_recordings_export"
LOOK_EVERY = 0.3
LINES_SHOWN = 25
T = TypeVar("T")


class Task(NamedTuple):
    """A task instance.

    :param task_id: without its group.
    :param pid: of the process that has it, or had.
    """

    task_id: str
    map_index: int
    state: str | None
    pid: int | None


class Run(NamedTuple):
    """A DAG run.

    :param kind: ``backfill``, ``scheduled``, ``manual``.
    :param start: its data interval's.
    """

    kind: str
    state: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class View:
    """A look at a system."""

    system: System

    def until(self, what: str, fact: Callable[[], T], seconds: float = 300.0) -> T:
        """What ``fact`` returns, once that is true.

        :raises TimeoutError: it never was.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if found := fact():
                    return found
            except (psycopg2.OperationalError, psycopg2.InterfaceError, OSError):
                pass  # a server is away
            time.sleep(LOOK_EVERY)
        raise TimeoutError(f"not seen within {seconds:.0f} s: {what}")

    def tasks(self, task_id: str = "", state: str = "") -> list[Task]:
        """Task instances, those of a task, and in a state."""
        found = self._ask(
            "SELECT task_id, map_index, state, pid FROM task_instance WHERE dag_id = %s ORDER BY run_id, 1, 2", DAG
        )
        tasks = [Task(name.rpartition(".")[2], *rest) for name, *rest in found]
        return [
            task for task in tasks if task.task_id == (task_id or task.task_id) and task.state == (state or task.state)
        ]

    def has_done_something_since(self, when: datetime) -> bool:
        """Whether a task that began since then has succeeded."""
        return bool(self._ask("SELECT 1 FROM task_instance WHERE state = 'success' AND start_date > %s LIMIT 1", when))

    def runs(self) -> list[Run]:
        """Every run of the DAG."""
        question = "SELECT run_type, state, data_interval_start, data_interval_end FROM dag_run WHERE dag_id = %s"
        return [
            Run(kind, state, start.astimezone(UTC), end.astimezone(UTC))
            for kind, state, start, end in self._ask(question, DAG)
        ]

    def worker_of(self, task: Task) -> str:
        """The worker in one of whose processes a task runs; empty: none's."""
        for name in self.system.services:
            if name.startswith("airflow-worker") and task.pid in {child.pid for child in self._children(name)}:
                return name
        return ""

    def simulated(self, what: str) -> Any:
        """What the simulator's control route answers, such as ``stats``, ``jobs``, ``held``."""
        with urlopen(f"{self.system.simulator}/_simulator/{what}", timeout=10) as answer:
            return json.load(answer)

    def hold(self, point: str) -> None:
        """Have the simulator hold the next request that comes to a point."""
        self._control("hold", {"point": point})

    def release(self) -> None:
        self._control("release", {})

    def archived(self, folder: str) -> dict[str, bytes]:
        """What the archive has below a folder, by key, relative to the destination."""
        environment = self.system.environment()
        store, (bucket, prefix) = archive.client(environment), archive.place(environment)
        return {
            key.removeprefix(f"{prefix}/"): store.get_object(Bucket=bucket, Key=key)["Body"].read()
            for key in archive.keys(folder, environment)
        }

    def logs(self) -> Iterator[tuple[str, str]]:
        """Runs and tasks, the ends of what every service wrote, and of what every try wrote that did not end well."""
        with suppress(psycopg2.Error):
            yield "runs and tasks", "\n".join(str(each) for each in (*self.runs(), *self.tasks()))
        for name in self.system.services:
            yield f"{name}, started {self.system.starts.get(name, 0)} times", _tail(self.system.log(name))
        for path in sorted((self.system.home / "airflow-shared" / "logs").rglob("attempt=*.log")):
            if "Traceback" in (text := path.read_text(errors="replace")) or "ERROR" in text:
                yield str(path.relative_to(self.system.home)), _tail(path)

    def _ask(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        url = self.system.environment()["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "")
        with closing(psycopg2.connect(url, connect_timeout=5)) as connection, connection.cursor() as cursor:
            cursor.execute(question, values)
            return list(cursor.fetchall())

    def _children(self, name: str) -> list[psutil.Process]:
        try:
            return psutil.Process(self.system.processes[name].pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def _control(self, action: str, body: dict[str, Any]) -> None:
        url = f"{self.system.simulator}/_simulator/{action}"
        with urlopen(Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}), timeout=10):
            pass


def _tail(path: Path) -> str:
    if not path.exists():
        return "(nothing)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-LINES_SHOWN:])
