# SPDX-License-Identifier: Apache-2.0
"""A platform, a ledger and an archive for one test, and what must be true of them in the end."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from airflow_provider_genesys.export.entry import Entry
from airflow_provider_genesys.export.model import AUTO, ExportWindow
from airflow_provider_genesys.export.pace import Pace
from airflow_provider_genesys.export.ports import Ledger
from airflow_provider_genesys.simulator import Simulator
from airflow_provider_genesys.simulator.platform.directory import ORGANISATION_ID
from tests.archive.sites import Site
from tests.crash.driver import Run, begin
from tests.end_to_end.ways import GUIDE, Way
from tests.ledger.backends import open_ledger
from tests.servers.holding_proxy import HoldingProxy

DAY = datetime(2024, 5, 1, tzinfo=UTC)
PACE = Pace(poll_interval=0.2, max_poll_interval=0.5, polls_per_minute=60_000, lease_seconds=2.0)
SECONDS_TO_END = 60.0


def days(first: int, last: int) -> ExportWindow:
    """An interval of days of May 2024, both included."""
    return ExportWindow(DAY + timedelta(days=first - 1), DAY + timedelta(days=last))


@dataclass
class World:
    """Where a test's runs take place.

    :param ledger_address: as :func:`tests.ledger.backends.open_ledger` reads it.
    :param proxy: stands before the store; None for an archive of files.
    :param directory: for logs.
    :param way: the API that is spoken, and the format that is asked for.
    """

    simulator: Simulator
    ledger_address: str
    site: Site
    directory: Path
    proxy: HoldingProxy | None = None
    way: Way = GUIDE
    processes: list[BaseProcess] = field(default_factory=list)

    def run(self, name: str = "scheduled", interval: ExportWindow | None = None, **changes: Any) -> Run:
        return replace(
            Run(
                name,
                self.simulator.url,
                self.ledger_address,
                self._place,
                self.log(name),
                interval or days(1, 1),
                PACE,
                self.way.export_api,
                "original" if self.way.media_format == AUTO else self.way.media_format,
            ),
            **changes,
        )

    def begin(self, name: str = "scheduled", interval: ExportWindow | None = None, **changes: Any) -> BaseProcess:
        """Start a run's process."""
        self.log(name).touch()
        process = begin(self.run(name, interval, **changes))
        self.processes.append(process)
        return process

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def hold(self, point: str, nth: int = 1) -> None:
        """Hold the n-th request at a point of the simulator's, or of the store's as ``PUT receipts/``.

        Where the point begins with ``after``, the store has done what it was asked for.
        """
        if " " not in point:
            self.simulator.hold(point, nth)
            return
        assert self.proxy
        self.proxy.hold(point.removeprefix("after "), nth, answer=point.startswith("after "))

    def wait_until_held(self, point: str, timeout: float = 15.0) -> None:
        holder = self.simulator if " " not in point else self.proxy
        assert holder
        holder.wait_until_held(timeout)

    def release(self) -> None:
        self.simulator.release()
        if self.proxy:
            self.proxy.release()

    @cached_property
    def ledger(self) -> Ledger:
        return open_ledger(self.ledger_address)

    def entry(self, window: ExportWindow | None = None) -> Entry:
        """What the ledger knows of a window."""
        run = self.run()
        entry = self.ledger.entry(replace(run.selection, window=window or run.interval).key)
        assert entry is not None
        return entry

    def jobs_of(self, entry: Entry) -> list[Entry]:
        """The entries whose jobs bring a window's recordings: its own, or those of its parts."""
        parts = [self.ledger.entry(key) for key in entry.parts]
        return [part for part in parts if part] or [entry]

    def document(self, kind: str) -> bytes:
        """The one receipt, or the one report, of the archive."""
        (found,) = [body for key, body in self.site.objects().items() if key.startswith(f"{kind}/")]
        return found

    def fetches(self) -> Counter[str]:
        """How often the bytes of each recording were asked for."""
        return Counter(self.simulator.stats.begun)

    def truth(self, interval: ExportWindow) -> dict[str, str]:
        """SHA-256 of every file of an interval of days, by the name under which it is archived."""
        first, end = (int(time.timestamp()) // 86_400 for time in (interval.start, interval.end))
        found = [self.way.truth(self.simulator.universe, day) for day in range(first, end)]
        return {name: sha256 for of_day in found for name, (_, sha256) in of_day.items()}

    @property
    def _place(self) -> dict[str, Any]:
        return self.site.place(self.proxy.port if self.proxy else None)


def kill(process: BaseProcess) -> None:
    """SIGKILL, and its end."""
    process.kill()
    process.join()


def ends_well(process: BaseProcess, timeout: float = SECONDS_TO_END) -> bool:
    """Whether a run comes to its end with everything archived."""
    process.join(timeout)
    return process.exitcode == 0


@contextmanager
def ending(world: World) -> Iterator[World]:
    """Leave no process behind."""
    try:
        yield world
    finally:
        world.release()
        for process in world.processes:
            if process.is_alive():
                kill(process)


def assert_archive_is_whole(world: World, interval: ExportWindow, reports: int = 1) -> None:
    """Every recording once, as the platform has it; receipts that say so; nothing left over."""
    objects = world.site.objects()
    kinds = Counter(key.partition("/")[0] for key in objects)
    recordings = ORGANISATION_ID if world.way.delivers else "recordings"
    assert kinds.keys() == {"manifests", "receipts", "reports", "index", recordings}
    assert kinds["reports"] == kinds["index"] == reports
    lines = [
        json.loads(line) for key, body in objects.items() if key.startswith("receipts/") for line in body.splitlines()
    ]
    keys = {line["recording_id"]: line["key"] for line in lines}
    assert len(keys) == len(set(keys.values())) == len(lines), "a line for each recording, and only one"
    there = {name: hashlib.sha256(objects[key]).hexdigest() for name, key in keys.items()}
    assert there == world.truth(interval)
    if world.way.delivers:
        assert {line["sha256"] for line in lines} <= {None}
    else:
        assert {line["recording_id"]: line["sha256"] for line in lines} == there
        assert set(keys.values()) == {key for key in objects if key.startswith("recordings/")}
    assert world.site.unfinished() == []
