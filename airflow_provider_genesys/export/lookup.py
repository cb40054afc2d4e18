# SPDX-License-Identifier: Apache-2.0
"""Who stands for a window or a job now: requests give way to those of smaller windows, and to those of parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from airflow_provider_genesys.export.entry import Entry
from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.leases import Leases
from airflow_provider_genesys.export.model import ExportRequest
from airflow_provider_genesys.export.ports import Ledger


@dataclass(frozen=True)
class Lookup:
    """Finds entries of the ledger."""

    ledger: Ledger
    leases: Leases

    def windows_of(self, request: ExportRequest) -> Iterator[Entry]:
        """The entries of the windows that stand for a request now: its own, or those that it was split into."""
        yield from self._windows(self.ledger.entry(request.key) or Entry(request))

    def jobs_of(self, window: Entry) -> list[Entry]:
        """The entries whose jobs bring a window's recordings: its own, or those of its parts."""
        return self._known_parts(window) or [window]

    def windows_by(self, by: Iterable[Entry]) -> list[Entry]:
        """The entries of the windows that these entries' jobs bring the recordings of, each once."""
        found: dict[str, Entry] = {}
        for entry in by:
            whole = entry.request.whole
            if whole.key not in found:
                found[whole.key] = entry if entry.request == whole else self.ledger.entry(whole.key) or Entry(whole)
        return list(found.values())

    def entries_of(self, organisation: str, job_ids: Iterable[str], *, to_renew: bool = False) -> list[Entry]:
        """The entries that stand for these jobs now, each once.

        :param to_renew: don't look up what is held here and runs, since its lease is about to be renewed: if it was
            taken over, that tells.
        :raises InvalidInput: for a job that the ledger doesn't know.
        """
        found: dict[str, Entry] = {}
        wholes: dict[str, Entry | None] = {}
        running = self.leases.running if to_renew else {}
        for job_id in job_ids:
            entry = running.get(job_id) or self.ledger.find(organisation, job_id)
            if entry is None:
                raise InvalidInput(
                    f"job {job_id} of {organisation} is not in the ledger: it was submitted elsewhere, or with another "
                    "'ledger_conn_id'. Clear the task that submits the window, and it is found or submitted again"
                )
            found.update({one.request.key: one for one in self._successors(entry, wholes)})
        return list(found.values())

    def heirs_of(self, entry: Entry) -> list[ExportRequest] | None:
        """The requests that stand for an entry's own, where it has given way to windows or parts."""
        if entry.children:
            return [replace(entry.request, window=window) for window in entry.children]
        parts = self._known_parts(entry)
        return None if parts is None else [part.request for part in parts]

    def _successors(self, entry: Entry, wholes: dict[str, Entry | None]) -> list[Entry]:
        """Who stands for an entry now. A part of a window that was cut anew since is followed by the new parts.

        :param wholes: the windows of parts that were looked up before.
        """
        request, root = entry.request, entry
        if request.conversations:
            key = request.whole.key
            if key not in wholes:
                wholes[key] = self.ledger.entry(key)
            whole = wholes[key]
            if whole is None or request.key in whole.parts:
                return [entry]
            root = whole
        return [job for window in self._windows(root) for job in self.jobs_of(window)]

    def _windows(self, entry: Entry) -> Iterator[Entry]:
        if not entry.children:
            yield entry
        for window in entry.children:
            yield from self.windows_of(replace(entry.request, window=window))

    def _known_parts(self, entry: Entry) -> list[Entry] | None:
        """The entries of a window's parts; None where it has none, or where the ledger has forgotten one of them."""
        parts = [self.ledger.entry(key) for key in entry.parts]
        return [part for part in parts if part] if parts and None not in parts else None
