# SPDX-License-Identifier: Apache-2.0
"""A container of Azure Blob Storage as a store."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from os.path import commonprefix
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobBlock, BlobProperties, BlobServiceClient, ContainerClient, ContentSettings
from azure.storage.blob import ExponentialRetry as Retry
from requests import Session

from airflow_provider_genesys.archive.redaction import redact_urllib3
from airflow_provider_genesys.archive.stores import PART, Attributes, Bytes, Content, Overwrite, Upload
from airflow_provider_genesys.archive.stores.sending import Readable, widen
from airflow_provider_genesys.export.errors import ExportError, ExportFailed, Passing
from airflow_provider_genesys.export.model import StoredObject, Version

ROLE = "Storage Blob Data Contributor"
"""Grants all that an archive needs."""

KEPT_OPTIONS = ("connection_verify", "connection_cert")
"""Extras of an Airflow connection that say how to connect, beside ``proxies``."""

_MOST_BLOCKS = 50_000
_COPIED = 1024 * 1024
"""Bytes: the client copies what goes up in one request; what is larger goes up as a block, by two requests."""
_LOOK_UPS_PER_PAGE = 20
"""A page is worth reading as long as it spares so many look-ups of one object."""
_LOOK_UPS_AT_ONCE = 16
_ETAG, _SHA256 = "source_etag", "sha256"
_PRESENT = {"BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"}
_PASSING = {"Md5Mismatch", "InvalidBlockList", "OperationTimedOut", "ServerBusy", "InternalError"}
"""Beside the statuses 408, 429 and 5xx. ``InvalidBlockList``: another transfer of the same recording came before."""


class AzureStore:
    """Objects below a prefix of a container.

    The store checks the MD5 of each request and creates an object only where there is none, or replaces one version of
    it only, all by itself. A version is an ETag.

    :param container: as :func:`container_client` makes it.
    :param prefix: without a leading slash; empty for the whole container.
    :param page: objects of a listing's page; the service gives 5,000 at most.
    """

    parts_in_order = False

    def __init__(self, container: ContainerClient, prefix: str = "", *, page: int = 5000) -> None:
        redact_urllib3()  # a SAS is a part of URLs
        self._page = page
        self._container = container
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @property
    def destination(self) -> str:
        """The URL: a container's name alone tells not which account it is of."""
        url = urlsplit(self._container.url)
        return f"{url.scheme}://{url.netloc}{url.path}/{self._prefix}".rstrip("/")

    def find(self, key: str) -> StoredObject | None:
        try:
            with self._asking():
                properties = self._blob(key).get_blob_properties()
        except _Absent:
            return None
        return _stored(key, properties)

    def find_all(self, keys: Collection[str]) -> dict[str, StoredObject]:
        """See :meth:`~airflow_provider_genesys.archive.stores.Store.find_all`.

        A listing can't be told where to begin by every version of the API. So it is read from the beginning of what
        the keys have in common, for as many pages as are worth it; what is left then is looked up one by one.
        """
        wanted = {self._prefix + key: key for key in keys}
        found: dict[str, StoredObject] = {}
        if not wanted:
            return found
        listing: Any = self._container.list_blobs(
            name_starts_with=commonprefix(list(wanted)),  # noqa: RUF071 - a prefix of keys is one of characters
            include=["metadata"],
            results_per_page=self._page,
        ).by_page()
        for _ in range(1 + len(wanted) // _LOOK_UPS_PER_PAGE):
            with self._asking():
                page = {properties.name: properties for properties in next(listing, ())}
            found.update({wanted[name]: _stored(wanted[name], page[name]) for name in page.keys() & wanted.keys()})
            if not listing.continuation_token or len(found) == len(wanted):
                return found
        with ThreadPoolExecutor(_LOOK_UPS_AT_ONCE, thread_name_prefix="look-up") as threads:
            for one in threads.map(self.find, wanted.values() - found.keys()):
                if one is not None:
                    found[one.key] = one
        return found

    def read(self, key: str) -> Content | None:
        try:
            with self._asking():
                download = self._blob(key).download_blob()
        except _Absent:
            return None

        def chunks() -> Iterator[bytes]:
            with self._asking():
                yield from download.chunks()

        return Content(Version(download.properties.etag), chunks())

    def put(
        self, key: str, body: Bytes, attributes: Attributes, *, sha256: str, overwrite: Overwrite = False
    ) -> StoredObject | None:
        if len(body) > _COPIED:
            return self._put_as_block(key, body, attributes, sha256, overwrite)
        md5 = hashlib.md5(body, usedforsecurity=False).digest()
        try:
            with self._asking():
                answer = self._blob(key).upload_blob(
                    bytes(body),
                    length=len(body),
                    overwrite=True,
                    metadata=_metadata(attributes, sha256),
                    content_settings=ContentSettings(content_type=attributes.media_type, content_md5=bytearray(md5)),
                    headers=_checked_by(md5),
                    **_condition(overwrite),
                )
        except (_Present, _Absent):
            # blocks that a killed writer left may be taken for an object here, though not where a block list is put
            if isinstance(overwrite, str) or self.find(key):
                return None
            return self._put_as_block(key, body, attributes, sha256, overwrite)
        return StoredObject(key, len(body), sha256, attributes.source_etag, f"md5:{md5.hex()}", Version(answer["etag"]))

    def begin(
        self, key: str, attributes: Attributes, *, size: int | None = None, overwrite: Overwrite = False
    ) -> Upload:
        return _AzureUpload(self, key, attributes, max(PART, -(-(size or 0) // _MOST_BLOCKS)), overwrite)

    def _put_as_block(
        self, key: str, body: Bytes, attributes: Attributes, sha256: str, overwrite: Overwrite
    ) -> StoredObject | None:
        upload = self.begin(key, attributes, overwrite=overwrite)
        upload.put_part(1, body)
        return upload.complete(sha256)

    def remove_unfinished(self, keys: Collection[str]) -> None:
        """Nothing: blocks that belong to no blob can't be read, the next object under their key takes them away, and
        the service does after a week. Whoever removed them before would remove those of a live writer as well."""

    def _blob(self, key: str) -> Any:
        return self._container.get_blob_client(self._prefix + key)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Tell the client's errors in ours. Its own words may hold a URL, and with it a SAS."""
        try:
            yield
        except HttpResponseError as error:
            raise self._told(error) from None
        except AzureError as error:
            raise Passing(f"no answer from {self.destination} ({type(error).__name__})") from None

    def _told(self, error: HttpResponseError) -> ExportError:
        code = getattr(error, "error_code", None) or type(error).__name__
        code = str(getattr(code, "value", code))  # some of them are members of an enumeration
        status = error.status_code
        container = self._container.container_name
        if code == "BlobNotFound":
            return _Absent(f"{self.destination} has no such object any more")
        if code in _PRESENT:
            return _Present(f"another object came to {self.destination} meanwhile")
        if code == "ContainerNotFound":
            return ExportFailed(f"there is no container {container!r}: create it, or name another destination")
        if status in (None, 401, 403):
            return ExportFailed(
                f"container {container!r} denied a request ({code}): check the connection's credentials, and that "
                f"they may read, add, write and list objects of {self.destination}: the role {ROLE!r} grants that"
            )
        words = f"{self.destination} answered {status} {code}"
        passing = code in _PASSING or status in (408, 429) or status >= 500
        return Passing(words) if passing else ExportFailed(words)


class _AzureUpload:
    """Blocks that a block list makes an object of. Their ids are this writer's own: two writers of a key share the
    room for blocks, and the same id of both would mix their bytes."""

    def __init__(
        self, store: AzureStore, key: str, attributes: Attributes, part_size: int, overwrite: Overwrite
    ) -> None:
        self.part_size = part_size
        self._store = store
        self._key = key
        self._attributes = attributes
        self._condition = _condition(overwrite)
        self._writer = uuid4().hex
        self._sizes: dict[int, int] = {}

    def put_part(self, number: int, body: Bytes) -> None:
        with self._store._asking(), Readable(body) as part:
            self._store._blob(self._key).stage_block(
                self._block(number),
                part,
                length=len(body),
                headers=_checked_by(hashlib.md5(body, usedforsecurity=False).digest()),
            )
        self._sizes[number] = len(body)

    def complete(self, sha256: str) -> StoredObject | None:
        try:
            with self._store._asking():
                answer = self._store._blob(self._key).commit_block_list(
                    [BlobBlock(self._block(number)) for number in sorted(self._sizes)],
                    metadata=_metadata(self._attributes, sha256),
                    content_settings=ContentSettings(content_type=self._attributes.media_type),
                    **self._condition,
                )
        except (_Present, _Absent):
            return None
        size, etag = sum(self._sizes.values()), answer["etag"]
        return StoredObject(self._key, size, sha256, self._attributes.source_etag, _etag(etag), Version(etag))

    def abort(self) -> None:
        """Nothing: see :meth:`AzureStore.remove_unfinished`."""

    def _block(self, number: int) -> str:
        return f"{self._writer}-{number:05}"


class _Absent(ExportFailed):
    """There is no such object."""


class _Present(Passing):
    """There is one already, or another one."""


def container_client(
    service: BlobServiceClient,
    container: str,
    connections: int,
    options: dict[str, Any] | None = None,
    *,
    tries: int = 3,
) -> ContainerClient:
    """A container's client of its own: with as many connections to keep open as there are threads to use them, bounded
    buffers, and tries that are over so quickly that the provider's are the ones that count.

    :param service: its account and credentials are taken over.
    :param connections: threads.
    :param tries: the client's own, the first included.
    :param options: the Airflow connection's extras, of which :data:`KEPT_OPTIONS` and ``proxies`` are kept.
    """
    options = options or {}
    transport = RequestsTransport(
        session=widen(Session(), connections),
        connection_timeout=10,
        read_timeout=60,
        **{name: options[name] for name in KEPT_OPTIONS if name in options},
    )
    return ContainerClient(
        service.url,
        container,
        credential=service.credential,
        api_version=service.api_version,
        transport=transport,
        retry_policy=Retry(initial_backoff=1, increment_base=2, retry_total=tries - 1, random_jitter_range=1),
        max_single_get_size=PART,
        max_chunk_get_size=PART,
        **({"proxies": options["proxies"]} if "proxies" in options else {}),
    )


def _condition(overwrite: Overwrite) -> dict[str, Any]:
    if isinstance(overwrite, bool):
        return {} if overwrite else {"match_condition": MatchConditions.IfMissing}
    return {"match_condition": MatchConditions.IfNotModified, "etag": overwrite}


def _checked_by(md5: bytes) -> dict[str, str]:
    """The header by which the service checks the bytes of a request."""
    return {"Content-MD5": base64.b64encode(md5).decode()}


def _metadata(attributes: Attributes, sha256: str) -> dict[str, str]:
    """Names are C#'s identifiers here, and values go in headers."""
    etag = attributes.source_etag
    return {_SHA256: sha256, **({_ETAG: etag} if etag and etag.isascii() else {})}


def _stored(key: str, properties: BlobProperties) -> StoredObject:
    known = properties.metadata or {}
    md5 = properties.content_settings.content_md5
    checksum = f"md5:{bytes(md5).hex()}" if md5 else _etag(properties.etag)
    version = Version(properties.etag)
    return StoredObject(key, properties.size, known.get(_SHA256), known.get(_ETAG), checksum, version)


def _etag(etag: str) -> str:
    return f"etag:{etag.strip(chr(34))}"
