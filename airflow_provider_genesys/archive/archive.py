# SPDX-License-Identifier: Apache-2.0
"""The archive: the ``Archive`` port over a store and a downloader."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from airflow_provider_genesys.archive import layout
from airflow_provider_genesys.archive.deliveries import delivered, overlooked
from airflow_provider_genesys.archive.documents import document_at, put_document
from airflow_provider_genesys.archive.download import Body, Downloader
from airflow_provider_genesys.archive.index import can_write_index, write_index
from airflow_provider_genesys.archive.layout import KeyTemplate
from airflow_provider_genesys.archive.manifests import Scan, read_manifest
from airflow_provider_genesys.archive.receipts import read_receipt, write_receipt
from airflow_provider_genesys.archive.relay import Errand, Relay
from airflow_provider_genesys.archive.retries import Retries
from airflow_provider_genesys.archive.stores import Store
from airflow_provider_genesys.archive.transfer import Outcome, Reins, transfer
from airflow_provider_genesys.archive.verification import differences, read_back
from airflow_provider_genesys.export.errors import ExportFailed, NoReceipt, Passing, Refused, WrongBody
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

logger = logging.getLogger(__name__)

DEFAULT_CONCURRENCY = 32
"""Recordings at a time: with a round trip of tens of milliseconds it is this that makes a transfer fast."""

LARGEST_MANIFEST = 8 * 1024**3
"""Bytes; it passes as a stream, but a source that never ends has to end."""

_PAGE_TYPE = re.compile(r".*\b(html|xml)\b")


class ObjectArchive:
    """One destination of the user's object storage.

    :param store: where the objects go.
    :param downloader: where they come from.
    :param concurrency: recordings at a time.
    :param retries: for each recording, and for a manifest.
    :param key_template: where recordings lie.
    """

    def __init__(
        self,
        store: Store,
        downloader: Downloader,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        retries: Retries | None = None,
        key_template: KeyTemplate | None = None,
    ) -> None:
        self._store = store
        self._downloader = downloader
        self._concurrency = concurrency
        self._retries = retries or Retries()
        self._key_template = key_template or KeyTemplate()

    @property
    def destination(self) -> str:
        return self._store.destination

    def receipt(self, window: ExportWindow) -> Receipt | None:
        return self.receipt_and_version(window)[0]

    def receipt_and_version(self, window: ExportWindow) -> tuple[Receipt | None, Version | None]:
        content = self._store.read(layout.receipt_key(window))
        if content is None:
            return None, None
        try:
            return tuple(read_receipt(content)), content.version
        except NoReceipt as error:
            logger.warning("%s in %s proves nothing: %s", layout.receipt_key(window), self.destination, error)
            return None, content.version

    def lines(self, window: ExportWindow) -> Iterator[ReceiptLine] | None:
        content = self._store.read(layout.receipt_key(window))
        return None if content is None else read_receipt(content)

    def put_receipt(
        self, window: ExportWindow, receipt: Iterable[ReceiptLine], replaces: Version | None
    ) -> Version | None:
        key = layout.receipt_key(window)
        written = put_document(self._store, key, write_receipt(receipt), overwrite=replaces or False)
        return None if written is None else written.version

    def report(self, interval: ExportWindow) -> Mapping[str, Any] | None:
        document = document_at(self._store, layout.report_key(interval))
        try:
            found = None if document is None else json.loads(b"".join(document()))
        except ValueError:
            logger.warning("%s in %s is no report", layout.report_key(interval), self.destination)
            return None
        return found if isinstance(found, Mapping) else None

    def put_report(self, interval: ExportWindow, report: Mapping[str, Any]) -> str:
        key = layout.report_key(interval)
        put_document(self._store, key, [json.dumps(report, indent=2).encode(), b"\n"])
        return key

    @property
    def can_index(self) -> bool:
        return can_write_index()

    def put_index(self, interval: ExportWindow, lines: Iterable[tuple[ExportRequest, ReceiptLine]]) -> str:
        key = layout.index_key(interval)
        put_document(self._store, key, write_index(lines))
        return key

    def delivered(self, conversations: Mapping[str, float]) -> Iterator[Recording]:
        return delivered(self._store, conversations)

    def overlooked(self, lines: Iterable[ReceiptLine]) -> Iterator[Recording]:
        return overlooked(self._store, lines)

    def verify(self, lines: Collection[ReceiptLine]) -> Iterator[tuple[ReceiptLine, str]]:
        return differences(self._store, lines, retries=self._retries, concurrency=self._concurrency)

    def fetch_manifest(self, job_id: str, url: str) -> Manifest:
        """See :meth:`~airflow_provider_genesys.export.ports.Archive.fetch_manifest`.

        :raises Passing: where a page, a broken body or nothing came in each of the tries.
        :raises Refused: for another 4xx than 403, and for a document beyond all bounds.
        """
        tries = count(1)

        def archive_it() -> Scan:
            scan = Scan(forgiving=next(tries) == self._retries.tries)
            with self._downloader.open(url) as body:
                put_document(self._store, layout.manifest_key(job_id), scan.watch(_manifest_in(body)))
            return scan

        scan = self._retries.call(f"manifest of job {job_id}", archive_it)
        document = document_at(self._store, layout.manifest_key(job_id))
        if document is None:
            raise Passing(f"the manifest of job {job_id} was archived and went away again")
        return read_manifest(job_id, document, scan)

    def put_manifest(self, job_id: str, document: Mapping[str, Any]) -> Manifest:
        body = json.dumps(document, indent=1).encode()
        put_document(self._store, layout.manifest_key(job_id), [body, b"\n"])
        return read_manifest(job_id, lambda: [body])

    def manifest(self, job_id: str) -> Manifest | None:
        document = document_at(self._store, layout.manifest_key(job_id))
        return None if document is None else read_manifest(job_id, document)

    def fetch(
        self,
        recordings: Sequence[Recording],
        window: ExportWindow,
        media_format: str,
        *,
        overwrite: bool,
        proceed: Callable[[], None],
        resumed: bool = False,
    ) -> Generator[tuple[Recording, Outcome], None, None]:
        """See :meth:`~airflow_provider_genesys.export.ports.Archive.fetch`.

        ``proceed`` is called by the threads of the transfer, by one at a time, and before each further try as well.
        """
        keys = {
            recording: self._key_template.key(recording, recording.extension or media_format, window)
            for recording in recordings
        }
        in_order = sorted(recordings, key=keys.__getitem__)
        self._store.remove_unfinished(keys.values())
        there = set() if overwrite else self._there([keys[recording] for recording in in_order], resumed)

        with Relay(self._downloader, self._store, self._retries) as relay:

            def archive_one(recording: Recording, reins: Reins) -> StoredObject:
                key = keys[recording]
                found = self._found(key) if key in there else None
                return found or self._carry(relay, recording, key, overwrite, reins)

            yield from transfer(
                in_order, archive_one, proceed=proceed, retries=self._retries, concurrency=self._concurrency
            )

    def _there(self, keys: Sequence[str], resumed: bool) -> set[str]:
        """Which of these keys, which are in order, have their object already.

        A transfer goes by that order, some at a time: where none of as many first ones is there, nothing is, as long as
        nobody knows better.
        """
        first = keys[: max(self._concurrency, DEFAULT_CONCURRENCY)]
        try:
            if resumed or self._store.find_all(first):
                return set(self._store.find_all(keys))
        except (ExportFailed, Passing) as error:
            logger.warning("What is archived already is found out one by one, since it can't be listed: %s", error)
        return set()

    def _carry(self, relay: Relay, recording: Recording, key: str, overwrite: bool, reins: Reins) -> StoredObject:
        if recording.url is None:
            raise Refused("there is no URL: its transcoding failed")
        reins.start()
        errand = Errand(
            f"recording {recording.recording_id}", recording.url, key, overwrite, reins, recording.media_type
        )
        if found := relay.carry(errand) or self._found(key):
            return found
        raise Passing(f"{key} was there and went away again")

    def _found(self, key: str) -> StoredObject | None:
        """What the archive holds already; read back for its checksum where the store doesn't keep one."""
        found = self._store.find(key)
        if found is None or found.sha256 is not None:
            return found
        read = read_back(self._store, key)
        return replace(found, size=read[0], sha256=read[1]) if read else None


def _manifest_in(body: Body) -> Iterator[bytes]:
    if _PAGE_TYPE.match(body.media_type):
        raise WrongBody(f"{body.host} sent {body.media_type} in place of a manifest")
    for chunk in body:
        if body.received > LARGEST_MANIFEST:
            raise Refused(f"{body.host} sent a manifest of more than {LARGEST_MANIFEST} bytes")
        yield chunk
