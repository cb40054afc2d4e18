# SPDX-License-Identifier: Apache-2.0
"""``make stack``: the whole system with a simulated Genesys Cloud, until Ctrl-C; a first day is exported."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time

from dev.stack import archive
from dev.stack.system import AIRFLOW, DidNotStart, System, system

SECONDS_FOR_A_DAY = 300


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"Starting Airflow {AIRFLOW} with PostgreSQL, Redis, an object store and a simulated Genesys Cloud ...")
    try:
        with contextlib.suppress(KeyboardInterrupt), system() as running:
            with contextlib.suppress(KeyboardInterrupt):
                show(running)
                while True:
                    time.sleep(3600)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)  # a second one would leave half of the system behind
    except DidNotStart as error:
        print(error, file=sys.stderr)
        return 1
    print("\nEnded, and removed.")
    return 0


def show(running: System) -> None:
    print(f"\n  UI       {running.url}  (login: admin, password: {running.secrets['ADMIN_PASSWORD']})")
    print(f"  archive  s3://{'/'.join(archive.place(running.environment()))} at {running.endpoint}")
    print(f"  logs     {running.home}")
    print("\nThe last complete day is being exported ...", flush=True)
    report = first_report(running)
    key = next(archive.keys("recordings", running.environment()))
    call = running.home / key.rpartition("/")[2]
    call.write_bytes(archive.read(key, running.environment()))
    print(f"  expected {report['expected']}, archived {report['archived']}; play one: {call}")
    print("\nCtrl-C ends the system, and removes all that it wrote.", flush=True)


def first_report(running: System) -> dict[str, object]:
    """The report of the first day that is exported.

    :raises DidNotStart: none is.
    """
    deadline = time.monotonic() + SECONDS_FOR_A_DAY
    while time.monotonic() < deadline:
        for key in archive.keys("reports", running.environment()):
            found: dict[str, object] = json.loads(archive.read(key, running.environment()))
            return found
        time.sleep(2)
    raise DidNotStart(f"no day was exported within {SECONDS_FOR_A_DAY} s: see {running.home}")


if __name__ == "__main__":
    sys.exit(main())
