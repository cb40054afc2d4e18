# SPDX-License-Identifier: Apache-2.0
"""Reading a job's manifest, whatever its length. The guide doesn't publish its form, therefore tolerantly, and never by
guessing a count."""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

import ijson

from airflow_provider_genesys.export.errors import WrongBody
from airflow_provider_genesys.export.model import Manifest

logger = logging.getLogger(__name__)

_LISTS = ("recordings", "entities", "items", "jobDetails")
_PATHS: dict[str | None, str] = {None: "item", **{name: f"{name}.item" for name in _LISTS}}
"""Of the entries, as ``ijson`` writes one: where the document itself is the list, or by the list's name."""
_IDS = ("id", "recordingId")
_QUERY = re.compile(r"(?i)\b(https?://[^\s?#\"']*)[?#][^\s\"']*")
_DEEPEST = 50
"""Levels of nesting; the parser's memory grows with their square."""

Document = Callable[[], Iterable[bytes]]
"""A document's bytes in chunks, from its beginning with each call."""


class Garbled(WrongBody):
    """A manifest that is no JSON. Worth another try; in the end it is archived as it came."""


class Scan:
    """Looks at a document while it passes: whether it is JSON, and where its list of recordings is.

    What it sees it forgets, so that a document of any length takes the memory of a chunk.

    :param forgiving: let a document that is no JSON pass all the same.
    """

    def __init__(self, *, forgiving: bool = False) -> None:
        self._forgiving = forgiving
        self._events = ijson.sendable_list()
        self._parser = _Parser(ijson.basic_parse_coro(self._events))
        self._fault: Garbled | None = None
        self._depth = 0
        self._deepest = 0
        self._key: str | None = None
        self._lists: set[str | None] = set()

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass a whole document on.

        :raises Garbled: where it is no JSON, in the middle or at its end.
        """
        for chunk in chunks:
            self._judge(partial(self._parser.send, chunk))
            yield chunk
        self._judge(self._parser.close)

    @property
    def path(self) -> str:
        """Where the entries of the list are in the document that passed, as ``ijson`` writes it.

        :raises ValueError: for a document in no form that is known.
        """
        if self._fault:
            raise ValueError("it is no JSON")
        if self._deepest > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
        found = next((path for name, path in _PATHS.items() if name in self._lists), None)
        if found is None:
            raise ValueError(f"it is neither a list nor an object with one of {', '.join(_LISTS)}")
        return found

    def _judge(self, parse: Callable[[], None]) -> None:
        if self._fault:
            return
        try:
            parse()
        except Garbled as fault:
            if not self._forgiving:
                raise
            self._fault = fault
        self._look()

    def _look(self) -> None:
        for event, value in self._events:
            if event in ("start_map", "start_array"):
                if event == "start_array" and self._depth <= 1:
                    self._lists.add(self._key)  # None, until an object has named one
                self._depth += 1
                self._deepest = max(self._deepest, self._depth)
            elif event in ("end_map", "end_array"):
                self._depth -= 1
            elif event == "map_key" and self._depth == 1:
                self._key = value
        self._events.clear()


def read_manifest(job_id: str, document: Document, scan: Scan | None = None) -> Manifest:
    """The recordings that a manifest lists: a JSON list, or an object with one under a known name.

    :param document: read once here, and once by everyone who iterates over the manifest's recordings.
    :param scan: one that has seen the document pass already.
    :return: without recordings, and with a warning, where the document is anything else or one entry has no id: a
        count that leaves entries out would be no source of truth.
    """
    try:
        recordings = _Recordings(document, (scan or _scanned(document)).path)
        for position, entry in enumerate(recordings.entries(), start=1):
            if not _id(entry):
                raise ValueError(f"its entry {position} has neither {' nor '.join(_IDS)}")
    except (ValueError, Garbled) as error:
        logger.warning("The manifest of job %s is archived, but lists no recordings in a known form: %s", job_id, error)
        return Manifest(job_id, None)
    return Manifest(job_id, recordings)


@dataclass(frozen=True)
class _Recordings:
    """Id and metadata of every entry of a manifest. Presigned URLs lose their query, since metadata goes into receipts.

    :param path: of the entries, as ``ijson`` writes one.
    """

    document: Document = field(repr=False)
    path: str

    def __iter__(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for entry in self.entries():
            yield _id(entry) or "", _without_secrets(entry)

    def entries(self) -> Iterator[Any]:
        """The entries as they are."""
        entries = ijson.sendable_list()
        parser = _Parser(ijson.items_coro(entries, self.path))
        for chunk in self.document():
            parser.send(chunk)
            yield from entries
            entries.clear()


class _Parser:
    """One of ``ijson``'s, which know no mark of byte order, and whose errors quote the document: a presigned URL."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        self._head: bytes | None = b""

    def send(self, chunk: bytes) -> None:
        if self._head is not None:
            chunk = self._head + chunk
            self._head = chunk if len(chunk) < len(codecs.BOM_UTF8) else None
            if self._head is not None:
                return
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
        self._send(chunk)

    def close(self) -> None:
        self._send(self._head or b"")
        with _told():
            self._parser.close()

    def _send(self, chunk: bytes) -> None:
        if chunk:  # an empty one would mean the end
            with _told():
                self._parser.send(chunk)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ijson.JSONError:
        raise Garbled("the manifest is no JSON") from None


def _scanned(document: Document) -> Scan:
    scan = Scan()
    for _ in scan.watch(document()):
        pass
    return scan


def _id(entry: Any) -> str | None:
    ids = (entry.get(name) for name in _IDS) if isinstance(entry, dict) else ()
    return next((str(value) for value in ids if isinstance(value, (str, int)) and value != ""), None)


def _without_secrets(value: Any) -> Any:
    """A value as JSON has it: ``ijson`` gives fractions as decimals."""
    if isinstance(value, str):
        return _QUERY.sub(r"\1", value) if "://" in value else value
    if isinstance(value, dict):
        return {name: _without_secrets(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_without_secrets(member) for member in value]
    return float(value) if isinstance(value, Decimal) else value
