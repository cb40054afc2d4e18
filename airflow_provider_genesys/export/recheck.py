# SPDX-License-Identifier: Apache-2.0
"""What comes late: an archived window is counted again, and reopened where the platform has more than its receipt.

Recordings appear hours after hang-up, and what was archived at the platform comes back. A window that is reopened is
exported by the same steps as any other; what it has archived stays, and is neither fetched nor asked for again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from airflow_provider_genesys.export.archiving import refuse_foreign
from airflow_provider_genesys.export.entry import AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.errors import LeaseLost, NoReceipt
from airflow_provider_genesys.export.leases import Leases
from airflow_provider_genesys.export.lookup import Lookup
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, ReceiptLine, RecordingStatus
from airflow_provider_genesys.export.ports import Archive, ExportApi, Ledger
from airflow_provider_genesys.export.retrieval import Retrieval
from airflow_provider_genesys.export.statement import LACKING

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recheck:
    """One recheck of a day, as the day's report tells it.

    :param run: the DAG run that made it.
    :param at: when, epoch seconds.
    :param windows: how many windows were looked at.
    :param reopened: how many of them have something new.
    :param fewer: by how much the platform counted less than receipts tell: deleted there since, and kept here.
    :param archived: how many recordings were archived then.
    :param new: how many more are when the day has been reconciled; None until then.
    """

    run: str
    at: float
    windows: int
    reopened: int
    fewer: int
    archived: int
    new: int | None

    def to_dict(self) -> dict[str, Any]:
        at = datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return {**asdict(self), "at": at}


@dataclass(frozen=True)
class Found:
    """What became of windows that were looked at.

    :param windows: how many were counted, or known to be unfinished.
    :param news: those of them that are to be exported.
    :param fewer: see :class:`Recheck`.
    """

    windows: int = 0
    news: Sequence[ExportWindow] = ()
    fewer: int = 0

    def __add__(self, other: Found) -> Found:
        return Found(self.windows + other.windows, (*self.news, *other.news), self.fewer + other.fewer)


@dataclass(frozen=True)
class Told:
    """What a receipt tells.

    :param size: how much of what the API counts.
    :param archived: how many recordings.
    :param conversations: whose recordings it lists, where it says so.
    :param wanted: those of them that are asked for again.
    :param is_wanting: whether anything it lists is not archived and may be had by now.
    """

    size: int
    archived: int
    conversations: frozenset[str]
    wanted: frozenset[str]
    is_wanting: bool


@dataclass(frozen=True)
class Rechecking:
    """Counts windows again. A day's windows are counted together first: one request, where nothing has come."""

    api: ExportApi
    ledger: Ledger
    archive: Archive
    leases: Leases
    lookup: Lookup
    retrieval: Retrieval

    def day(self, day: ExportRequest, windows: Sequence[ExportRequest], run: str) -> Sequence[ExportWindow]:
        """Look at the windows of a day that the archive has a receipt of, and say so in the day's report.

        :return: those with something new.
        :raises Passing: where the platform can't say now. What was looked at before stays noted.
        """
        told = [(request, one) for request in windows if (one := self._told(request)) is not None]
        found = self._looked_at(day, told)
        self.note(day, run, found, sum(one.archived for _, one in told))
        if len(told) < len(windows):
            logger.warning(
                "%d of %d windows of %s have no receipt in %s: a backfill exports them, no recheck does",
                len(windows) - len(told),
                len(windows),
                day.window,
                self.archive.destination,
            )
        return found.news

    def _looked_at(self, day: ExportRequest, told: Sequence[tuple[ExportRequest, Told]]) -> Found:
        if len(told) > 1:
            size, counted = sum(one.size for _, one in told), self.api.volume(day)
            if counted <= size and not any(self._is_unfinished(request, one) for request, one in told):
                for request, _ in told:
                    self._note(self.leases.hold(request))
                return Found(len(told), fewer=size - counted)
        return sum((self._window(request) for request, _ in told), Found())

    def windows(self, day: ExportRequest, plan: Iterable[ExportWindow] | None) -> list[ExportRequest]:
        """The windows of a day that were exported, or are to be: those of its plan, or that history knows of.

        :param plan: None where none was kept, such as for a day whose limit is another one since.
        """
        bounds = (day.window.start.timestamp(), day.window.end.timestamp())
        history = self.ledger.volumes(day.selection_key, *bounds) if plan is None else ()
        found = {
            entry.request.key: entry
            for window in (*(plan or ()), *history)
            for entry in self.lookup.windows_of(replace(day, window=window))
        }
        return [
            entry.request
            for entry in found.values()
            if plan is not None or self.ledger.entry(entry.request.key) or self._told(entry.request)
        ]

    def was_empty(self, day: ExportRequest) -> bool:
        """Whether a day without windows was planned, and had no recordings then."""
        bounds = (day.window.start.timestamp(), day.window.end.timestamp())
        return self.ledger.volumes(day.selection_key, *bounds).get(day.window) == 0

    def note(self, day: ExportRequest, run: str, found: Found, archived: int) -> None:
        """Say in a day's report, where there is one, what a recheck has found.

        A run that is tried again goes on from what it said first.

        :param archived: how many of its recordings are archived.
        """
        report = self.archive.report(day.window)
        if report is None or not (found.windows or found.news):
            return
        told = _told_in(report)
        before = next((one for one in told if one.get("run") == run), {})
        if before and not found.news:
            return
        new = None if found.news else 0
        archived = before.get("archived", archived)
        now = Recheck(run, self.ledger.now(), found.windows, len(found.news), found.fewer, archived, new)
        rechecks = [*(one for one in told if one is not before), now.to_dict()]
        self.archive.put_report(day.window, {**report, "rechecks": rechecks})

    def _window(self, request: ExportRequest) -> Found:
        entry = self.leases.hold(request)
        if entry.lease is None or _is_forced(entry):
            logger.info("%s is being exported by %s: the next recheck looks at it", request, entry.held_by or "force")
            self.leases.release(entry)
            return Found()
        try:
            return self._held(entry)
        except LeaseLost as error:
            logger.warning("%s", error)
            return Found()
        finally:
            self.leases.release(entry)

    def _held(self, entry: Entry) -> Found:
        request, by = entry.request, self.lookup.jobs_of(entry)
        told = self._told(request)
        if told is None:
            return Found()
        if any(one.current and one.current.status is AttemptStatus.CANCELED for one in by):
            logger.warning("%s: its job was canceled at Genesys Cloud, and is not replaced by a recheck", request)
            return Found()
        if entry.state is RequestState.REOPENED and not any(one.state is RequestState.FAILED for one in by):
            logger.info("%s was reopened before, and is not archived yet", request)
            return Found(1, (request.window,))
        counted = self.api.volume(request)
        if counted <= told.size and not told.is_wanting:
            self._note(entry)
            return Found(1, fewer=told.size - counted)
        recorded = self.api.recorded(request)
        known = told.conversations | self._asked(entry, by)
        sought = [one for one in recorded or () if one in told.wanted or one not in known]
        if recorded is not None and not sought:  # a count is one of whole days, and may be too high
            self._note(entry)
            return Found(1)
        if not self._reopened(entry, sought):
            return Found()
        logger.info("%s is reopened: %d are counted, the receipt tells of %d", request, counted, told.size)
        return Found(1, (request.window,))

    def _reopened(self, entry: Entry, sought: Sequence[str]) -> bool:
        """Begin a window's budget afresh. Its jobs of before stay those of what they have archived.

        :param sought: the conversations that are asked for, where jobs take these.
        :return: False where another process has some of it.
        """
        lot = self.api.lot
        lots = [tuple(sought[start : start + lot]) for start in range(0, len(sought), lot)] if lot else []
        parts = [replace(entry.request, conversations=conversations) for conversations in lots]
        if not all(self._begun_afresh(part) for part in parts):
            return False
        self.leases.save(
            replace(
                entry,
                state=RequestState.REOPENED,
                generation=entry.generation + 1,
                parts=tuple(part.key for part in parts),
                forced_by="",
                error="",
                checked_at=self.ledger.now(),
            )
        )
        return True

    def _begun_afresh(self, part: ExportRequest) -> bool:
        """Let the ledger have a part before its window says so. One that was asked before is asked anew."""
        held = self.leases.hold(part)
        if held.lease is None:
            logger.info("%s is held by %s: the next recheck looks at its window", part, held.held_by)
            return False
        if held.attempts:
            again = replace(held, state=RequestState.OPEN, generation=held.generation + 1, forced_by="", error="")
            self.leases.save(again)
        self.leases.release(held)
        return True

    def _note(self, entry: Entry) -> None:
        """Write down that a window was looked at, and that it is archived where the ledger has forgotten that."""
        if entry.lease is None:
            return
        checked, by = replace(entry, checked_at=self.ledger.now()), self.lookup.jobs_of(entry)
        try:
            proof = None
            if entry.state is not RequestState.ARCHIVED:
                proof = self.retrieval.proof(entry.request, entry, by)
            if proof is None:
                self.leases.save(checked)
                self.leases.release(entry)
            else:
                self.retrieval.remember(checked, len(proof), [one for one in by if one.request.conversations])
        except LeaseLost as error:
            logger.warning("%s", error)

    def _is_unfinished(self, request: ExportRequest, told: Told) -> bool:
        entry = self.ledger.entry(request.key) or Entry(request)
        return told.is_wanting or entry.state is RequestState.REOPENED or _is_forced(entry)

    def _asked(self, entry: Entry, by: Iterable[Entry]) -> frozenset[str]:
        """The conversations that jobs were asked for: what was written may leave no line in a receipt.

        Where there are other destinations, what was asked for may lie there alone.
        """
        if entry.destinations != (self.archive.destination,):
            return frozenset()
        return frozenset(conversation for one in by for conversation in one.request.conversations)

    def _told(self, request: ExportRequest) -> Told | None:
        """What a window's receipt tells; None where there is none."""
        size, archived, is_wanting = 0, 0, False
        conversations, wanted = set(), set()
        try:
            lines = self.archive.lines(request.window)
            if lines is None:
                return None
            for line in self._own(lines, request):
                size += 1
                archived += line.status is RecordingStatus.ARCHIVED
                known = line.conversation_id
                if known:
                    conversations.add(known)
                if self._may_be_had(line):
                    is_wanting = True
                    wanted.add(known or line.recording_id)
        except NoReceipt as error:
            logger.warning("The receipt of %s proves nothing: %s", request, error)
            return None
        counted = len(conversations) if self.api.counts_conversations else size
        return Told(counted, archived, frozenset(conversations), frozenset(wanted), is_wanting)

    def _own(self, lines: Iterator[ReceiptLine], request: ExportRequest) -> Iterator[ReceiptLine]:
        for line in lines:
            refuse_foreign((line,), request, self.archive.destination)
            yield line

    def _may_be_had(self, line: ReceiptLine) -> bool:
        if line.status is RecordingStatus.UNAVAILABLE:
            return self.api.may_come_back(line.reason or "")
        return line.status in LACKING


def concluded(report: Mapping[str, Any] | None, run: str, archived: int) -> tuple[Mapping[str, Any], ...]:
    """The rechecks that a day's report tells of, with what one of them has brought.

    :param run: which one; empty for none.
    :param archived: how many recordings of the day are archived now.
    """
    return tuple(
        {**one, "new": archived - one["archived"]} if run and one.get("run") == run else one for one in _told_in(report)
    )


def _told_in(report: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    return list((report or {}).get("rechecks") or ())


def _is_forced(entry: Entry) -> bool:
    """Whether ``force`` has begun a window afresh that is not archived anew: its receipt is one of before."""
    return bool(entry.forced_by) and entry.state not in (RequestState.ARCHIVED, RequestState.FAILED)
