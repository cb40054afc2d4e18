# SPDX-License-Identifier: Apache-2.0
"""The ledger's contract in one process's memory: the model that real ledgers are compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import RLock

from airflow_provider_genesys.export.errors import LeaseLost
from airflow_provider_genesys.export.model import Entry, ExportRequest, ExportWindow, Lease, Reservation
from airflow_provider_genesys.ledger.budget import SPAN, Budget


@dataclass
class Holding:
    """Who has a request, and until when."""

    fence: int = 0
    owner: str = ""
    until: float = 0.0
    exclusive: bool = False


class MemoryLedger:
    """A :class:`~airflow_provider_genesys.export.ports.Ledger` for unit tests.

    :param clock: epoch seconds; a test moves it.
    """

    def __init__(self, clock: Callable[[], float], *, span: float = SPAN) -> None:
        self._clock = clock
        self._span = span
        self._lock = RLock()
        self._entries: dict[str, Entry] = {}
        self._holdings: dict[str, Holding] = {}
        self._budgets: dict[tuple[str, str], Budget] = {}
        self._plans: dict[str, tuple[ExportWindow, ...]] = {}
        self._volumes: dict[tuple[str, ExportWindow], int] = {}

    def now(self) -> float:
        return self._clock()

    def acquire(self, request: ExportRequest, owner: str, seconds: float) -> Entry:
        with self._lock:
            now = self._clock()
            self._entries.setdefault(request.key, Entry(request))
            holding = self._holdings.setdefault(request.key, Holding())
            own = holding.owner == owner and not holding.exclusive
            if holding.until > now and not own:
                return self._read(request.key)
            self._holdings[request.key] = Holding(holding.fence + 1, owner, now + seconds)
            lease = Lease(request.key, owner, holding.fence + 1, now + seconds, seconds)
            return replace(self._read(request.key), lease=lease)

    def save(self, lease: Lease, entry: Entry, *, exclusive: bool = False) -> Entry:
        if entry.request.key != lease.key:
            raise ValueError("the lease is another request's")
        with self._lock:
            renewed = self._renew(lease, exclusive)
            kept = {(a.generation, a.number): a for a in (*self._entries[lease.key].attempts, *entry.attempts)}
            attempts = tuple(kept[number] for number in sorted(kept))
            self._entries[lease.key] = replace(entry, attempts=attempts, lease=None)
            return replace(self._read(lease.key), lease=renewed)

    def renew(self, lease: Lease) -> Lease:
        with self._lock:
            return self._renew(lease)

    def release(self, lease: Lease) -> None:
        with self._lock:
            holding = self._holdings.get(lease.key)
            if holding and holding.fence == lease.fence:
                self._holdings[lease.key] = Holding(lease.fence)

    def entry(self, key: str) -> Entry | None:
        with self._lock:
            return self._read(key) if key in self._entries else None

    def find(self, organisation: str, job_id: str) -> Entry | None:
        with self._lock:
            for key, entry in self._entries.items():
                if str(entry.request.organisation) == organisation and job_id in {a.job_id for a in entry.attempts}:
                    return self._read(key)
            return None

    def reserve(self, organisation: str, budget: str, per_minute: int, within: float = 0.0) -> Reservation:
        with self._lock:
            spent = self._budgets.get((organisation, budget), Budget())
            spent, reservation = spent.reserve(self._clock(), per_minute, within=within, span=self._span)
            self._budgets[organisation, budget] = spent
            return reservation

    def plan(self, key: str) -> tuple[ExportWindow, ...] | None:
        return self._plans.get(key)

    def keep_plan(
        self, key: str, windows: Sequence[ExportWindow], *, replace: bool = False
    ) -> tuple[ExportWindow, ...]:
        with self._lock:
            if replace or key not in self._plans:
                self._plans[key] = tuple(windows)
            return self._plans[key]

    def record_volume(self, selection_key: str, window: ExportWindow, recordings: int) -> None:
        with self._lock:
            self._volumes[selection_key, window] = recordings

    def volumes(self, selection_key: str, since: float, until: float) -> Mapping[ExportWindow, int]:
        with self._lock:
            return {
                window: recordings
                for (key, window), recordings in self._volumes.items()
                if key == selection_key and since <= window.start.timestamp() < until
            }

    def _read(self, key: str) -> Entry:
        holding, now = self._holdings[key], self._clock()
        live = holding.until > now
        return replace(
            self._entries[key],
            held_by=holding.owner if live else "",
            held_until=holding.until if live else 0.0,
        )

    def _renew(self, lease: Lease, exclusive: bool | None = None) -> Lease:
        holding = self._holdings.get(lease.key)
        if holding is None or holding.fence != lease.fence:
            raise LeaseLost(f"request {lease.key} was taken over")
        until = self._clock() + lease.seconds
        kept = holding.exclusive if exclusive is None else exclusive
        self._holdings[lease.key] = Holding(lease.fence, lease.owner, until, kept)
        return replace(lease, until=until)
