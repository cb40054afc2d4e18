# SPDX-License-Identifier: Apache-2.0
"""Holding the leases of requests, for one orchestrator in one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from airflow_provider_genesys.export.entry import AttemptStatus, Entry, Lease
from airflow_provider_genesys.export.errors import LeaseLost, Passing
from airflow_provider_genesys.export.model import ExportRequest
from airflow_provider_genesys.export.ports import Ledger


@dataclass(frozen=True)
class Held:
    """Another orchestrator has the window, or a ``POST`` for it is under way: wait, reading the ledger only.

    :param by: the owner of the lease.
    :param wait: seconds until the lease runs out, unless it is renewed.
    """

    by: str
    wait: float


@dataclass(frozen=True)
class Leases:
    """The leases of one owner, and what the ledger says of the entries that are held: nobody else writes them.

    :param owner: names the orchestrator: the same for all tasks and tries of one window in one DAG run.
    :param seconds: how long a lease lasts without renewal.
    """

    ledger: Ledger
    owner: str
    seconds: float
    _held: dict[str, Lease] = field(default_factory=dict)
    _known: dict[str, Entry] = field(default_factory=dict)
    _lost: set[str] = field(default_factory=set)

    def hold(self, request: ExportRequest) -> Entry:
        """The request's entry, with its lease where it can be had.

        Who lost a lease here takes it again only after it ran out: the process that took it, perhaps the next try
        of the same task, would lose it in turn.
        """
        key = request.key
        if key in self._held:
            return self._renewed(request)
        if key in self._lost:
            entry = self.ledger.entry(key)
            if entry is not None and entry.held_by and entry.held_until > self.ledger.now():
                return entry
        entry = self.ledger.acquire(request, self.owner, self.seconds)
        if entry.lease is not None:
            self._remember(entry, entry.lease)
            self._lost.discard(key)
        return entry

    @property
    def running(self) -> dict[str, Entry]:
        """The entries that are held and have a job under way, by its id: as they were when they were last renewed."""
        return {
            entry.current.job_id: entry
            for entry in self._known.values()
            if entry.current and entry.current.job_id and entry.current.status is AttemptStatus.SUBMITTED
        }

    def save(self, entry: Entry, *, exclusive: bool = False) -> Entry:
        """Write an entry that is held.

        :raises LeaseLost: where another process has taken it over.
        """
        if entry.lease is None:
            raise LeaseLost(f"window {entry.request.window} is not held by {self.owner}")
        key = entry.request.key
        try:
            saved = self.ledger.save(self._held.get(key, entry.lease), entry, exclusive=exclusive)
        except LeaseLost:
            self._forget(key)
            raise
        if saved.lease is not None:
            self._remember(saved, saved.lease)
        return saved

    def release(self, entry: Entry) -> None:
        """Give the request's lease back, if it is held here."""
        lease = self._held.pop(entry.request.key, None)
        if lease is not None:
            self._known.pop(lease.key)
            self.ledger.release(lease)

    def held_elsewhere(self, entry: Entry) -> Held:
        """Who has the entry, and for how long."""
        return Held(entry.held_by, max(1.0, entry.held_until - self.ledger.now()))

    @contextmanager
    def kept(self, entry: Entry) -> Iterator[LeaseKeeper]:
        """Renew the entry's lease in the background, for as long as a transfer takes."""
        if entry.lease is None:
            raise LeaseLost(f"window {entry.request.window} is not held by {self.owner}")
        keeper = LeaseKeeper(self.ledger, self._held.get(entry.request.key, entry.lease))
        keeper.start()
        try:
            yield keeper
        finally:
            keeper.stop()

    def _renewed(self, request: ExportRequest) -> Entry:
        """One call, since a renewal that succeeds says that nobody has written the entry in between."""
        key = request.key
        try:
            lease = self.ledger.renew(self._held[key])
        except LeaseLost:
            self._forget(key)
            return self.hold(request)
        return self._remember(replace(self._known[key], lease=lease, held_until=lease.until), lease)

    def _remember(self, entry: Entry, lease: Lease) -> Entry:
        self._held[lease.key], self._known[lease.key] = lease, entry
        return entry

    def _forget(self, key: str) -> None:
        self._held.pop(key, None)
        self._known.pop(key, None)
        self._lost.add(key)


class LeaseKeeper:
    """A thread that renews one lease three times in its life and remembers when that fails.

    :param lease: just acquired or renewed.
    :param clock: seconds, monotonic, that go on while the process is stopped.
    """

    def __init__(self, ledger: Ledger, lease: Lease, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._lease = lease
        self._clock = clock
        self._renewed_at = clock()
        self._lost: LeaseLost | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="genesys-lease", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def check(self) -> None:
        """Cheap enough for every recording: the ledger is asked only where the lease may have run out by now.

        It may, for a process that was stopped for a while, and that comes here before its own thread does.

        :raises LeaseLost: where the lease was lost.
        :raises Passing: where it may have run out, and the ledger can't be asked.
        """
        if self._clock() - self._renewed_at >= self._lease.seconds:
            self._renew()
        if self._lost is not None:
            raise LeaseLost(str(self._lost))

    def _run(self) -> None:
        while self._lost is None and not self._stopped.wait(self._lease.seconds / 3):
            with suppress(Passing):  # the next renewal still comes before the lease runs out
                self._renew()

    def _renew(self) -> None:
        asked_at = self._clock()
        try:
            self._lease = self._ledger.renew(self._lease)
        except LeaseLost as error:
            self._lost = error
        self._renewed_at = asked_at
