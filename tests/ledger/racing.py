# SPDX-License-Identifier: Apache-2.0
"""Races between real processes: everybody waits for the same moment, then does the same thing to one ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import Any

from airflow_provider_genesys.export.entry import Entry
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Reservation
from tests.ledger.backends import open_ledger

HEAD_START = 0.15
"""Seconds until a race begins: long enough for every process to stand at the line."""

Racer = Callable[..., Any]


class Racers:
    """A pool of processes, started once."""

    def __init__(self, number: int) -> None:
        self.number = number
        processes = get_context("forkserver")  # quick to start, and without what this process has opened
        processes.set_forkserver_preload(["pytest", __name__])
        self._pool = ProcessPoolExecutor(number, mp_context=processes)

    def __enter__(self) -> Racers:
        self.race(ready)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def race(self, racer: Racer, *args: Any) -> list[Any]:
        """Run ``racer(number, *args)`` in every process at once and return what each returned."""
        start_at = time.time() + HEAD_START
        runs = [self._pool.submit(_run, racer, start_at, number, *args) for number in range(self.number)]
        return [run.result(timeout=60) for run in runs]


def _run(racer: Racer, start_at: float, number: int, *args: Any) -> Any:
    time.sleep(max(0.0, start_at - time.time()))
    return racer(number, *args)


def ready(number: int) -> int:
    """Hold the process for a moment, so that each of them gets a run of its own."""
    time.sleep(HEAD_START)
    return number


def acquire(number: int, address: str, request: ExportRequest) -> Entry:
    return open_ledger(address).acquire(request, f"owner {number}", 100.0)


def acquire_as_one_owner(number: int, address: str, request: ExportRequest, times: int) -> list[int]:
    ledger = open_ledger(address)
    entries = [ledger.acquire(request, "owner", 100.0) for _ in range(times)]
    return [entry.lease.fence for entry in entries if entry.lease]


def keep_plan(number: int, address: str, key: str, plans: list[tuple[ExportWindow, ...]]) -> tuple[ExportWindow, ...]:
    return open_ledger(address).keep_plan(key, plans[number])


def record_volume(number: int, address: str, window: ExportWindow) -> None:
    open_ledger(address).record_volume("selection", window, number)


def reserve(
    number: int, address: str, per_minute: int, times: int, span: float
) -> list[tuple[float, Reservation, float]]:
    """Each reservation between the times before and after it was asked for."""
    ledger = open_ledger(address, span=span)
    return [
        (ledger.now(), ledger.reserve("organisation", "polls", per_minute, within=1e6), ledger.now())
        for _ in range(times)
    ]
