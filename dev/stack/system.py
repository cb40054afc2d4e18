# SPDX-License-Identifier: Apache-2.0
"""Runs the services as plain processes, as ``docker compose up`` runs them as containers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from dev.stack import dotenv, machine
from dev.stack.airflow2 import on_airflow_2
from dev.stack.compose import COMPLETED, Service, read
from tests.servers.seaweedfs import remove_sockets

AIRFLOW = version("apache-airflow")
START_SECONDS = 240
STOP_SECONDS = 20
STOPS_BY = {"postgres": signal.SIGINT}
"""As its image says: at SIGTERM it would wait for its clients to go."""


class DidNotStart(RuntimeError):
    """A service ended, or did not get ready in time."""


@dataclass
class System:
    """The running system.

    :param home: a directory for everything that it writes.
    :param services: by name, in the order in which they start.
    :param secrets: what ``docker-compose.yaml`` was filled in with.
    """

    home: Path
    services: dict[str, Service]
    secrets: Mapping[str, str] = field(repr=False)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    _sessions: dict[int, float] = field(default_factory=dict)
    _away: set[str] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _ends: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Start every service once those that it needs are there, and keep them running.

        :raises DidNotStart: one of them isn't.
        """
        threading.Thread(target=self._keep_running, name="keeper", daemon=True).start()
        for service in self.services.values():
            for name, condition in service.needs.items():
                self._wait_for(name, COMPLETED if condition == COMPLETED else "")
            machine.prepare(service, self.home)
            self._spawn(service)
        self._wait_for("airflow-scheduler")

    def is_healthy(self, name: str) -> bool:
        """Whether a service's health check succeeds now."""
        service = self.services[name]
        if service.health is None:
            return True
        check = subprocess.run(
            ["/bin/sh", "-c", service.health],
            env=machine.environment(service, self.home),
            cwd=dotenv.ROOT,
            capture_output=True,
            timeout=90,
            check=False,
        )
        return check.returncode == 0

    @property
    def url(self) -> str:
        """Where the UI is."""
        return f"http://127.0.0.1:{self._port('airflow-api-server')}"

    @property
    def endpoint(self) -> str:
        """Where the object store is."""
        return f"http://127.0.0.1:{self._port('seaweedfs')}"

    @property
    def simulator(self) -> str:
        """Where the simulated Genesys Cloud is."""
        return f"http://127.0.0.1:{self._port('simulator')}"

    def _port(self, name: str) -> str:
        return re.findall(r"localhost:(\d+)", self.services[name].health or "")[0]

    def environment(self) -> dict[str, str]:
        """The environment of a service of Airflow, for a command beside them."""
        return machine.environment(self.services["airflow-scheduler"], self.home)

    def run(self, name: str, command: str, environment: Mapping[str, str]) -> None:
        """Begin a command of Airflow beside the services, as one of them; it is called again until it succeeds.

        :param environment: what it has beside a service's.
        """
        like = self.services["airflow-scheduler"]
        self.services[name] = replace(
            like, name=name, command=command, environment={**like.environment, **environment}, restart="on-failure"
        )
        self._spawn(self.services[name])

    def kill(self, name: str, *, children: bool) -> None:
        """SIGKILL for a service; it is started again.

        :param children: kill its descendants, too, as the end of a container does. Else they run on, as when the kernel
            kills one process for its memory.
        """
        with self._lock:
            doomed = psutil.Process(self.processes[name].pid).children(recursive=True) if children else []
            for process in (self.processes[name], *doomed):
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def restart(self, name: str) -> None:
        """Stop a service in good order; it is started again."""
        self.processes[name].send_signal(STOPS_BY.get(name, signal.SIGTERM))

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """A service is killed, and stays away for the length of the block."""
        with self._lock:
            self._away.add(name)
            self.processes[name].kill()
            self.processes[name].wait()
        try:
            yield
        finally:
            self._away.discard(name)

    def log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def stop(self) -> None:
        """End every process that this system has started, by pid."""
        self._ends.set()
        with self._lock:
            for name, process in reversed(self.processes.items()):
                if process.poll() is None:
                    process.send_signal(STOPS_BY.get(name, signal.SIGTERM))
            deadline = time.monotonic() + STOP_SECONDS
            for process in self.processes.values():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.1, deadline - time.monotonic()))
        for process in self._ours():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for process in self.processes.values():
            process.wait()
            remove_sockets(process)

    def _ours(self) -> list[psutil.Process]:
        """Every process that is left of this system, those included whose parents were killed: by its session."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                if self._is_ours(os.getsid(process.pid)):
                    found.append(process)
        return found

    def _is_ours(self, session: int) -> bool:
        """Whether we have made a session: its number is free again once nobody is in it."""
        if session not in self._sessions:
            return False
        return not psutil.pid_exists(session) or psutil.Process(session).create_time() == self._sessions[session]

    def _spawn(self, service: Service) -> None:
        with self._lock, self.log(service.name).open("ab") as log:
            if self._ends.is_set():
                return
            process = self.processes[service.name] = subprocess.Popen(
                machine.command(service, self.home),
                env=machine.environment(service, self.home),
                cwd=self.home if machine.account(service) else dotenv.ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **machine.account(service),
            )
            self._sessions[process.pid] = psutil.Process(process.pid).create_time()
            self.starts[service.name] = self.starts.get(service.name, 0) + 1

    def _keep_running(self) -> None:
        while not self._ends.wait(1.0):
            with self._lock:
                for name, process in list(self.processes.items()):
                    if _begins_again(self.services[name], process.poll()) and name not in self._away:
                        self._spawn(self.services[name])

    def _wait_for(self, name: str, condition: str = "") -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            code = self.processes[name].poll()
            if condition == COMPLETED and code is not None:
                if code == 0:
                    return
                break
            if condition != COMPLETED and self.is_healthy(name):
                return
            time.sleep(0.5)
        raise DidNotStart(f"{name} is not ready: {self.log(name).read_text(errors='replace')[-3000:]}")


@contextmanager
def system(universe: Mapping[str, Any] | None = None, **environment: str) -> Iterator[System]:
    """The whole system on the Airflow that is installed beside this Python, started, and ended with the block.

    :param universe: settings of the simulator.
    :param environment: more for every service of Airflow, by its name on Airflow 3.
    """
    secrets = dotenv.fresh(universe)
    with tempfile.TemporaryDirectory(prefix="genesys-stack-", ignore_cleanup_errors=True) as directory:
        home = Path(directory).resolve()
        home.chmod(0o755)
        (home / "airflow").mkdir()
        services = [_with(service, environment) for service in read(dotenv.ROOT / "docker-compose.yaml", secrets)]
        if AIRFLOW.startswith("2."):
            services = [on_airflow_2(service) for service in services]
        running = System(home, {each.name: each for each in machine.on_this_machine(services, home)}, secrets)
        try:
            running.start()
            yield running
        finally:
            running.stop()


def _begins_again(service: Service, code: int | None) -> bool:
    """Whether a service is to be started again that has ended with a code; None: it has not."""
    if code is None:
        return False
    return service.restart == "unless-stopped" or (service.restart == "on-failure" and code != 0)


def _with(service: Service, environment: Mapping[str, str]) -> Service:
    if not service.name.startswith("airflow-"):
        return service
    return replace(service, environment={**service.environment, **environment})
