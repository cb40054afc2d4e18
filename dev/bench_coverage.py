# SPDX-License-Identifier: Apache-2.0
"""``make bench-coverage``: how long the coverage page waits for its data, over years of hourly windows, by ledger.

Windows are claimed and saved as the export does, each archived by one job; the answer is the web server's own, JSON
included. The filling is what takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, cast
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Lease, RequestState
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.export.ports import Ledger
from airflow_provider_genesys.plugins import answers
from dev.bench_ledger import LEDGERS

YEARS = 3
HOUR = timedelta(hours=1)
TRIES = 5
THREADS = 4


def fill(ledger: Ledger, hours: int, end: datetime) -> ExportRequest:
    """Put archived hourly windows into the ledger, and return the newest one's request."""
    organisation = Organisation("api.mypurecloud.com", "bench")

    def archive(hour: int) -> ExportRequest:
        window = ExportWindow(end - (hour + 1) * HOUR, end - hour * HOUR)
        entry = ledger.acquire(ExportRequest(organisation, window, "mp3"), "bench", 0.0)
        attempt = Attempt(0, 0, AttemptStatus.COMPLETED, f"job-{hour}", recordings=200)
        done = replace(
            entry, state=RequestState.ARCHIVED, attempts=(attempt,), destinations=("s3://bucket/recordings",)
        )
        ledger.save(cast("Lease", entry.lease), done)
        ledger.record_volume(entry.request.selection_key, window, 200)
        return entry.request

    with ThreadPoolExecutor(THREADS) as threads:
        newest, *_ = threads.map(archive, range(hours))
    return newest


def seconds(ask: Callable[[answers.Query], answers.Answer], query: answers.Query) -> tuple[tuple[float, float], Any]:
    """Of some tries the median wall time and CPU time of this process, and the answer."""
    times = []
    for _ in range(TRIES):
        began = time.perf_counter(), time.process_time()
        answer = ask(query)
        times.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    wall, cpu = map(median, zip(*times, strict=True))
    return (wall, cpu), json.loads(answer.body)


def measure(ledger: Ledger, end: datetime, years: int) -> tuple[float, float, float, float]:
    """Seconds of the calendar's answer and of a day's, each by the wall's clock and of CPU."""
    days = (end - end.replace(year=end.year - years)).days
    newest = fill(ledger, 24 * days, end)
    with patch.object(answers, "known_ledger_of", lambda *_: ledger):
        calendar, found = seconds(answers.coverage, {"since": str(end.year - years)})
        selection = {"selection": newest.selection_key, "day": f"{newest.window.start:%Y-%m-%d}"}
        day, windows = seconds(answers.day, selection)
    statuses = [each["status"] for each in found["selections"][0]["days"].values()]
    if statuses != ["archived"] * days or len(windows["windows"]) != 24:
        raise SystemExit("the ledger does not tell what was put into it")
    return *calendar, *day


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds until the coverage page has its data, by ledger")
    parser.add_argument("--years", type=int, default=YEARS, help=f"of hourly windows ({YEARS})")
    parser.add_argument("--ledger", choices=list(LEDGERS), action="append", help="one of the ledgers; all without")
    arguments = parser.parse_args()
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    print(f"\n  {arguments.years} years of hourly windows; {os.cpu_count()} cores, servers on this machine\n")
    print(f"  {'ledger':<24}{'calendar, s':>14}{'its CPU, s':>14}{'a day, s':>14}{'its CPU, s':>14}")
    for name in arguments.ledger or LEDGERS:
        with ExitStack() as stack:
            opener = stack.enter_context(LEDGERS[name]())
            figures = measure(opener(), end, arguments.years)
        print(f"  {name:<24}" + "".join(f"{figure:>14.2f}" for figure in figures), flush=True)


if __name__ == "__main__":
    main()
