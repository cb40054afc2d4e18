# SPDX-License-Identifier: Apache-2.0
"""Recordings on their way from their source into a store: small ones in one piece, large ones in parts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from airflow_provider_genesys.archive.audio import refuse_document, refuse_document_type
from airflow_provider_genesys.archive.buffers import Buffers
from airflow_provider_genesys.archive.checksums import Digest
from airflow_provider_genesys.archive.download import Afresh, Body, Downloader, NoRanges
from airflow_provider_genesys.archive.retries import Retries
from airflow_provider_genesys.archive.stores import PART, Attributes, Store, Upload
from airflow_provider_genesys.archive.writing import media_type
from airflow_provider_genesys.export.model import StoredObject

PARTS_AT_A_TIME = 10
"""Parts of large recordings that are under way, of all recordings together; each is some time at the source and some
time at the store. Bytes in flight, those of small recordings included, are as many as these parts hold."""

LARGE_AT_A_TIME = 4
"""Large recordings that are under way: parts of a few that soon end, rather than of many that don't."""

_SLICE = 1024 * 1024
"""Bytes between two looks at whether anybody still waits for them."""


class Watch(Protocol):
    """Who looks on while a recording comes."""

    def received(self, count: int) -> None:
        """Bytes have come; raises where no more are wanted."""

    def pause(self, seconds: float) -> None:
        """Wait before another try."""


@dataclass(frozen=True)
class Errand:
    """A recording to be carried.

    :param what: its name, for the log.
    :param url: presigned, therefore secret.
    :param key: where it goes.
    :param overwrite: replace what is there.
    :param media_type: what the platform says that it is; None where it doesn't say.
    """

    what: str
    url: str = field(repr=False)
    key: str
    overwrite: bool
    watch: Watch
    media_type: str | None = None

    def attributes(self, body: Body) -> Attributes:
        """What is kept with the object."""
        return Attributes(media_type(self.key), body.etag)


class Relay(AbstractContextManager["Relay", None]):
    """Carries recordings for all threads of a transfer, within one bound for the memory of all.

    What is small costs one GET and one request to the store. What is large comes by ranges of a part's size, several
    at a time, and each goes on into the store when it has come; a source that serves no ranges is read in one stream,
    behind which its parts go up. A part that breaks off goes on from its last byte, and the store is asked again
    with the bytes in hand.

    :param retries: for each part; a recording that can't go on from where it broke off is begun afresh by the caller.
    """

    def __init__(self, downloader: Downloader, store: Store, retries: Retries) -> None:
        self._downloader = downloader
        self.store = store
        self.retries = retries
        self.buffers = Buffers(PARTS_AT_A_TIME * PART)
        self.threads = ThreadPoolExecutor(PARTS_AT_A_TIME, thread_name_prefix="part")
        self._large = threading.BoundedSemaphore(LARGE_AT_A_TIME)

    def __exit__(self, *_: object) -> None:
        self.threads.shutdown()
        self.buffers.close()

    def carry(self, errand: Errand) -> StoredObject | None:
        """Bring one recording to its key, whole or not at all.

        :return: None where another writer's object is there already; it stays.
        :raises WrongBody: where something else came than a recording.
        :raises Passing: for another fault that a new beginning may mend.
        """
        try:
            with self._downloader.open(errand.url, range(PART)) as body:
                return self._carried(errand, body)
        except NoRanges:
            with self._downloader.open(errand.url) as body:
                return self._carried(errand, body)

    def _carried(self, errand: Errand, body: Body) -> StoredObject | None:
        refuse_document_type(body, errand.media_type)
        if body.total is not None and body.total <= PART:
            stored = self._whole(errand, body, body.total)
        else:
            with self._large:
                stored = self._by_ranges(errand, body) if body.is_range else self._stream(errand, body)
        return stored and replace(stored, source_etag=body.etag)

    def _whole(self, errand: Errand, body: Body, size: int) -> StoredObject | None:
        with self.buffers.lease(size) as view:
            self._fill(errand, body, piece := _Piece(0, view), body)
            return self._put(errand, body, piece.filled)

    def _by_ranges(self, errand: Errand, body: Body) -> StoredObject | None:
        with _Parts(self, errand, body) as parts:
            total = body.total or 0
            for start in range(0, total, parts.size):
                piece = parts.take(start, min(parts.size, total - start))
                parts.send(partial(self._fill, errand, body, piece, None if start else body))
                if parts.have_failed:
                    break
            return parts.complete()

    def _stream(self, errand: Errand, body: Body) -> StoredObject | None:
        """Read here, one part after the other, while those before go up."""
        with _Parts(self, errand, body) as parts:
            ended = False
            while not (ended or parts.have_failed):
                start = body.received
                piece = parts.take(start, min(parts.size, (body.total or sys.maxsize) - start))
                piece.read(body, errand.watch)
                ended = len(piece.filled) < len(piece.view) or body.received == body.total
                if ended and not start:
                    return self._put(errand, body, piece.filled)
                if piece.filled:  # not every store takes an empty part
                    parts.send()
            return parts.complete()

    def _fill(self, errand: Errand, origin: Body, piece: _Piece, body: Body | None) -> None:
        """Bring a piece of the recording, and go on with it by a range where the connection breaks.

        :param origin: the answer that began the recording, which has to stay the same.
        :param body: an answer that is open and has the piece next.
        """

        def go_on() -> None:
            nonlocal body
            while piece.missing:
                answer, body = body or self._again(errand, origin, piece.missing), None
                with answer:
                    piece.read(answer, errand.watch)

        if origin.is_range:
            self.retries.call(errand.what, go_on, errand.watch.pause, unless=(Afresh,))
        else:
            go_on()

    def _again(self, errand: Errand, origin: Body, span: range) -> Body:
        body = self._downloader.open(errand.url, span, origin.validator)
        if body.start == span.start and (body.total, body.etag) == (origin.total, origin.etag):
            return body
        body.close()
        if body.start != span.start:
            raise NoRanges(f"{body.host} serves no ranges any more")
        raise Afresh(f"{body.host} has another recording under this URL than a moment ago")

    def _put(self, errand: Errand, body: Body, content: memoryview) -> StoredObject | None:
        refuse_document(content, body.host, errand.media_type)
        digest = Digest(body.headers, partial=body.is_partial)
        digest.update(content)
        digest.check(body.host)
        attributes, sha256 = errand.attributes(body), digest.sha256

        def put() -> StoredObject | None:
            return self.store.put(errand.key, content, attributes, sha256=sha256, overwrite=errand.overwrite)

        return self.retries.call(f"storing {errand.what}", put, errand.watch.pause)


class _Piece:
    """A stretch of a recording, and the memory that it comes into.

    :param start: the position in the recording of its first byte.
    """

    def __init__(self, start: int, view: memoryview) -> None:
        self.start = start
        self.view = view
        self._count = 0

    @property
    def filled(self) -> memoryview:
        """What has come of it."""
        return self.view[: self._count]

    @property
    def missing(self) -> range:
        """The positions that are still to come."""
        return range(self.start + self._count, self.start + len(self.view))

    def read(self, body: Body, watch: Watch) -> None:
        """Take what a body has for it."""
        while here := self.view[self._count : self._count + _SLICE]:
            count = body.read_into(here)
            if not count:
                return
            self._count += count
            watch.received(count)


class _Parts(AbstractContextManager["_Parts", None]):
    """The parts of one recording on their way up, hashed in their order. What fails leaves nothing behind.

    Pieces are taken in order, so that the oldest one, for which the others wait to be hashed, always has its memory and
    its thread.

    :ivar size: bytes of every part but the last.
    """

    def __init__(self, relay: Relay, errand: Errand, body: Body) -> None:
        self._relay = relay
        self._errand = errand
        self._body = body
        self._digest = Digest(body.headers, partial=body.is_partial)
        self._upload: Upload | None = self._begun() if body.total else None
        self.size = self._upload.part_size if self._upload else PART
        self._taken: _Piece | None = None
        self._sent: list[Future[None]] = []
        self._hashed = 0
        self._fault: BaseException | None = None
        self._changed = threading.Condition()

    @property
    def have_failed(self) -> bool:
        """Whether it makes no sense to send more."""
        return self._fault is not None

    def take(self, start: int, size: int) -> _Piece:
        """Memory for the next part, as soon as there is some; as much for a last one, so that it does for others."""
        self._taken = _Piece(start, self._relay.buffers.take(self.size)[:size])
        return self._taken

    def send(self, fill: Callable[[], None] = lambda: None) -> None:
        """Send the part that was taken last on its way.

        :param fill: brings its bytes, where they are not there yet.
        """
        self._upload = self._upload or self._begun()
        piece, self._taken = self._taken, None
        if piece is not None:
            number = len(self._sent) + 1
            self._sent.append(self._relay.threads.submit(self._bring, self._upload, number, piece, fill))

    def complete(self) -> StoredObject | None:
        """Wait for all parts, and let the recording appear under its key.

        :return: None where another writer's object is there already; it stays.
        """
        wait(self._sent)
        if self._fault:
            raise self._fault
        self._digest.check(self._body.host)
        return self._upload.complete(self._digest.sha256) if self._upload else None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if self._taken:
            self._relay.buffers.give_back(self._taken.view)
        if error:
            self._fail(error)
            wait(self._sent)
            if self._upload:
                self._upload.abort()

    def _begun(self) -> Upload:
        errand, body = self._errand, self._body
        return self._relay.store.begin(errand.key, errand.attributes(body), size=body.total, overwrite=errand.overwrite)

    def _bring(self, upload: Upload, number: int, piece: _Piece, fill: Callable[[], None]) -> None:
        in_order = self._relay.store.parts_in_order
        try:
            if self.have_failed:
                return
            fill()
            if number == 1:
                refuse_document(piece.filled, self._body.host, self._errand.media_type)
            if not in_order:
                self._put(upload, number, piece)
            if self._is_next(number):
                self._digest.update(piece.filled)
                if in_order:
                    self._put(upload, number, piece)
                self._pass_on()
        except BaseException as error:
            self._fail(error)
        finally:
            self._relay.buffers.give_back(piece.view)

    def _put(self, upload: Upload, number: int, piece: _Piece) -> None:
        what = f"storing part {number} of {self._errand.what}"
        self._relay.retries.call(what, lambda: upload.put_part(number, piece.filled), self._errand.watch.pause)

    def _is_next(self, number: int) -> bool:
        """Wait until all parts before it are hashed; False where that will never be."""
        with self._changed:
            self._changed.wait_for(lambda: self._hashed == number - 1 or self.have_failed)
            return not self.have_failed

    def _pass_on(self) -> None:
        with self._changed:
            self._hashed += 1
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._fault = self._fault or error
            self._changed.notify_all()
