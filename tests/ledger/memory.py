# SPDX-License-Identifier: Apache-2.0
"""The ledger's contract in one process's memory: the model that real ledgers are compared with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import RLock

from airflow_provider_genesys.export.entry import Entry, Lease, RequestState, Standing
from airflow_provider_genesys.export.errors import LeaseLost
from airflow_provider_genesys.export.model import SPAN, ExportRequest, ExportWindow, Reservation
from airflow_provider_genesys.ledger.budget import Budget


@dataclass
class Holding:
    """Who has a request, and until when."""

    fence: int = 0
    owner: str = ""
    until: float = 0.0
    exclusive: bool = False

    def is_live(self, now: float) -> bool:
        return self.until > now


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
        self._saved_at: dict[str, float] = {}
        self._standings: dict[str, Standing] = {}
        self._budgets: dict[tuple[str, str], Budget] = {}
        self._plans: dict[str, tuple[ExportWindow, ...]] = {}
        self._volumes: dict[tuple[str, ExportWindow], int] = {}
        self._durations: dict[str, list[tuple[int, float]]] = {}

    def now(self) -> float:
        return self._clock()

    def acquire(self, request: ExportRequest, owner: str, seconds: float) -> Entry:
        with self._lock:
            now = self._clock()
            self._entries.setdefault(request.key, Entry(request))
            holding = self._holdings.setdefault(request.key, Holding())
            own = holding.owner == owner and not holding.exclusive
            if holding.is_live(now) and not own:
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
            self._saved_at[lease.key] = self._clock()
            if not entry.request.conversations:
                self._standings[lease.key] = Standing(
                    entry.request, entry.state, entry.destinations, len(attempts), entry.error, entry.checked_at
                )
            return replace(self._read(lease.key), lease=renewed)

    def renew(self, lease: Lease) -> Lease:
        with self._lock:
            return self._renew(lease)

    def release(self, lease: Lease) -> None:
        with self._lock:
            holding = self._holdings.get(lease.key)
            if lease.key in self._entries and holding and holding.fence == lease.fence:
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

    def record_duration(self, organisation: str, recordings: int, seconds: float) -> None:
        with self._lock:
            known = self._durations.setdefault(organisation, [])
            self._durations[organisation] = [(recordings, seconds), *known][:200]

    def durations(self, organisation: str) -> Sequence[tuple[int, float]]:
        return tuple(self._durations.get(organisation, ()))

    def entries(self, organisation: str | None = None, states: Collection[RequestState] = ()) -> Iterator[Entry]:
        with self._lock:
            entries = [self._read(key) for key in self._entries]
        for entry in sorted(entries, key=lambda entry: (entry.request.window, entry.request.key)):
            ours = organisation is None or str(entry.request.organisation) == organisation
            if ours and (not states or entry.state in states):
                yield entry

    def standings(self, since: float, until: float) -> Sequence[Standing]:
        with self._lock:
            found = [
                standing
                for standing in self._standings.values()
                if since <= standing.request.window.start.timestamp() < until
            ]
            return sorted(found, key=lambda standing: (standing.request.window, standing.request.key))

    def break_lease(self, key: str) -> bool:
        with self._lock:
            holding = self._holdings.get(key, Holding())
            if key not in self._entries or not holding.owner:
                return False
            self._holdings[key] = Holding(holding.fence + 1)
            return holding.is_live(self._clock())

    def forget(self, key: str) -> bool:
        with self._lock:
            known = key in self._entries
            is_gone = self._remove(key)
            if known and is_gone:
                self._standings.pop(key, None)
            return is_gone

    def _remove(self, key: str) -> bool:
        with self._lock:
            if key in self._entries:
                holding = self._holdings[key]
                if holding.is_live(self._clock()):
                    return False
                del self._entries[key]
                self._holdings[key] = Holding(holding.fence)
                self._saved_at.pop(key, None)
            return True

    def spent(self, organisation: str, budget: str) -> int:
        with self._lock:
            return self._budgets.get((organisation, budget), Budget()).spent(self._clock(), span=self._span)

    def compact(self, before: float) -> int:
        with self._lock:
            finished = [
                key
                for key, saved_at in self._saved_at.items()
                if saved_at < before and self._entries[key].state in (RequestState.ARCHIVED, RequestState.SPLIT)
            ]
            return sum(self._remove(key) for key in finished)

    def _read(self, key: str) -> Entry:
        holding, now = self._holdings[key], self._clock()
        live = holding.is_live(now)
        return replace(
            self._entries[key],
            held_by=holding.owner if live else "",
            held_until=holding.until if live else 0.0,
        )

    def _renew(self, lease: Lease, exclusive: bool | None = None) -> Lease:
        holding = self._holdings.get(lease.key)
        if lease.key not in self._entries or holding is None or holding.fence != lease.fence:
            raise LeaseLost(f"request {lease.key} was taken over")
        until = self._clock() + lease.seconds
        kept = holding.exclusive if exclusive is None else exclusive
        self._holdings[lease.key] = Holding(lease.fence, lease.owner, until, kept)
        return replace(lease, until=until)
