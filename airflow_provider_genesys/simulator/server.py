# SPDX-License-Identifier: Apache-2.0
"""The simulator as a server on loopback: in a thread of a test, or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import web

from airflow_provider_genesys.simulator import control, guide, page, shifts, storage
from airflow_provider_genesys.simulator.control import issued_secrets
from airflow_provider_genesys.simulator.faults import Fault, FaultPlan
from airflow_provider_genesys.simulator.gate import gate, token
from airflow_provider_genesys.simulator.jobs import Job
from airflow_provider_genesys.simulator.platform import routes
from airflow_provider_genesys.simulator.platform.state import Batch, BulkJob
from airflow_provider_genesys.simulator.simulation import SIMULATION, Clock, Simulation, Stats
from airflow_provider_genesys.simulator.universe import Universe

HOST = "127.0.0.1"
T = TypeVar("T")


def application(simulation: Simulation) -> web.Application:
    """Assemble the web application over a simulation."""
    app = web.Application(middlewares=[gate])
    app[SIMULATION] = simulation
    app.router.add_post("/oauth/token", token, name="token")
    if "guide" in simulation.universe.apis:
        guide.add_routes(app)
    if "platform" in simulation.universe.apis:
        routes.add_routes(app)
    shifts.add_routes(app)
    storage.add_routes(app)
    control.add_routes(app)
    page.add_routes(app)
    return app


def bind(port: int, host: str = HOST) -> socket.socket:
    """A listening socket.

    :param port: 0 picks a free one.
    :param host: the address to listen on. Its control routes ask nobody who they are: another one than loopback is for
        a network of containers that is not published.
    :raises OSError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """The base URL of a listening socket."""
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


async def serve(
    simulation: Simulation, listener: socket.socket, ready: Callable[[], None], stop: asyncio.Event
) -> None:
    """Serve until told to stop, then drop whatever is still going on.

    :param ready: called once requests are answered.
    """
    runner = web.AppRunner(application(simulation), access_log=None, handle_signals=False, shutdown_timeout=0.0)
    await runner.setup()
    try:
        await web.SockSite(runner, listener, backlog=1024).start()
        ready()
        await stop.wait()
    finally:
        simulation.holds.release()
        simulation.stop_background()
        await runner.cleanup()


async def serve_until_signal(simulation: Simulation, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(simulation, listener, ready, stop)


class Simulator:
    """A simulated Genesys Cloud in a thread of this process.

    ``with Simulator(universe) as simulator: requests.get(simulator.url + ...)``

    :param universe: its world; without one the default world of some 200 calls a day.
    :param port: 0 picks a free one.
    :param clock: Unix time, by which jobs finish and tokens, URLs and budgets expire.
    """

    def __init__(self, universe: Universe | None = None, *, port: int = 0, clock: Clock = time.time) -> None:
        self.universe = universe or Universe()
        self.url = ""
        self._port = port
        self._simulation = Simulation(self.universe, clock)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="genesys-simulator", daemon=True
        )
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._listener: socket.socket

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, and return once requests are answered.

        :raises OSError: the port is taken.
        """
        self._listener = bind(self._port)
        self.url = url_of(self._listener)
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Stop at once; requests that are still going on are dropped. Counts and jobs stay readable."""
        with contextlib.suppress(RuntimeError):  # stopped before
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def stats(self) -> Stats:
        """A snapshot of the counts."""
        return self._in_loop(self._simulation.stats.copy)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Every job since the start or the last reset, oldest first."""
        return self._in_loop(lambda: tuple(self._simulation.jobs.values()))

    @property
    def batches(self) -> tuple[Batch, ...]:
        """Every batch request since the start or the last reset, oldest first."""
        return self._in_loop(lambda: tuple(self._simulation.platform.batches.values()))

    @property
    def bulk_jobs(self) -> tuple[BulkJob, ...]:
        """Every bulk job since the start or the last reset, oldest first, those of administrators too."""
        return self._in_loop(lambda: tuple(self._simulation.platform.bulk_jobs.values()))

    @property
    def issued(self) -> dict[str, Sequence[str]]:
        """Every secret that may not be found in anybody's log or database."""
        return self._in_loop(lambda: issued_secrets(self._simulation))

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What goes wrong; can be set while the simulator runs. Jobs keep the faults of their submission."""
        return self._simulation.plan.faults

    @faults.setter
    def faults(self, faults: Sequence[Fault]) -> None:
        def change() -> None:
            self._simulation.plan = FaultPlan(faults)

        self._in_loop(change)

    def reset(self) -> None:
        """Forget jobs, counts and faults."""
        self._in_loop(self._simulation.reset)

    def hold(self, point: str, nth: int = 1) -> None:
        """Hold the n-th request from here on that reaches a point; see :data:`.holds.POINTS`."""
        self._simulation.holds.arm(point, nth)

    def wait_until_held(self, timeout: float = 10.0) -> None:
        """Block until a request is held.

        :raises TimeoutError: nobody came.
        """
        self._simulation.holds.wait_until_held(timeout)

    @property
    def held(self) -> tuple[str, ...]:
        """Points at which a request is held right now."""
        return self._simulation.holds.held

    def release(self) -> None:
        """Let go of whoever is held, and disarm every point."""
        self._simulation.holds.release()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await serve(self._simulation, self._listener, self._ready.set, self._stop)

    def _in_loop(self, work: Callable[[], T]) -> T:
        """Do something in the server's thread, where no request can come between; once it is stopped, here."""
        if not self._thread.is_alive():
            return work()

        async def task() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(task(), self._loop).result()
