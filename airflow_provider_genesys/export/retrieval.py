# SPDX-License-Identifier: Apache-2.0
"""From a completed job to a receipt: manifest first, then what is missing, then the statement (guide, section 3)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_genesys.export.errors import ExportError, ExportFailed, InvalidInput, Passing, UrlsExpired
from airflow_provider_genesys.export.leases import LeaseKeeper, Leases
from airflow_provider_genesys.export.model import (
    Entry,
    ExportJob,
    ExportRequest,
    Receipt,
    ReceiptLine,
    Recording,
    RecordingStatus,
    RequestState,
    StoredObject,
)
from airflow_provider_genesys.export.ports import Archive, Ledger
from airflow_provider_genesys.export.submission import URL_MARGIN

logger = logging.getLogger(__name__)

_ROUNDS = 3
_PAUSE_BETWEEN_ROUNDS = 10.0

Lines = dict[str, ReceiptLine]
Faults = dict[str, ExportError]


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

    def retrieve(self, entry: Entry, job: ExportJob) -> Receipt:
        """Archive what is missing of a completed job, and its receipt.

        :param entry: held, with ``job`` as its current attempt.
        :return: the receipt; it is written before anything is raised, too, and true then.
        :raises UrlsExpired: where URLs ran out, or are too close to it, before all was archived.
        :raises LeaseLost: where another process took the window over; nothing is written after that.
        :raises ExportError: where recordings could not be had: ``Passing`` if a later try may have more luck.
        """
        self._gate(job)
        with self.leases.kept(entry) as keeper:
            metadata = self._manifest(job)
            lines = self._begun(entry, job, metadata)
            faults, expired = self._fetch(entry, job, metadata, lines, keeper)
        receipt = tuple(lines.values())
        entry = self.leases.save(entry)
        self.archive.put_receipt(entry.request.window, receipt)
        if expired is not None:
            raise expired
        if any(line.status is RecordingStatus.FAILED for line in receipt):
            raise _incomplete(entry.request, receipt, faults)
        self.remember(entry, receipt)
        return receipt

    def _gate(self, job: ExportJob) -> None:
        """Guide, edge case 2: no download with less than five minutes of life left."""
        if job.expires_at is not None and job.expires_at - self.clock() < URL_MARGIN:
            raise UrlsExpired(f"the presigned URLs of job {job.job_id} end in less than {URL_MARGIN / 60:.0f} minutes")

    def _manifest(self, job: ExportJob) -> Mapping[str, Mapping[str, Any]]:
        manifest = self.archive.fetch_manifest(job.job_id, job.manifest_url) if job.manifest_url else None
        if manifest is not None and manifest.recordings is not None:
            return manifest.recordings
        logger.warning("Job %s has no manifest that can be read: its jobDetails stand in for it", job.job_id)
        return {recording.recording_id: {} for recording in job.recordings}

    def _begun(self, entry: Entry, job: ExportJob, metadata: Mapping[str, Mapping[str, Any]]) -> Lines:
        """A line for every recording that is expected: archived already, unavailable, or failed until it is fetched."""
        known = self._archived_before(entry)
        offered = {recording.recording_id: recording for recording in job.recordings}
        lines: Lines = {}
        for recording_id in {**metadata, **offered, **known}:
            recording = offered.get(recording_id)
            if recording_id in known:
                lines[recording_id] = known[recording_id]
            elif recording is None:
                lines[recording_id] = _line(
                    entry, job, recording_id, metadata, "the manifest lists it, its job doesn't"
                )
            elif recording.url is None:
                unavailable = _line(entry, job, recording_id, metadata, "no URL: its transcoding failed")
                lines[recording_id] = replace(unavailable, status=RecordingStatus.UNAVAILABLE)
            else:
                lines[recording_id] = _line(entry, job, recording_id, metadata, "not fetched yet")
        return lines

    def _archived_before(self, entry: Entry) -> Lines:
        receipt = self.archive.receipt(entry.request.window) or ()
        _refuse_foreign(receipt, entry.request, self.archive.destination)
        trusted = _jobs_of_generation(entry) if entry.forced_by else _jobs(receipt)
        return {
            line.recording_id: line
            for line in receipt
            if line.status is RecordingStatus.ARCHIVED and line.job_id in trusted
        }

    def _fetch(
        self,
        entry: Entry,
        job: ExportJob,
        metadata: Mapping[str, Mapping[str, Any]],
        lines: Lines,
        keeper: LeaseKeeper,
    ) -> tuple[Faults, UrlsExpired | None]:
        """Fetch what has a URL and no archived line, in rounds, while faults may pass. Fills in ``lines``."""

        def proceed() -> None:
            keeper.check()
            self._gate(job)

        faults: Faults = {}
        missing = [recording for recording in job.recordings if recording.url and not _is_done(lines, recording)]
        for rounds_left in reversed(range(_ROUNDS)):
            try:
                for recording, outcome in self.archive.fetch(
                    missing, entry.request.media_format, overwrite=bool(entry.forced_by), proceed=proceed
                ):
                    line = _line(entry, job, recording.recording_id, metadata, str(outcome))
                    faults.pop(recording.recording_id, None)
                    if isinstance(outcome, StoredObject):
                        line = _archived(line, outcome)
                    else:
                        faults[recording.recording_id] = outcome
                    lines[recording.recording_id] = line
            except UrlsExpired as expired:
                _mark_expired(lines, [recording for recording in missing if recording.recording_id not in faults])
                return faults, expired
            missing = [recording for recording in missing if isinstance(faults.get(recording.recording_id), Passing)]
            if not missing or not rounds_left:
                break
            logger.warning("%d recordings of job %s failed and are fetched again", len(missing), job.job_id)
            self.sleep(_PAUSE_BETWEEN_ROUNDS)
        return faults, None

    def remember(self, entry: Entry, receipt: Receipt) -> None:
        """Let the ledger know what a whole receipt proves, and give the window back."""
        destinations = tuple(sorted({*entry.destinations, self.archive.destination}))
        self.leases.save(replace(entry, state=RequestState.ARCHIVED, destinations=destinations, error=""))
        self.ledger.record_volume(entry.request.selection_key, entry.request.window, len(receipt))
        self.leases.release(entry)


def _line(
    entry: Entry, job: ExportJob, recording_id: str, metadata: Mapping[str, Mapping[str, Any]], reason: str
) -> ReceiptLine:
    return ReceiptLine(
        recording_id=recording_id,
        status=RecordingStatus.FAILED,
        job_id=job.job_id,
        request_key=entry.request.key,
        reason=reason,
        metadata=metadata.get(recording_id, {}),
    )


def _archived(line: ReceiptLine, stored: StoredObject) -> ReceiptLine:
    return replace(
        line,
        status=RecordingStatus.ARCHIVED,
        key=stored.key,
        size=stored.size,
        sha256=stored.sha256,
        source_etag=stored.source_etag,
        reason=None,
    )


def _mark_expired(lines: Lines, missing: list[Recording]) -> None:
    for recording in missing:
        if not _is_done(lines, recording):
            line = lines[recording.recording_id]
            lines[recording.recording_id] = replace(line, reason="its URL expired before it was fetched")


def _is_done(lines: Lines, recording: Recording) -> bool:
    return lines[recording.recording_id].status is RecordingStatus.ARCHIVED


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


def _incomplete(request: ExportRequest, receipt: Receipt, faults: Faults) -> ExportError:
    """The end of a window that isn't whole: ``Passing`` where every fault may pass, so that a later try has sense."""
    failed = [line for line in receipt if line.status is RecordingStatus.FAILED]
    may_pass = all(isinstance(faults.get(line.recording_id), Passing) for line in failed)
    first = failed[0]
    return (Passing if may_pass else ExportFailed)(
        f"window {request.window}: {len(failed)} of {len(receipt)} recordings are not archived, such as "
        f"{first.recording_id!r} of job {first.job_id}: {first.reason}. The window's receipt names them all; "
        "clear this task to fetch what is missing"
    )
