# SPDX-License-Identifier: Apache-2.0
"""``make bench-estimate``: the estimate of a year of 10 million recordings beside its export in simulated time."""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import time
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from airflow_provider_genesys.api.costs import GUIDE
from airflow_provider_genesys.export.estimate import Assumptions, Limits, estimate
from airflow_provider_genesys.export.model import ExportWindow
from airflow_provider_genesys.export.planning import calendar_days
from airflow_provider_genesys.simulator import Universe
from dev.year import exported

BEGIN = date(2023, 1, 1)
WORKING_DAY, WEEKEND_DAY = 35_000, 8_300
JOB_SECONDS = 90.0
SHOWN = ("windows", "jobs", "requests", "polls", "recordings")


def volumes(days: int) -> dict[str, int]:
    """Recordings by day: fewer at weekends."""
    dates = [BEGIN + timedelta(days=number) for number in range(days)]
    return {day.isoformat(): WEEKEND_DAY if day.weekday() >= 5 else WORKING_DAY for day in dates}


def main() -> None:
    parser = argparse.ArgumentParser(description="The estimate of a range beside its export in simulated time")
    parser.add_argument("--days", type=int, default=365)
    days = parser.parse_args().days
    logging.disable(logging.WARNING)
    counts = volumes(days)
    start = datetime.combine(BEGIN, datetime.min.time(), UTC)
    interval = ExportWindow(start, start + timedelta(days=days))
    limits = Limits()
    history = [(size, JOB_SECONDS) for size in (WEEKEND_DAY // 4, WORKING_DAY // 24) for _ in range(5)]
    began = time.perf_counter()
    counted = [(day, counts[day.start.date().isoformat()]) for day in calendar_days(interval, UTC)]
    expected = asdict(estimate(counted, limits, Assumptions(bytes_per_recording=0, history=history), GUIDE))
    took = time.perf_counter() - began
    began = time.perf_counter()
    universe = Universe(volumes=counts, job_seconds=JOB_SECONDS)
    course = exported(interval, universe, limits, history)
    actual = asdict(course)
    real = time.perf_counter() - began
    print(f"\n  {days} days; estimated in {took:.1f} s; exported in {real:.0f} s, {time.process_time():.0f} s of CPU\n")
    print(f"  {'':<12}{'estimated':>14}{'actual':>14}{'ratio':>8}")
    for name in SHOWN:
        print(f"  {name:<12}{expected[name]:>14,}{actual[name]:>14,}{expected[name] / actual[name]:>8.2f}")
    ratio = expected["seconds"] / actual["seconds"]
    print(f"  {'hours':<12}{expected['seconds'] / 3600:>14.1f}{actual['seconds'] / 3600:>14.1f}{ratio:>8.2f}")
    ledger, resident = course.ledger, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"\n  answers with status 429: {course.rate_limited}")
    print(
        f"  ledger: {ledger.calls:,} transactions, {ledger.calls / course.jobs:.0f} for each job;"
        f" {ledger.cpu:.0f} s of CPU, {100 * ledger.cpu / course.seconds:.2f} % of a core over the export's hours;"
        f" {ledger.bytes / 1e6:.1f} MB on disk"
    )
    print(
        f"  resident at most: {resident / 1e3:.0f} MB, simulator and {limits.runs_at_a_time} days' windows included\n"
    )


if __name__ == "__main__":
    main()
