# SPDX-License-Identifier: Apache-2.0
"""``make bench``: claims of new requests per second, by 1, 4 and 16 processes at once, on every kind of ledger.

A claim is ``acquire`` of a request that nobody has asked for: the operation before every ``POST``. Each process has a
ledger of its own and claims requests of its own, as workers do.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import quantiles
from typing import Any

import redis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.export.ports import Ledger
from airflow_provider_genesys.ledger.dynamodb import dynamodb_ledger
from airflow_provider_genesys.ledger.engines import ledger_engine
from airflow_provider_genesys.ledger.redis import SESSION, redis_ledger
from airflow_provider_genesys.ledger.sql import SqlLedger
from tests.servers.dynalite import dynalite_server, dynamodb_client
from tests.servers.mariadb import mariadb_server
from tests.servers.postgres import postgres_server
from tests.servers.redis import redis_server

PROCESSES = (1, 4, 16)
SECONDS = 2.0
HOUR = timedelta(hours=1)
BEGIN = datetime(2000, 1, 1, tzinfo=UTC)

Opener = Callable[[], Ledger]


@dataclass(frozen=True)
class Cell:
    """What some processes achieved.

    :param p99: milliseconds that all but one in a hundred claims took less than.
    """

    claims_per_second: float
    p99: float


def open_sql(url: str) -> Ledger:
    return SqlLedger(ledger_engine(url))


def open_redis(url: str) -> Ledger:
    return redis_ledger(redis.Redis.from_url(url, **SESSION))


def open_dynamodb(endpoint: str) -> Ledger:
    return dynamodb_ledger(lambda: dynamodb_client(endpoint, os.getpid()), "ledger")


@contextmanager
def sqlite() -> Iterator[Opener]:
    with tempfile.TemporaryDirectory() as directory:
        yield partial(open_sql, f"sqlite:///{directory}/ledger.db")


@contextmanager
def postgresql() -> Iterator[Opener]:
    with postgres_server() as server:
        yield partial(open_sql, server.create_database("ledger"))


@contextmanager
def mariadb() -> Iterator[Opener]:
    with mariadb_server() as server:
        yield partial(open_sql, server.create_database("ledger"))


@contextmanager
def redis_with_aof() -> Iterator[Opener]:
    with redis_server() as server:
        yield partial(open_redis, server.address)


@contextmanager
def dynalite() -> Iterator[Opener]:
    with dynalite_server() as server:
        yield partial(open_dynamodb, server.endpoint)


LEDGERS: dict[str, Callable[[], Any]] = {
    "SQLite": sqlite,
    "PostgreSQL": postgresql,
    "MariaDB": mariadb,
    "Redis, AOF": redis_with_aof,
    "DynamoDB (dynalite)": dynalite,
}


def claim(opener: Opener, organisation: str, start: Barrier, seconds: float, results: Any) -> None:
    """Claim one request after the other for some seconds, and say how long each took."""
    ledger, window, taken = opener(), ExportWindow(BEGIN, BEGIN + HOUR), []
    ledger.acquire(ExportRequest(Organisation("host", organisation), window, "mp3"), "bench", 300.0)
    start.wait(60)
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        window = ExportWindow(window.end, window.end + HOUR)
        ledger.acquire(ExportRequest(Organisation("host", organisation), window, "mp3"), "bench", 300.0)
        taken.append(time.perf_counter() - began)
    results.put(taken)


def measure(opener: Opener, processes: int, seconds: float) -> Cell:
    context = get_context("fork")
    start, results = context.Barrier(processes), context.Queue()
    workers = [
        context.Process(target=claim, args=(opener, f"{processes}.{number}", start, seconds, results))
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    taken = [time for _ in workers for time in results.get(timeout=120)]
    for worker in workers:
        worker.join()
    return Cell(len(taken) / seconds, 1000 * quantiles(taken, n=100)[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description="Claims per second and the 99th percentile of a claim, by ledger")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"per cell of the table ({SECONDS})")
    seconds = parser.parse_args().seconds
    print(
        f"\n  claims of new requests; {os.cpu_count()} cores, servers on this machine that do not wait for their disk\n"
    )
    print(
        "  ledger".ljust(24)
        + "".join(f"{f'{count} processes' if count > 1 else '1 process':>24}" for count in PROCESSES)
    )
    print(" " * 24 + "claims/s    p99 ms".rjust(24) * len(PROCESSES))
    for name, ledger in LEDGERS.items():
        with ExitStack() as stack:
            opener = stack.enter_context(ledger())
            cells = [measure(opener, processes, seconds) for processes in PROCESSES]
        row = "".join(f"{cell.claims_per_second:>14,.0f}{cell.p99:>10.1f}" for cell in cells)
        print(f"  {name:<22}{row}", flush=True)


if __name__ == "__main__":
    main()
