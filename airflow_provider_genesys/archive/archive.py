# SPDX-License-Identifier: Apache-2.0
"""The archive: the ``Archive`` port over a store and a downloader."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from airflow_provider_genesys.archive import layout
from airflow_provider_genesys.archive.download import Downloader
from airflow_provider_genesys.archive.manifests import is_json, read_manifest
from airflow_provider_genesys.archive.receipts import read_receipt, write_receipt
from airflow_provider_genesys.archive.relay import Errand, Relay
from airflow_provider_genesys.archive.retries import Retries
from airflow_provider_genesys.archive.stores import Attributes, Store
from airflow_provider_genesys.archive.transfer import Outcome, Reins, transfer
from airflow_provider_genesys.archive.writing import media_type, write_object
from airflow_provider_genesys.export.errors import ExportFailed, Passing, Refused, WrongBody
from airflow_provider_genesys.export.model import ExportWindow, Manifest, Receipt, ReceiptLine, Recording, StoredObject

logger = logging.getLogger(__name__)

DEFAULT_CONCURRENCY = 32
"""Recordings at a time: with a round trip of tens of milliseconds it is this that makes a transfer fast."""

LARGEST_MANIFEST = 512 * 1024 * 1024
"""Bytes; a manifest is read into memory, so that there has to be a bound."""

_PAGE_TYPE = re.compile(r".*\b(html|xml)\b")


class ObjectArchive:
    """One destination of the user's object storage.

    :param store: where the objects go.
    :param downloader: where they come from.
    :param concurrency: recordings at a time.
    :param retries: for each recording, and for a manifest.
    """

    def __init__(
        self,
        store: Store,
        downloader: Downloader,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        retries: Retries | None = None,
    ) -> None:
        self._store = store
        self._downloader = downloader
        self._concurrency = concurrency
        self._retries = retries or Retries()

    @property
    def destination(self) -> str:
        return self._store.destination

    def receipt(self, window: ExportWindow) -> Receipt | None:
        document = self._document(layout.receipt_key(window))
        return None if document is None else read_receipt(document)

    def put_receipt(self, window: ExportWindow, receipt: Iterable[ReceiptLine]) -> None:
        self._put_document(layout.receipt_key(window), write_receipt(receipt))

    def put_report(self, interval: ExportWindow, report: Mapping[str, Any]) -> str:
        key = layout.report_key(interval)
        self._put_document(key, [json.dumps(report, indent=2).encode(), b"\n"])
        return key

    def fetch_manifest(self, job_id: str, url: str) -> Manifest:
        """See :meth:`~airflow_provider_genesys.export.ports.Archive.fetch_manifest`.

        :raises Passing: where a page, a broken body or nothing came in each of the tries.
        :raises Refused: for another 4xx than 403, and for a document beyond all bounds.
        """
        try:
            document = self._retries.call(f"manifest of job {job_id}", lambda: self._download_manifest(url))
        except _Garbled as error:
            document = error.document
        self._put_document(layout.manifest_key(job_id), [document])
        return read_manifest(job_id, document)

    def manifest(self, job_id: str) -> Manifest | None:
        document = self._document(layout.manifest_key(job_id))
        return None if document is None else read_manifest(job_id, document)

    def fetch(
        self,
        recordings: Sequence[Recording],
        media_format: str,
        *,
        overwrite: bool,
        proceed: Callable[[], None],
        resumed: bool = False,
    ) -> Iterator[tuple[Recording, Outcome]]:
        """See :meth:`~airflow_provider_genesys.export.ports.Archive.fetch`.

        ``proceed`` is called by the threads of the transfer, by one at a time, and before each further try as well.
        """
        keys = {recording: self._key(recording, media_format) for recording in recordings}
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

    def _key(self, recording: Recording, media_format: str) -> str:
        return layout.recording_key(recording.recording_id, media_format)

    def _there(self, keys: Sequence[str], resumed: bool) -> set[str]:
        """Which of these keys, which are in order, have their object already.

        A transfer begins with the first key: where that is not there, nothing is, as long as nobody knows better.
        """
        try:
            if resumed or self._store.find_all(keys[:1]):
                return set(self._store.find_all(keys))
        except (ExportFailed, Passing) as error:
            logger.warning("What is archived already is found out one by one, since it can't be listed: %s", error)
        return set()

    def _carry(self, relay: Relay, recording: Recording, key: str, overwrite: bool, reins: Reins) -> StoredObject:
        if recording.url is None:
            raise Refused("there is no URL: its transcoding failed")
        reins.start()
        errand = Errand(f"recording {recording.recording_id}", recording.url, key, overwrite, reins)
        if found := relay.carry(errand) or self._found(key):
            return found
        raise Passing(f"{key} was there and went away again")

    def _found(self, key: str) -> StoredObject | None:
        """What the archive holds already; read back for its checksum where the store doesn't keep one."""
        found = self._store.find(key)
        if found is None or found.sha256 is not None:
            return found
        chunks = self._store.read(key)
        if chunks is None:
            return None
        size, sha256 = 0, hashlib.sha256()
        for chunk in chunks:
            size += len(chunk)
            sha256.update(chunk)
        return replace(found, size=size, sha256=sha256.hexdigest())

    def _put_document(self, key: str, body: Iterable[bytes]) -> None:
        self._store.remove_unfinished([key])
        write_object(self._store, key, body, Attributes(media_type(key)))

    def _document(self, key: str) -> bytes | None:
        chunks = self._store.read(key)
        return None if chunks is None else b"".join(chunks)

    def _download_manifest(self, url: str) -> bytes:
        with self._downloader.open(url) as body:
            if _PAGE_TYPE.match(body.media_type):
                raise WrongBody(f"{body.host} sent {body.media_type} in place of a manifest")
            chunks = []
            for chunk in body:
                chunks.append(chunk)
                if body.received > LARGEST_MANIFEST:
                    raise Refused(f"{body.host} sent a manifest of more than {LARGEST_MANIFEST} bytes")
        document = b"".join(chunks)
        if not is_json(document):
            raise _Garbled(document)
        return document


class _Garbled(WrongBody):
    """A manifest that is no JSON. Worth another try; in the end it is archived as it came."""

    def __init__(self, document: bytes) -> None:
        super().__init__("the manifest is no JSON")
        self.document = document
