# SPDX-License-Identifier: Apache-2.0
"""From completed jobs to a receipt: manifests first, then what is missing, then the statement (guide, section 3)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from airflow_provider_genesys.export.archiving import Archiving, Leftover, check_life, refuse_foreign
from airflow_provider_genesys.export.arrival import arrived
from airflow_provider_genesys.export.entry import Entry, RequestState
from airflow_provider_genesys.export.errors import UrlsExpired
from airflow_provider_genesys.export.leases import Leases
from airflow_provider_genesys.export.metering import Meter
from airflow_provider_genesys.export.model import (
    ExportJob,
    ExportRequest,
    ExportWindow,
    Manifest,
    Receipt,
    ReceiptLine,
    Recording,
    RecordingStatus,
)
from airflow_provider_genesys.export.ports import Archive, ExportApi, Ledger
from airflow_provider_genesys.export.statement import LACKING

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retrieval:
    """Brings windows' recordings into the archive, each by whoever holds it.

    :param clock: this machine's clock, epoch seconds: URLs expire by it.
    :param quiet: seconds for which nothing has come when a delivery by the platform is over.
    """

    api: ExportApi
    ledger: Ledger
    archive: Archive
    leases: Leases
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    quiet: float = 180.0
    meter: Meter = field(default_factory=Meter)

    def proof(self, request: ExportRequest, entry: Entry | None, by: Iterable[Entry]) -> Receipt | None:
        """The window's receipt, where it proves that the present generation of the request is archived whole.

        :param by: the entries whose jobs bring the window's recordings.
        :raises InvalidInput: where the receipt in its place belongs to another request.
        """
        receipt = self.archive.receipt(request.window)
        if receipt is None:
            return None
        refuse_foreign(receipt, request, self.archive.destination)
        if entry is not None and entry.state is RequestState.REOPENED:
            return None
        if any(line.status in LACKING for line in receipt):
            return None
        if entry is not None and entry.forced_by and not _jobs_of_generation(by).issuperset(_jobs(receipt)):
            return None
        if not receipt and not (entry and self.archive.destination in entry.destinations and _is_archived(entry)):
            return None
        return None if self.overlooks(request.window, receipt) else receipt

    def overlooks(self, window: ExportWindow, receipt: Receipt | None) -> bool:
        """Whether the platform has delivered something of a window that its receipt does not name."""
        if receipt is None or not self.api.delivers:
            return False
        late = [file.recording_id for file in self.archive.overlooked(receipt)]
        if late:
            logger.warning("Window %s: %d files came after its receipt, such as of %s", window, len(late), late[0])
        return bool(late)

    @contextmanager
    def begun(self, entry: Entry, by: Collection[Entry]) -> Iterator[Archiving]:
        """Go on with a held window from what its receipt says, keep its lease, and write its receipt at the end.

        :param by: the entries whose jobs bring its recordings.
        :raises LeaseLost: where another process took the window over; nothing is written after that.
        """
        with self.leases.kept(entry) as keeper:
            before, version = self.archive.receipt_and_version(entry.request.window)
            settled = _settled(before or ()) if entry.state is RequestState.REOPENED else frozenset()
            archiving = Archiving(
                entry, self.archive, self.leases, keeper, before, version, self.clock, self.sleep, self.meter, settled
            )
            known = self._known(entry, by, before or ())
            archiving.statement.keep(() if self.api.delivers else known)
            archiving.await_jobs(by)
            try:
                yield archiving
            finally:
                archiving.measure()
        archiving.close()

    def take(self, archiving: Archiving, by: Entry, job: ExportJob) -> Leftover | None:
        """Archive what is missing of one of a window's completed jobs, its manifest first.

        :param by: the entry whose job it is.
        :return: what should be asked for again, if anything.
        :raises NotYet: where the platform has not delivered all of it yet.
        """
        job = self._delivered(archiving, by, job)
        missing = self.api.missing(by.asked, job)
        try:
            manifest = self._manifest(by, job)
        except UrlsExpired as expired:
            return Leftover(str(expired), (), is_expired=True)
        return archiving.take(by, job, manifest, missing)

    def _delivered(self, archiving: Archiving, by: Entry, job: ExportJob) -> ExportJob:
        """A job with the recordings that the platform delivers by itself, once they are there.

        A file that was stated before stays as it was stated: that it is another one now is for ``verify`` to find.
        """
        delivery = self.api.delivery(by.asked, job)
        if delivery is None:
            return job
        now = self.ledger.now()
        ended_at = by.current.ended_at if by.current else None
        recordings = arrived(by.asked, delivery, self.api, self.archive, now, ended_at or now, self.quiet)
        known = self._known(archiving.entry, (by,), archiving.before or ())
        own = set(delivery.own)
        archiving.statement.keep(line for line in known if line.conversation_id not in own)  # gone there, kept here
        stated = {line.key: line for line in known if line.key}
        return replace(job, recordings=tuple(_as_stated(one, stated) for one in recordings))

    def remember(self, entry: Entry, recordings: int, by: Iterable[Entry] = ()) -> None:
        """Let the ledger know what a whole receipt proves, and give the window back.

        :param by: the entries of its parts: they have done their work.
        """
        for part in by:
            held = self.leases.hold(part.request)
            if held.lease is not None:
                self.leases.save(replace(held, state=RequestState.ARCHIVED, error=""))
                self.leases.release(held)
        destinations = tuple(sorted({*entry.destinations, self.archive.destination}))
        self.leases.save(replace(entry, state=RequestState.ARCHIVED, destinations=destinations, error=""))
        self.ledger.record_volume(entry.request.selection_key, entry.request.window, recordings)
        self.leases.release(entry)

    def _manifest(self, by: Entry, job: ExportJob) -> Manifest | None:
        if job.manifest_url:
            check_life(job, self.clock())
            manifest = self.archive.fetch_manifest(job.job_id, job.manifest_url)
            if manifest.recordings is not None:
                return manifest
        else:
            document = self.api.manifest(by.asked, job)
            if document is not None:
                return self.archive.put_manifest(job.job_id, document)
        logger.warning("Job %s has no manifest that can be read: its jobDetails stand in for it", job.job_id)
        return None

    def _known(self, entry: Entry, by: Collection[Entry], receipt: Sequence[ReceiptLine]) -> list[ReceiptLine]:
        """The lines that stay: what is archived, and what earlier jobs could not provide, where the newest are not of
        all of the window, or it was deleted since.
        """
        refuse_foreign(receipt, entry.request, self.archive.destination)
        trusted = _jobs_of_generation(by) if entry.forced_by else _jobs(receipt)
        current = {one.current.job_id for one in by if one.current}
        stays = bool(entry.parts) or entry.state is RequestState.REOPENED
        return [
            line
            for line in receipt
            if line.job_id in trusted
            if line.status is RecordingStatus.ARCHIVED
            or (line.status is RecordingStatus.UNAVAILABLE and stays and line.job_id not in current)
        ]


def _settled(receipt: Receipt) -> frozenset[str]:
    """The conversations that a receipt lacks nothing of. Deleted since, they are not missing."""
    lacking = {line.conversation_id for line in receipt if line.status in LACKING}
    return frozenset(one for line in receipt if (one := line.conversation_id) and one not in lacking)


def _as_stated(one: Recording, stated: Mapping[str, ReceiptLine]) -> Recording:
    line = stated.get(one.stored.key) if one.stored else None
    if one.stored is None or line is None or line.size is None:
        return one
    return replace(one, stored=replace(one.stored, size=line.size, checksum=line.checksum))


def _jobs(receipt: Iterable[ReceiptLine]) -> set[str]:
    return {line.job_id for line in receipt}


def _jobs_of_generation(by: Iterable[Entry]) -> set[str]:
    return {
        attempt.job_id
        for entry in by
        for attempt in entry.attempts
        if attempt.generation == entry.generation and attempt.job_id
    }


def _is_archived(entry: Entry) -> bool:
    return entry.state is RequestState.ARCHIVED
