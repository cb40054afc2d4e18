# SPDX-License-Identifier: Apache-2.0
"""From a completed job to a receipt: manifest first, then what is missing, then the statement (guide, section 3)."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from airflow_provider_genesys.export.checkpoints import Checkpoints
from airflow_provider_genesys.export.errors import ExportError, ExportFailed, InvalidInput, Passing, UrlsExpired
from airflow_provider_genesys.export.leases import Leases
from airflow_provider_genesys.export.model import (
    Entry,
    ExportJob,
    ExportRequest,
    Manifest,
    Receipt,
    ReceiptLine,
    Recording,
    RecordingStatus,
    RequestState,
    StoredObject,
)
from airflow_provider_genesys.export.ports import Archive, Ledger
from airflow_provider_genesys.export.statement import Statement
from airflow_provider_genesys.export.submission import URL_MARGIN

logger = logging.getLogger(__name__)

_ROUNDS = 3
_PAUSE_BETWEEN_ROUNDS = 10.0

_WORTH_CHECKPOINTS = 500
"""Recordings: looking for fewer in the archive, after a kill, costs less than writing down what is there."""

Faults = dict[str, ExportError]
Fetch = Callable[[list[Recording]], Generator[tuple[Recording, StoredObject | ExportError], None, None]]


@dataclass(frozen=True)
class Retrieval:
    """Brings one window's recordings into the archive, by whoever holds it.

    :param clock: this machine's clock, epoch seconds: URLs expire by it.
    """

    ledger: Ledger
    archive: Archive
    leases: Leases
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def proof(self, request: ExportRequest, entry: Entry | None) -> Receipt | None:
        """The window's receipt, where it proves that the present generation of the request is archived whole.

        :raises InvalidInput: where the receipt in its place belongs to another request.
        """
        receipt = self.archive.receipt(request.window)
        if receipt is None:
            return None
        _refuse_foreign(receipt, request, self.archive.destination)
        if any(line.status is RecordingStatus.FAILED for line in receipt):
            return None
        if entry is not None and entry.forced_by and not _jobs_of_generation(entry).issuperset(_jobs(receipt)):
            return None
        if not receipt and not (entry and self.archive.destination in entry.destinations and _is_archived(entry)):
            return None
        return receipt

    def retrieve(self, entry: Entry, job: ExportJob) -> Counter[str]:
        """Archive what is missing of a completed job, and its receipt.

        :param entry: held, with ``job`` as its current attempt.
        :return: how many recordings have which status. The receipt is written before anything is raised, too, and true
            then.
        :raises UrlsExpired: where URLs ran out, or are too close to it, before all was archived.
        :raises LeaseLost: where another process took the window over; nothing is written after that.
        :raises ExportError: where recordings could not be had: ``Passing`` if a later try may have more luck.
        """
        self._gate(job)
        statement, window = Statement(entry.request), entry.request.window
        with self.leases.kept(entry) as keeper:
            manifest = self._manifest(job)
            before = self.archive.receipt(window)
            statement.keep(self._archived_before(entry, before or ()))
            missing = statement.expect(job, manifest)

            def proceed() -> None:
                keeper.check()
                self._gate(job)

            fetch = partial(
                self.archive.fetch,
                window=window,
                media_format=entry.request.media_format,
                overwrite=bool(entry.forced_by),
                resumed=before is not None,
                proceed=proceed,
            )
            checkpoints: Checkpoints | None = None
            if len(missing) >= _WORTH_CHECKPOINTS:
                checkpoints = Checkpoints(partial(self._checkpoint, entry, statement), self.clock)
            faults, expired = self._fetch(statement, missing, fetch, checkpoints)
        self._put_receipt(entry, statement)
        if expired is not None:
            raise expired
        if statement.failed:
            raise _incomplete(statement, faults)
        self.remember(entry, statement.counts.total())
        return statement.counts

    def _gate(self, job: ExportJob) -> None:
        """Guide, edge case 2: no download with less than five minutes of life left."""
        if job.expires_at is not None and job.expires_at - self.clock() < URL_MARGIN:
            raise UrlsExpired(f"the presigned URLs of job {job.job_id} end in less than {URL_MARGIN / 60:.0f} minutes")

    def _manifest(self, job: ExportJob) -> Manifest | None:
        manifest = self.archive.fetch_manifest(job.job_id, job.manifest_url) if job.manifest_url else None
        if manifest is not None and manifest.recordings is not None:
            return manifest
        logger.warning("Job %s has no manifest that can be read: its jobDetails stand in for it", job.job_id)
        return None

    def _archived_before(self, entry: Entry, receipt: Receipt) -> list[ReceiptLine]:
        _refuse_foreign(receipt, entry.request, self.archive.destination)
        trusted = _jobs_of_generation(entry) if entry.forced_by else _jobs(receipt)
        return [line for line in receipt if line.status is RecordingStatus.ARCHIVED and line.job_id in trusted]

    def _fetch(
        self, statement: Statement, missing: list[Recording], fetch: Fetch, checkpoints: Checkpoints | None
    ) -> tuple[Faults, UrlsExpired | None]:
        """Fetch what is missing, in rounds, while faults may pass. The statement is told of each outcome."""
        faults: Faults = {}
        if checkpoints:
            checkpoints.come_by()
        for rounds_left in reversed(range(_ROUNDS)):
            try:
                with closing(fetch(missing)) as outcomes:
                    for recording, outcome in outcomes:
                        if checkpoints:  # before this outcome counts, so that none is ever whole
                            checkpoints.come_by()
                        statement.settle(recording, outcome)
                        faults.pop(recording.recording_id, None)
                        if not isinstance(outcome, StoredObject):
                            faults[recording.recording_id] = outcome
            except UrlsExpired as expired:
                statement.expire(recording for recording in missing if recording.recording_id not in faults)
                return faults, expired
            missing = [recording for recording in missing if isinstance(faults.get(recording.recording_id), Passing)]
            if not missing or not rounds_left:
                break
            logger.warning(
                "%d recordings of window %s failed and are fetched again", len(missing), statement.request.window
            )
            self.sleep(_PAUSE_BETWEEN_ROUNDS)
        return faults, None

    def _checkpoint(self, entry: Entry, statement: Statement) -> None:
        try:
            self._put_receipt(entry, statement)
        except Passing as error:
            logger.warning("The receipt of window %s stays behind for now: %s", entry.request.window, error)

    def _put_receipt(self, entry: Entry, statement: Statement) -> None:
        """Write what is known. The ledger has confirmed just before that the window is still held."""
        self.leases.save(entry)
        self.archive.put_receipt(entry.request.window, statement.receipt())

    def remember(self, entry: Entry, recordings: int) -> None:
        """Let the ledger know what a whole receipt proves, and give the window back."""
        destinations = tuple(sorted({*entry.destinations, self.archive.destination}))
        self.leases.save(replace(entry, state=RequestState.ARCHIVED, destinations=destinations, error=""))
        self.ledger.record_volume(entry.request.selection_key, entry.request.window, recordings)
        self.leases.release(entry)


def _jobs(receipt: Receipt) -> set[str]:
    return {line.job_id for line in receipt}


def _jobs_of_generation(entry: Entry) -> set[str]:
    return {attempt.job_id for attempt in entry.attempts if attempt.generation == entry.generation and attempt.job_id}


def _is_archived(entry: Entry) -> bool:
    return entry.state is RequestState.ARCHIVED


def _refuse_foreign(receipt: Receipt, request: ExportRequest, destination: str) -> None:
    if any(line.request_key != request.key for line in receipt):
        raise InvalidInput(
            f"{destination} already holds the receipt of window {request.window} for another organisation, media "
            "format or filters: give every selection a destination of its own"
        )


def _incomplete(statement: Statement, faults: Faults) -> ExportError:
    """The end of a window that isn't whole: ``Passing`` where every fault may pass, so that a later try has sense."""
    failed = statement.failed
    may_pass = all(isinstance(faults.get(line.recording_id), Passing) for line in failed)
    first = failed[0]
    return (Passing if may_pass else ExportFailed)(
        f"window {statement.request.window}: {len(failed)} of {statement.counts.total()} recordings are not archived, "
        f"such as {first.recording_id!r} of job {first.job_id}: {first.reason}. The window's receipt names them all; "
        "clear this task to fetch what is missing"
    )
