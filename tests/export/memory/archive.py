# SPDX-License-Identifier: Apache-2.0
"""Archives in memory, filled from a platform there, which behave as badly as a test wants them to."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from airflow_provider_genesys.export.errors import ExportError, InvalidInput, UrlsExpired
from airflow_provider_genesys.export.model import (
    ExportRequest,
    ExportWindow,
    Manifest,
    Receipt,
    ReceiptLine,
    Recording,
    StoredObject,
    Version,
)
from tests.export.memory.platform import MemoryApi, conversation_of


@dataclass
class MemoryArchive:
    """An :class:`~airflow_provider_genesys.export.ports.Archive`, of which several can be filled from one platform.

    :param platform: where URLs lead to.
    :ivar faults: by recording id, what its next fetches come to; ``UrlsExpired`` ends the transfer.
    :ivar fetched: recordings whose bytes were asked for, in order.
    :ivar described: the metadata that recordings came with.
    :ivar resumed: of every transfer, whether it was said to go on from an earlier one.
    :ivar receipt_faults: what the next writings of a receipt raise.
    :ivar written: every receipt that was written, in order.
    :ivar verified: recordings that were held against what is stored.
    :ivar has_pyarrow: whether an index can be written.
    :ivar before_fetch: called with each id before it is fetched.
    :ivar before_receipt: called before a receipt is written, when its writer can no longer be stopped.
    :ivar is_bucket: whether the platform can deliver into it.
    :ivar etag: of what it delivers.
    """

    platform: MemoryApi
    destination: str = "s3://calls"
    objects: dict[str, StoredObject] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    receipts: dict[ExportWindow, Receipt] = field(default_factory=dict)
    reports: dict[ExportWindow, Mapping[str, Any]] = field(default_factory=dict)
    faults: defaultdict[str, deque[ExportError]] = field(default_factory=lambda: defaultdict(deque))
    fetched: list[str] = field(default_factory=list)
    described: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    resumed: list[bool] = field(default_factory=list)
    receipt_faults: deque[ExportError] = field(default_factory=deque)
    written: list[Receipt] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)
    indexes: dict[ExportWindow, list[tuple[ExportRequest, ReceiptLine]]] = field(default_factory=dict)
    has_pyarrow: bool = True
    before_fetch: Callable[[str], None] = lambda recording_id: None
    before_receipt: Callable[[], None] = lambda: None
    is_bucket: bool = True
    etag: str = "etag"

    def receipt(self, window: ExportWindow) -> Receipt | None:
        return self.receipts.get(window)

    def receipt_and_version(self, window: ExportWindow) -> tuple[Receipt | None, Version | None]:
        return self.receipts.get(window), self.version(window)

    def version(self, window: ExportWindow) -> Version | None:
        """As stores do it that know an object by its bytes."""
        return Version(str(hash(repr(self.receipts[window])))) if window in self.receipts else None

    def lines(self, window: ExportWindow) -> Iterator[ReceiptLine] | None:
        return iter(self.receipts[window]) if window in self.receipts else None

    def put_receipt(
        self, window: ExportWindow, receipt: Iterable[ReceiptLine], replaces: Version | None
    ) -> Version | None:
        if self.receipt_faults:
            raise self.receipt_faults.popleft()
        self.before_receipt()
        if self.version(window) != replaces:
            return None
        self.receipts[window] = tuple(receipt)
        self.written.append(self.receipts[window])
        return self.version(window)

    def fetch_manifest(self, job_id: str, url: str) -> Manifest:
        if not self.platform.is_live(url):
            raise UrlsExpired("storage answered 403")
        self.manifests[job_id] = self.platform.manifest_of(job_id)
        return self.manifests[job_id]

    def put_manifest(self, job_id: str, document: Mapping[str, Any]) -> Manifest:
        self.manifests[job_id] = Manifest(job_id, [(one["id"], one) for one in document["recordings"]])
        return self.manifests[job_id]

    def manifest(self, job_id: str) -> Manifest | None:
        return self.manifests.get(job_id)

    def fetch(
        self,
        recordings: Sequence[Recording],
        window: ExportWindow,
        media_format: str,
        *,
        overwrite: bool,
        proceed: Callable[[], None],
        resumed: bool = False,
    ) -> Generator[tuple[Recording, StoredObject | ExportError], None, None]:
        self.resumed.append(resumed)
        for recording in recordings:
            key = f"recordings/{recording.recording_id}.{media_format}"
            self.described[recording.recording_id] = recording.metadata
            if key not in self.objects or overwrite:
                self.before_fetch(recording.recording_id)
                proceed()
                self.fetched.append(recording.recording_id)
                if fault := self._fault(recording):
                    yield recording, fault
                    continue
                self.objects[key] = _stored(key, recording)
            yield recording, self.objects[key]

    def delivered(self, conversations: Mapping[str, float]) -> Iterator[Recording]:
        if not self.is_bucket:
            raise InvalidInput(f"{self.destination} is no bucket that anything is delivered into")
        for one in self.platform.exported:
            conversation_id = conversation_of(one)
            if conversation_id in conversations and self.platform.has_arrived(one):
                key, stored_at = f"org/{conversation_id}/{one}.ogg", self.platform.exported[one]
                stored = StoredObject(key, 10, checksum=self.etag, stored_at=stored_at)
                recording_id = one.partition("/")[0]
                yield Recording(recording_id, None, conversation_id=conversation_id, extension="ogg", stored=stored)

    def overlooked(self, lines: Iterable[ReceiptLine]) -> Iterator[Recording]:
        receipt = tuple(lines)
        named = {line.key for line in receipt}
        conversations = dict.fromkeys((line.metadata["conversation"] for line in receipt if line.metadata), 0.0)
        return (file for file in self.delivered(conversations) if file.stored and file.stored.key not in named)

    def report(self, interval: ExportWindow) -> Mapping[str, Any] | None:
        return self.reports.get(interval)

    def put_report(self, interval: ExportWindow, report: Mapping[str, Any]) -> str:
        self.reports[interval] = report
        return f"reports/{interval}"

    @property
    def can_index(self) -> bool:
        return self.has_pyarrow

    def put_index(self, interval: ExportWindow, lines: Iterable[tuple[ExportRequest, ReceiptLine]]) -> str:
        self.indexes[interval] = list(lines)
        return f"index/{interval}"

    def verify(self, lines: Collection[ReceiptLine]) -> Iterator[tuple[ReceiptLine, str]]:
        self.verified += [line.recording_id for line in lines]
        return ((line, "is not there") for line in lines if line.key not in self.objects)

    def empty(self) -> None:
        """Let somebody empty the bucket."""
        for content in (self.objects, self.manifests, self.receipts, self.reports):
            content.clear()

    def _fault(self, recording: Recording) -> ExportError | None:
        assert recording.url is not None
        if not self.platform.is_live(recording.url):
            raise UrlsExpired("storage answered 403")
        fault = self.faults[recording.recording_id].popleft() if self.faults[recording.recording_id] else None
        if isinstance(fault, UrlsExpired):
            raise fault
        return fault


def _stored(key: str, recording: Recording) -> StoredObject:
    content = f"audio of {recording.recording_id}".encode()
    return StoredObject(key, len(content), sha256(content).hexdigest(), "etag")


def with_status(receipt: Receipt, status: str) -> list[str]:
    """The ids that a receipt gives a status."""
    return [line.recording_id for line in receipt if line.status == status]


def moved(receipt: Receipt, request_key: str) -> Receipt:
    """A receipt as another request's."""
    return tuple(replace(line, request_key=request_key) for line in receipt)
