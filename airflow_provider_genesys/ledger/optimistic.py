# SPDX-License-Identifier: Apache-2.0
"""The ledger on any store of texts that can compare and set: Redis and DynamoDB are one file each, and so is the next.

Every operation reads one text with its version, decides, and writes the new text if the version is still the same;
where it is not, it begins again. What is decided so stays right however long the process slept in between, because
nothing has changed. Rules and documents are those of the SQL ledger.

Every operation may run twice, for the reasons that ``sql.py`` gives.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from airflow_provider_genesys.export.entry import Attempt, Entry, Lease, RequestState, Standing
from airflow_provider_genesys.export.model import SPAN, ExportRequest, ExportWindow, Reservation
from airflow_provider_genesys.ledger.budget import Budget
from airflow_provider_genesys.ledger.documents import (
    COMPACTED,
    NO_CONVERSATIONS,
    STANDING_FIELDS,
    Document,
    attempt_document,
    attempt_of,
    durations_of,
    epoch_text,
    in_order,
    request_document,
    standings_of,
    state_document,
    window_document,
    window_of,
    windows_of,
    windows_text,
    with_duration,
)
from airflow_provider_genesys.ledger.holding import (
    FREE,
    NEVER_HELD,
    broken,
    check,
    entry_with_holder,
    holding,
    is_live,
    may_take,
    taken,
)
from airflow_provider_genesys.ledger.repeat import SECONDS, repeatable

REQUESTS, JOBS, PLANS, VOLUMES, DURATIONS, BUDGETS = "request", "job", "plan", "volume", "duration", "budget"
STANDINGS = "standing"
"""The collections; there is one of volumes for each selection."""

ANEW_SECONDS = 0.002
"""How long an operation that met another one pauses at most, for each time that it did."""

R = TypeVar("R")


class Away(Exception):
    """The store could not be reached or was too busy, which is likely to pass; told without host or user."""


@dataclass(frozen=True)
class Found:
    """A text as it was read.

    :param text: None where there is none.
    :param version: what :meth:`Texts.write` compares; empty where there is no text. No two writes have the same.
    :param now: the store's clock when it was read, epoch seconds.
    """

    text: str | None
    version: str
    now: float


class Texts(Protocol):
    """What a store has to offer: texts by collection and name. Every method may raise :class:`Away`."""

    def read(self, collection: str, name: str) -> Found:
        """Read a text; what was written before is seen, whoever wrote it."""

    def write(self, collection: str, name: str, text: str, version: str) -> bool:
        """Write a text if its version is still the one that was read; an empty one where there was none.

        :return: whether it was written.
        """

    def remove(self, collection: str, name: str) -> None:
        """Remove a text, if there is one."""

    def range(self, collection: str, since: str = "", until: str = "") -> Iterator[Found]:
        """The texts whose names are in ``[since, until)``, by name; an empty end is open."""


_repeatable = repeatable((Away,), str)


class OptimisticLedger:
    """A :class:`~airflow_provider_genesys.export.ports.Ledger` on a store of texts.

    :param span: the seconds that a rate budget's calls per minute are counted in.
    """

    def __init__(self, texts: Texts, *, span: float = SPAN) -> None:
        self._texts = texts
        self._span = span

    @_repeatable
    def now(self) -> float:
        return self._texts.read(PLANS, "now").now

    @_repeatable
    def acquire(self, request: ExportRequest, owner: str, seconds: float) -> Entry:
        unknown = {
            **request_document(request),
            **state_document(Entry(request)),
            **NEVER_HELD,
            "saved_at": None,
            "attempts": [],
        }

        def claim(known: Document | None, now: float) -> tuple[Document | None, Entry]:
            document = {**unknown, **(known or {})}  # of a forgotten request only the fence is known
            if not may_take(document, owner, now):
                return None, _entry(document, now)
            lease = taken(document, owner, seconds, now)
            document.update(holding(lease, exclusive=False))
            return document, replace(_entry(document, now), lease=lease)

        return self._change(REQUESTS, request.key, claim)

    @_repeatable
    def save(self, lease: Lease, entry: Entry, *, exclusive: bool = False) -> Entry:
        if entry.request.key != lease.key:
            raise ValueError(f"the lease is not one of window {entry.request.window}")

        def write(known: Document | None, now: float) -> tuple[Document, Entry]:
            document = check(_request(known), lease)
            before = _attempts(document)
            # First, so that no job is ever without its way back; find() asks the entry whether it is so.
            self._note_jobs(entry, before)
            renewed = replace(lease, until=now + lease.seconds)
            saved = {
                **document,
                **state_document(entry),
                **holding(renewed, exclusive=exclusive),
                "saved_at": now,
                "attempts": [attempt_document(attempt) for attempt in _merged(before, entry.attempts)],
            }
            self._note_standing(document, saved)
            return saved, replace(_entry(saved, now), lease=renewed)

        return self._change(REQUESTS, lease.key, write)

    @_repeatable
    def renew(self, lease: Lease) -> Lease:
        def prolong(known: Document | None, now: float) -> tuple[Document, Lease]:
            document = check(_request(known), lease)
            renewed = replace(lease, until=now + lease.seconds)
            return {**document, **holding(renewed, exclusive=document["held_exclusively"])}, renewed

        return self._change(REQUESTS, lease.key, prolong)

    @_repeatable
    def release(self, lease: Lease) -> None:
        def let_go(known: Document | None, _now: float) -> tuple[Document | None, None]:
            document = _request(known)
            if document is None or document["fence"] != lease.fence:
                return None, None
            return {**document, **FREE}, None

        self._change(REQUESTS, lease.key, let_go)

    @_repeatable
    def entry(self, key: str) -> Entry | None:
        found = self._texts.read(REQUESTS, key)
        document = _request(_document(found))
        return None if document is None else _entry(document, found.now)

    @_repeatable
    def find(self, organisation: str, job_id: str) -> Entry | None:
        way_back = _document(self._texts.read(JOBS, f"{organisation} {job_id}"))
        entry = self.entry(way_back["request_key"]) if way_back else None
        return entry if entry and any(attempt.job_id == job_id for attempt in entry.attempts) else None

    @_repeatable
    def reserve(self, organisation: str, budget: str, per_minute: int, within: float = 0.0) -> Reservation:
        def spend(known: Document | None, now: float) -> tuple[Document, Reservation]:
            kept, reservation = _budget(known).reserve(now, per_minute, within=within, span=self._span)
            return {"slots": kept.slots, "read_at": kept.read_at}, reservation

        return self._change(BUDGETS, f"{organisation} {budget}", spend)

    @_repeatable
    def spent(self, organisation: str, budget: str) -> int:
        found = self._texts.read(BUDGETS, f"{organisation} {budget}")
        return _budget(_document(found)).spent(found.now, span=self._span)

    @_repeatable
    def plan(self, key: str) -> tuple[ExportWindow, ...] | None:
        document = _document(self._texts.read(PLANS, key))
        return None if document is None else windows_of(document["windows"])

    @_repeatable
    def keep_plan(
        self, key: str, windows: Sequence[ExportWindow], *, replace: bool = False
    ) -> tuple[ExportWindow, ...]:
        def keep(known: Document | None, _now: float) -> tuple[Document | None, tuple[ExportWindow, ...]]:
            if known is not None and not replace:
                return None, windows_of(known["windows"])
            return {"windows": windows_text(windows)}, tuple(windows)

        return self._change(PLANS, key, keep)

    @_repeatable
    def record_volume(self, selection_key: str, window: ExportWindow, recordings: int) -> None:
        volume = {**window_document(window), "recordings": recordings}
        name = f"{volume['window_start']} {volume['window_end']}"
        self._change(f"{VOLUMES} {selection_key}", name, lambda _known, _now: (volume, None))

    @_repeatable
    def volumes(self, selection_key: str, since: float, until: float) -> Mapping[ExportWindow, int]:
        found = self._texts.range(f"{VOLUMES} {selection_key}", epoch_text(since), epoch_text(until))
        documents = [json.loads(volume.text or "") for volume in found]
        return {window_of(document): document["recordings"] for document in documents}

    @_repeatable
    def record_duration(self, organisation: str, recordings: int, seconds: float) -> None:
        def remember(known: Document | None, _now: float) -> tuple[Document, None]:
            return {"durations": with_duration((known or {}).get("durations", "[]"), recordings, seconds)}, None

        self._change(DURATIONS, organisation, remember)

    @_repeatable
    def durations(self, organisation: str) -> Sequence[tuple[int, float]]:
        document = _document(self._texts.read(DURATIONS, organisation))
        return () if document is None else durations_of(document["durations"])

    def entries(self, organisation: str | None = None, states: Collection[RequestState] = ()) -> Iterator[Entry]:
        entries = [
            entry
            for document, now in self._requests()
            for entry in [_entry(document, now)]
            if organisation is None or str(entry.request.organisation) == organisation
            if not states or entry.state in states
        ]
        yield from sorted(entries, key=lambda entry: (entry.request.window, entry.request.key))

    @_repeatable
    def standings(self, since: float, until: float) -> Sequence[Standing]:
        found = self._texts.range(STANDINGS, epoch_text(since), epoch_text(until))
        return standings_of(json.loads(standing.text or "") for standing in found)

    @_repeatable
    def break_lease(self, key: str) -> bool:
        def take_away(known: Document | None, now: float) -> tuple[Document | None, bool]:
            document = _request(known)
            if document is None or not document["held_by"]:
                return None, False
            return {**document, **broken(document)}, is_live(document, now)

        return self._change(REQUESTS, key, take_away)

    @_repeatable
    def forget(self, key: str) -> bool:
        removed = self._remove(key, lambda _document: True)
        if removed is not None:
            self._texts.remove(STANDINGS, _standing_name(removed))
        return removed is not None or self.entry(key) is None

    def compact(self, before: float) -> int:
        def is_due(document: Document) -> bool:
            saved_at = document["saved_at"]
            return document["state"] in COMPACTED and saved_at is not None and saved_at < before

        due = [document["request_key"] for document, now in self._requests() if is_due(document)]
        remove = _repeatable(self._remove)
        return sum(remove(key, is_due) is not None for key in due)

    def _remove(self, key: str, is_due: Callable[[Document], bool]) -> Document | None:
        """Leave nothing of a request but its fence and its standing, if it is due and nobody holds it.

        :return: what was removed.
        """

        def forget(known: Document | None, now: float) -> tuple[Document | None, Document | None]:
            document = _request(known)
            if document is None or is_live(document, now) or not is_due(document):
                return None, None
            return {"fence": document["fence"]}, document

        removed = self._change(REQUESTS, key, forget)
        if removed is None:
            return None
        organisation = f"{removed['client_id']}@{removed['host']}"
        for attempt in _attempts(removed):
            if attempt.job_id is not None:
                self._texts.remove(JOBS, f"{organisation} {attempt.job_id}")
        return removed

    def _note_jobs(self, entry: Entry, before: Collection[Attempt]) -> None:
        """Write down to which request each new job belongs."""
        way_back = {"request_key": entry.request.key}
        known = {None, *(attempt.job_id for attempt in before)}
        for attempt in entry.attempts:
            if attempt.job_id not in known:
                name = f"{entry.request.organisation} {attempt.job_id}"
                self._change(JOBS, name, lambda _known, _now: (way_back, None))

    def _note_standing(self, before: Document, after: Document) -> None:
        """Write down where a window stands, if that is new. First, as the jobs: who dies in between is followed by one
        who holds the window and writes the same, or better."""
        standing = _standing(after)
        if before["saved_at"] is not None and _standing(before) == standing:
            return
        if after.get("conversations") in (None, NO_CONVERSATIONS):
            self._change(STANDINGS, _standing_name(after), lambda _known, _now: (standing, None))

    def _requests(self) -> Iterator[tuple[Document, float]]:
        for found in _repeatable(lambda: list(self._texts.range(REQUESTS)))():
            document = _request(_document(found))
            if document is not None:
                yield document, found.now

    def _change(
        self, collection: str, name: str, decide: Callable[[Document | None, float], tuple[Document | None, R]]
    ) -> R:
        """Change one document.

        :param decide: given the document as it is, or None, and the time, says the new one, or None to leave it as it
            is, and the answer. It is asked again where another process wrote in between.
        """
        began, meetings = time.monotonic(), 0
        while True:
            found = self._texts.read(collection, name)
            known = _document(found)
            document, answer = decide(known, found.now)
            if document is None or document == known:
                return answer
            if self._texts.write(collection, name, json.dumps(document), found.version):
                return answer
            if time.monotonic() - began > SECONDS:
                raise Away("others write the same without a pause")
            meetings += 1
            time.sleep(random.uniform(0, ANEW_SECONDS * meetings))  # noqa: S311 no secret


def _document(found: Found) -> dict[str, Any] | None:
    return None if found.text is None else json.loads(found.text)


def _request(document: Document | None) -> Document | None:
    """The document of a request; None for one that was forgotten."""
    return document if document and "state" in document else None


def _standing(document: Document) -> Document:
    """What :func:`~airflow_provider_genesys.ledger.documents.standings_of` reads of a request."""
    return {
        **{name: document.get(name) for name in STANDING_FIELDS if name != "attempts"},
        "attempts": len(document["attempts"]),
    }


def _standing_name(document: Document) -> str:
    return f"{document['window_start']} {document['window_end']} {document['request_key']}"


def _entry(document: Document, now: float) -> Entry:
    return entry_with_holder(document, _attempts(document), now)


def _attempts(document: Document) -> list[Attempt]:
    return [attempt_of(attempt) for attempt in document["attempts"]]


def _merged(before: Collection[Attempt], after: Collection[Attempt]) -> tuple[Attempt, ...]:
    """The attempts that are known, changed and added to; one that is left out stays: it is history."""
    return in_order({(attempt.generation, attempt.number): attempt for attempt in (*before, *after)}.values())


def _budget(document: Document | None) -> Budget:
    return Budget(tuple(document["slots"]), document["read_at"]) if document else Budget()
