# SPDX-License-Identifier: Apache-2.0
"""A window's recordings on their way into the archive: job after job, under one lease and into one receipt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest

from airflow_provider_genesys.export.checkpoints import Checkpoints
from airflow_provider_genesys.export.entry import Entry
from airflow_provider_genesys.export.errors import ExportError, ExportFailed, InvalidInput, Passing, UrlsExpired
from airflow_provider_genesys.export.leases import LeaseKeeper, Leases
from airflow_provider_genesys.export.metering import Figure, Meter
from airflow_provider_genesys.export.model import (
    ExportJob,
    ExportRequest,
    Manifest,
    ReceiptLine,
    Recording,
    RecordingStatus,
    StoredObject,
    Version,
)
from airflow_provider_genesys.export.ports import Archive
from airflow_provider_genesys.export.statement import Statement
from airflow_provider_genesys.export.submission import URL_MARGIN

logger = logging.getLogger(__name__)

_ROUNDS = 3
_PAUSE_BETWEEN_ROUNDS = 10.0

_TRIES = 3
"""To write a receipt where others write there, too."""

_WORTH_CHECKPOINTS = 500
"""Recordings: looking for fewer in the archive, after a kill, costs less than writing down what is there."""

NOTHING_CAME = "the platform says that it was recorded, and nothing came for it"
_NOT_YET = "its job has not completed yet"

Fetch = Callable[[list[Recording]], Generator[tuple[Recording, StoredObject | ExportError], None, None]]


@dataclass(frozen=True)
class Leftover:
    """What a job could not bring.

    :param reason: in words.
    :param conversations: those that it is about, where the API works by conversations.
    :param is_expired: whether URLs ran out; else the job left it out.
    """

    reason: str
    conversations: tuple[str, ...]
    is_expired: bool


@dataclass
class Archiving:
    """Brings what is missing of a held window into the archive.

    :param entry: the window's, held.
    :param before: the window's receipt of before; None where there was none.
    :param version: the receipt's, which the next one replaces; read while the window was held.
    :param clock: this machine's clock, epoch seconds: URLs expire by it.
    :param settled: conversations that are not missing where nothing comes for them any more.
    """

    entry: Entry
    archive: Archive
    leases: Leases
    keeper: LeaseKeeper
    before: Sequence[ReceiptLine] | None
    version: Version | None
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    meter: Meter = field(default_factory=Meter)
    settled: frozenset[str] = frozenset()
    statement: Statement = field(init=False)
    _faults: dict[str, ExportError] = field(default_factory=dict)
    _checkpoints: Checkpoints | None = None
    _has_begun: bool = False
    _measured: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self.statement = Statement(self.entry.request)

    def await_jobs(self, by: Iterable[Entry]) -> None:
        """Write down that nothing has come yet for the conversations of these jobs.

        :param by: the entries whose jobs are to bring the window's recordings.
        """
        for entry in by:
            job_id = entry.current.job_id if entry.current else None
            self.statement.miss(entry.asked.conversations, job_id or "", _NOT_YET)
        if self.statement.counts.total() >= _WORTH_CHECKPOINTS:
            self._begin_checkpoints()

    def take(
        self, by: Entry, job: ExportJob, manifest: Manifest | None, missing: Sequence[str] = ()
    ) -> Leftover | None:
        """Archive what is missing of a completed job.

        :param by: the entry whose job it is.
        :param missing: conversations that were recorded and for which the job holds nothing.
        :return: what should be asked for again, if anything.
        :raises LeaseLost: where another process took the window over; nothing is written after that.
        """
        if by.request == self.entry.request:
            self.entry = by
        self._has_begun = True
        missing = [one for one in missing if one not in self.settled]
        self.statement.meet(by.asked.conversations)
        self.statement.renew(job)
        wanted = self.statement.expect(job, manifest)
        self.statement.miss(missing, job.job_id, NOTHING_CAME)
        if len(wanted) >= _WORTH_CHECKPOINTS:
            self._begin_checkpoints()
        expired = self._fetch(job, wanted)
        lacking = (one.conversation_id for one in job.recordings if self.statement.lacks(one.recording_id))
        conversations = tuple(dict.fromkeys(one for one in (*lacking, *missing) if one))
        if expired is not None:
            return Leftover(str(expired), conversations, is_expired=True)
        if missing and self._was_missed_before(job, missing):
            return Leftover(f"nothing came for conversation {missing[0]}", conversations, is_expired=False)
        return None

    def take_nothing(self) -> None:
        """The window turned out to have no recordings: its receipt says so."""
        self._has_begun = True

    def close(self) -> None:
        """Write the receipt, unless nothing is known that it could say."""
        if self._has_begun:
            self._put_receipt()

    def measure(self) -> None:
        """Let the meter know what became archived since it was told last."""
        (recordings, size), before = self.statement.brought, self._measured
        self._measured = (recordings, size)
        self.meter.count(Figure.RECORDINGS, recordings - before[0])
        self.meter.count(Figure.BYTES, size - before[1])

    def check_whole(self) -> None:
        """Raise where something is not archived: ``Passing`` where every fault may pass, so that a later try has sense.

        :raises ExportError: with what happened, and what to do.
        """
        lacking = self.statement.lacking
        if not lacking:
            return
        self.meter.count(Figure.RECORDINGS_FAILED, len(lacking))
        may_pass = all(isinstance(self._faults.get(line.recording_id), Passing) for line in lacking)
        first = lacking[0]
        what = "conversation " if first.status is RecordingStatus.MISSING else ""
        raise (Passing if may_pass else ExportFailed)(
            f"window {self.entry.request.window}: {len(lacking)} of {self.statement.counts.total()} recordings are not "
            f"archived, such as {what}{first.recording_id!r} of job {first.job_id}: {first.reason}. The window's "
            "receipt names them all; clear this task to fetch what is missing"
        )

    def _fetch(self, job: ExportJob, missing: list[Recording]) -> UrlsExpired | None:
        """Fetch what is missing, in rounds, while faults may pass. The statement is told of each outcome."""

        def proceed() -> None:
            self.keeper.check()
            check_life(job, self.clock())

        fetch: Fetch = partial(
            self.archive.fetch,
            window=self.entry.request.window,
            media_format=self.entry.request.media_format,
            overwrite=bool(self.entry.forced_by),
            resumed=self.before is not None,
            proceed=proceed,
        )
        self._come_by()
        for rounds_left in reversed(range(_ROUNDS)):
            try:
                with closing(fetch(missing)) as outcomes:
                    for recording, outcome in outcomes:
                        self._come_by()  # before this outcome counts, so that none is ever whole
                        self._settle(recording, outcome)
            except UrlsExpired as expired:
                self.statement.expire(one for one in missing if one.recording_id not in self._faults)
                return expired
            missing = [one for one in missing if isinstance(self._faults.get(one.recording_id), Passing)]
            if not missing or not rounds_left:
                break
            logger.warning("%d recordings of job %s failed and are fetched again", len(missing), job.job_id)
            self.sleep(_PAUSE_BETWEEN_ROUNDS)
        return None

    def _settle(self, recording: Recording, outcome: StoredObject | ExportError) -> None:
        self.statement.settle(recording, outcome)
        self._faults.pop(recording.recording_id, None)
        if not isinstance(outcome, StoredObject):
            self._faults[recording.recording_id] = outcome

    def _was_missed_before(self, job: ExportJob, missing: Sequence[str]) -> bool:
        """Whether the receipt of before says so of this very job: asking it once more would bring nothing new."""
        known = {
            line.recording_id
            for line in self.before or ()
            if line.status is RecordingStatus.MISSING and line.reason == NOTHING_CAME and line.job_id == job.job_id
        }
        return not known.isdisjoint(missing)

    def _begin_checkpoints(self) -> None:
        self._checkpoints = self._checkpoints or Checkpoints(self._checkpoint, self.clock)

    def _come_by(self) -> None:
        if self._checkpoints:
            self._checkpoints.come_by()

    def _checkpoint(self) -> None:
        self.measure()
        try:
            self._put_receipt()
        except Passing as error:
            logger.warning("The receipt of window %s stays behind for now: %s", self.entry.request.window, error)

    def _put_receipt(self) -> None:
        """Write what is known over the receipt that is known.

        The version is older than the ledger's word that the window is still held: it is no successor's. Should one
        come between that word and the writing, whatever it wrote has another version, and stays.

        :raises LeaseLost: where another process took the window over.
        :raises InvalidInput: where another selection's receipt came in its place.
        """
        window = self.entry.request.window
        for _ in range(_TRIES):
            self.entry = self.leases.save(self.entry)
            written = self.archive.put_receipt(window, self.statement.receipt(), self.version)
            if written is not None:
                self.version = written
                return
            there, self.version = self.archive.receipt_and_version(window)
            if there is not None and self._is_told_by(there):
                return  # our own, whose answer was lost
            refuse_foreign(there or (), self.entry.request, self.archive.destination)
            logger.warning("The receipt of window %s was written or removed by somebody else", window)
        raise Passing(f"the receipt of window {window} was written or removed by somebody else {_TRIES} times")

    def _is_told_by(self, receipt: Sequence[ReceiptLine]) -> bool:
        return all(there == ours for there, ours in zip_longest(receipt, self.statement.receipt()))


def check_life(job: ExportJob, now: float) -> None:
    """Guide, edge case 2: no download with less than five minutes of life left, or half of a life that is short.

    :raises UrlsExpired: where there is less.
    """
    margin = min(URL_MARGIN, (job.url_seconds or 2 * URL_MARGIN) / 2)
    if job.expires_at is not None and job.expires_at - now < margin:
        raise UrlsExpired(f"the presigned URLs of job {job.job_id} end in less than {margin / 60:.0f} minutes")


def refuse_foreign(receipt: Sequence[ReceiptLine], request: ExportRequest, destination: str) -> None:
    """One receipt belongs to one request.

    :raises InvalidInput: for the receipt of another one.
    """
    if any(line.request_key != request.key for line in receipt):
        raise InvalidInput(
            f"{destination} already holds the receipt of window {request.window} for another organisation, media "
            "format or filters: give every selection a destination of its own"
        )
