# SPDX-License-Identifier: Apache-2.0
"""What is known of a window's recordings, while they are archived: a receipt that is true at every moment.

Where the API works by conversations, one for which nothing has come has a line, too, under its own id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from airflow_provider_genesys.export.errors import ExportError
from airflow_provider_genesys.export.model import (
    ExportJob,
    ExportRequest,
    Manifest,
    ReceiptLine,
    Recording,
    RecordingStatus,
    StoredObject,
)

LACKING = (RecordingStatus.FAILED, RecordingStatus.MISSING)
"""What keeps a receipt from being a proof."""


@dataclass
class Statement:
    """A line for every recording that is expected: archived, unavailable, missing, or failed until it is fetched.

    Lines are kept without the metadata of manifests, which are read once more when the receipt is written.

    :param request: the window's.
    :ivar brought: how many recordings became archived since it was begun, and their bytes.
    """

    request: ExportRequest
    brought: tuple[int, int] = (0, 0)
    _lines: dict[str, ReceiptLine] = field(default_factory=dict)
    _manifests: list[Manifest] = field(default_factory=list)

    def keep(self, lines: Iterable[ReceiptLine]) -> None:
        """Go on from lines of an earlier receipt."""
        self._lines.update((line.recording_id, line) for line in lines)

    def miss(self, conversations: Iterable[str], job_id: str, reason: str) -> None:
        """Write down that nothing has come for these conversations: no receipt proves their window whole then."""
        for one in conversations:
            status = RecordingStatus.MISSING
            self._lines[one] = ReceiptLine(one, status, job_id, self.request.key, reason=reason)

    def meet(self, conversations: Iterable[str]) -> None:
        """Strike out that nothing has come for these conversations: their job tells what has."""
        for one in conversations:
            if one in self._lines and self._lines[one].status is RecordingStatus.MISSING:
                del self._lines[one]

    def renew(self, job: ExportJob) -> None:
        """Strike out what was unavailable of the conversations that a later job brings something of: it tells anew, and
        perhaps under other names.
        """
        came = {one.conversation_id for one in job.recordings if one.conversation_id}
        for recording_id, line in list(self._lines.items()):
            is_of_another = line.status is RecordingStatus.UNAVAILABLE and line.job_id != job.job_id
            if is_of_another and line.conversation_id in came:
                del self._lines[recording_id]

    def expect(self, job: ExportJob, manifest: Manifest | None) -> list[Recording]:
        """Take in what a completed job contains, by its manifest and by its own list.

        :return: the recordings that are still to be fetched, with their metadata.
        """
        offered = {recording.recording_id: recording for recording in job.recordings}
        wanted: dict[str, Recording] = {}
        if manifest is not None:
            self._manifests.append(manifest)
            for recording_id, metadata in manifest.recordings or ():
                if self._is_told(recording_id, job):
                    continue
                recording = offered.get(recording_id)
                self._begin(job, recording_id, recording)
                if recording is not None:
                    wanted[recording_id] = replace(recording, metadata=metadata)
        for recording_id, recording in offered.items():
            if not self._is_told(recording_id, job):
                self._begin(job, recording_id, recording)
                wanted[recording_id] = recording
        return [recording for recording in wanted.values() if recording.url is not None]

    def settle(self, recording: Recording, outcome: StoredObject | ExportError) -> None:
        """Write down what a fetch came to."""
        line = self._lines[recording.recording_id]
        if isinstance(outcome, StoredObject):
            self.brought = (self.brought[0] + 1, self.brought[1] + outcome.size)
            line = replace(
                line,
                status=RecordingStatus.ARCHIVED,
                key=outcome.key,
                size=outcome.size,
                sha256=outcome.sha256,
                checksum=outcome.checksum,
                source_etag=outcome.source_etag,
                reason=None,
            )
        else:
            line = replace(line, reason=str(outcome))
        self._lines[recording.recording_id] = line

    def expire(self, recordings: Iterable[Recording]) -> None:
        """Write down that the URLs of these ran out, unless they are archived."""
        for recording in recordings:
            line = self._lines[recording.recording_id]
            if line.status is RecordingStatus.FAILED:
                self._lines[recording.recording_id] = replace(line, reason="its URL expired before it was fetched")

    def receipt(self) -> Iterator[ReceiptLine]:
        """The lines as they are now, in the order of the manifests, with their metadata."""
        told: set[str] = set()
        for manifest in self._manifests:
            for recording_id, metadata in manifest.recordings or ():
                if recording_id in self._lines and recording_id not in told:
                    told.add(recording_id)
                    line = self._lines[recording_id]
                    yield line if line.metadata else replace(line, metadata=metadata)
        yield from (line for recording_id, line in self._lines.items() if recording_id not in told)

    @property
    def counts(self) -> Counter[str]:
        """How many recordings have which status."""
        return Counter(line.status.value for line in self._lines.values())

    @property
    def lacking(self) -> list[ReceiptLine]:
        """What is not archived, though it should be. Without metadata."""
        return [line for line in self._lines.values() if line.status in LACKING]

    def lacks(self, recording_id: str) -> bool:
        """Whether a recording is not archived, though it should be."""
        line = self._lines.get(recording_id)
        return line is not None and line.status in LACKING

    def _is_told(self, recording_id: str, job: ExportJob) -> bool:
        """Whether a recording needs no new line: it is archived, or this very job has listed it before."""
        line = self._lines.get(recording_id)
        return line is not None and (line.status is RecordingStatus.ARCHIVED or line.job_id == job.job_id)

    def _begin(self, job: ExportJob, recording_id: str, recording: Recording | None) -> None:
        status, reason = RecordingStatus.FAILED, "not fetched yet"
        if recording is None:
            reason = "the manifest lists it, its job doesn't"
        elif recording.overdue:
            reason = recording.reason or reason
        elif recording.url is None:
            status = RecordingStatus.UNAVAILABLE
            reason = recording.reason or "no URL: its transcoding failed"
        self._lines[recording_id] = ReceiptLine(recording_id, status, job.job_id, self.request.key, reason=reason)
        if recording is not None and recording.stored is not None:
            self.settle(recording, recording.stored)
