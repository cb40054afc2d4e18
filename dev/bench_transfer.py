# SPDX-License-Identifier: Apache-2.0
"""``make bench-transfer``: recordings from a source into a storage, by us and by others, on the same wires.

Source and sinks are servers on this machine that speak TLS; all that they store lies in memory. Each contender is a
process of its own. They take turns within a round, and what is compared is compared within its round: the ratios are
medians of the rounds' ratios. Where a column is empty, nobody measured.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dev.transfer.again import requests_again
from dev.transfer.cases import CASES, FAR, NEAR, QUICK
from dev.transfer.contenders import CONTENDERS
from dev.transfer.figures import HEADER, SUMMARY, rows, summary
from dev.transfer.nginx import Nginx, nginx_server
from dev.transfer.rounds import Bench, compare
from dev.transfer.sinks import Checking, Counted, Unchecked
from dev.transfer.table import Row, table
from dev.transfer.wire import calibrate
from tests.archive.certificate import self_signed
from tests.servers.seaweedfs import SeaweedServer, seaweedfs_server

MEMORY = Path("/dev/shm")  # noqa: S108 - files that are gone at the end, in a directory of their own
NEEDED = 8_000_000_000
"""Bytes: source, two sinks and the files between two tools."""

LEGEND = ("contender", "makes sure of")
AGAIN_HEADER = ("step", "to the source", "to the store", "")


def memory() -> Path:
    """A directory whose files lie in memory, where there is enough of it."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > NEEDED else Path(tempfile.gettempdir())


@contextmanager
def servers(directory: Path) -> Iterator[tuple[Path, Path, Nginx, SeaweedServer]]:
    """All of them, in a directory that is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="genesys-bench-", dir=directory) as name, ExitStack() as stack:
        home = Path(name)
        home.chmod(0o755)
        certificate = self_signed(home)
        before, tempfile.tempdir = tempfile.tempdir, name
        stack.callback(setattr, tempfile, "tempdir", before)
        seaweed = stack.enter_context(seaweedfs_server(certificate))
        (home / "nginx").mkdir()
        nginx = stack.enter_context(nginx_server(home / "nginx", certificate, seaweed.port))
        yield home, certificate, nginx, seaweed


def main() -> None:
    parser = argparse.ArgumentParser(description="Recordings a second into a storage: ours beside others")
    parser.add_argument("--rounds", type=int, help="rounds, of which the medians are printed (5; quick: 1)")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller recordings")
    parser.add_argument("--in-flight", type=int, help="recordings at a time for ours and the raw copy (our default)")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="these only")
    parser.add_argument("--cases", nargs="+", type=int, choices=(1, 2, 3), default=(1, 2, 3), help="many, some, one")
    parser.add_argument("--markdown", action="store_true", help="print tables in Markdown")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are stopped then, too
    show = partial(show_table, markdown=arguments.markdown)
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    directory = memory()
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, files in {directory}, rounds: {rounds}")
    found = calibrate(FAR.round_trip)
    print(
        f"The wire alone: {1000 * found.round_trip:.1f} ms round trip, {found.bytes_per_second / 1e6:,.0f} MB/s on one "
        f"connection, {found.cpu_per_gb:.2f} CPU s per GB."
    )
    show("What they make sure of", LEGEND, [(each.name, each.keeps) for each in CONTENDERS.values()], left=2)
    with servers(directory) as (home, certificate, nginx, seaweed):
        sinks = (Unchecked(nginx), Checking(seaweed, seaweed.tls_port or 0))
        bench = Bench(home, nginx, sinks, certificate, arguments.in_flight)
        contenders = [CONTENDERS[name] for name in arguments.contenders]
        ours = []
        for case in [(QUICK if arguments.quick else CASES)[number - 1] for number in arguments.cases]:
            for condition in (NEAR, FAR):
                runs = compare(bench, contenders, case, condition, rounds)
                show(f"{case.name}; {condition}", HEADER, rows(bench, case, condition, runs), left=2)
                ours += summary(bench, case, condition, runs)
        show("Ours", SUMMARY, ours, left=3)
        of_window = 300 if arguments.quick else 10_000
        again = requests_again(bench, Counted(seaweed, nginx), of_window)
        show(f"Requests of ours, for a window of {of_window:,} recordings", AGAIN_HEADER, again, left=4)


def show_table(title: str, header: Row, lines: Sequence[Row], *, left: int, markdown: bool) -> None:
    """Print a table as soon as it is known."""
    print(f"\n{title}\n\n{table(header, lines, left=left, markdown=markdown)}", flush=True)


if __name__ == "__main__":
    main()
