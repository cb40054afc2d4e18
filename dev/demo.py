# SPDX-License-Identifier: Apache-2.0
"""``make demo``: one day of call recordings, from the simulator into ``./archive``, by ``airflow dags test``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".demo"
ARCHIVE = ROOT / "archive"
DAY = "2024-05-01"
LOGICAL_DATE = "2024-05-02"  # a manual run covers the last complete interval before its date
AIRFLOW = str(Path(sys.executable).parent / "airflow")


@contextmanager
def simulator() -> Iterator[str]:
    """A simulated Genesys Cloud on a free loopback port; gives its URL."""
    command = [sys.executable, "-m", "airflow_provider_genesys.simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if "http://" not in line:
                sys.exit("the simulator did not start")
            yield line.split()[-1]
        finally:
            process.terminate()


def environment(url: str) -> dict[str, str]:
    connection = {
        "conn_type": "genesys",
        "host": url,
        "login": "demo",
        "password": "demo",
        "extra": {"allow_private_downloads": True},
    }
    return {
        **os.environ,
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_GENESYS_DEFAULT": json.dumps(connection),
        "GENESYS_EXPORT_DESTINATION": ARCHIVE.as_uri(),
        "GENESYS_EXPORT_POLL_INTERVAL": "2",
    }


def run(step: str, command: list[str], env: dict[str, str]) -> None:
    log = HOME / f"{step}.log"
    with log.open("w") as output:
        done = subprocess.run(command, env=env, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        print("".join(log.read_text().splitlines(keepends=True)[-30:]))
        sys.exit(f"{step} failed; the whole log is in {log}")


def show(report: dict[str, object]) -> None:
    rows = ["expected", "archived", "unavailable", "failed", "windows", "jobs", "attempts"]
    print(f"\n  {DAY}, {report['media_format']}")
    print("  " + "-" * 22)
    for row in rows:
        print(f"  {row:<14}{report[row]:>8}")
    print("  " + "-" * 22)
    print(f"  complete      {'yes' if report['complete'] else 'NO':>8}\n")


def main() -> None:
    HOME.mkdir(exist_ok=True)
    with simulator() as url:
        print(f"A simulated Genesys Cloud answers at {url}. Preparing Airflow's database ...")
        env = environment(url)
        run("airflow-db-migrate", [AIRFLOW, "db", "migrate"], env)
        print(f"Exporting the recordings of {DAY} by 'airflow dags test genesys_recordings_export {LOGICAL_DATE}' ...")
        run("airflow-dags-test", [AIRFLOW, "dags", "test", "genesys_recordings_export", LOGICAL_DATE], env)
    report = ARCHIVE / "reports" / "20240501T000000Z_20240502T000000Z.json"
    show(json.loads(report.read_text()))
    recordings = sorted((ARCHIVE / "recordings").iterdir())
    print(f"  recordings    {ARCHIVE / 'recordings'} ({len(recordings)} files; play {recordings[0].name})")
    print(f"  receipt       {ARCHIVE / 'receipts'}")
    print(f"  manifest      {ARCHIVE / 'manifests'}")
    print(f"  report        {report}")
    print(f"  Airflow's log {HOME / 'airflow-dags-test.log'}")
    print("\nRun it again: nothing is submitted, nothing is fetched twice.")


if __name__ == "__main__":
    main()
