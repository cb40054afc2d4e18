# SPDX-License-Identifier: Apache-2.0
"""The domain's dataclasses as flat documents: what a ledger writes, whatever it is made of.

A document's fields are texts, numbers and None, so that it is a SQL row, a Redis hash or a DynamoDB item alike; lists
and objects in it are JSON text. Windows are written as UTC ISO 8601 of one width: exact, readable, and in text order
the order of time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Entry, RequestState, Standing
from airflow_provider_genesys.export.model import AUDIO, ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.export.polling import DURATIONS_KEPT

Document = Mapping[str, Any]

NO_CONVERSATIONS = json.dumps(())
"""The ``conversations`` of a request for a whole window; None in a document from before there was that field."""

ATTEMPT_FIELDS = tuple(field.name for field in fields(Attempt))

STANDING_FIELDS = (
    "request_key",
    "host",
    "client_id",
    "window_start",
    "window_end",
    "media_format",
    "filters",
    "media",
    "state",
    "destinations",
    "attempts",
    "error",
    "checked_at",
)
"""The fields of a request's document that :func:`standings_of` reads; ``attempts`` is their number."""

COMPACTED = (RequestState.ARCHIVED, RequestState.SPLIT)
"""The states of requests that nothing more is to be done for: their entries may be removed after a time."""


def request_document(request: ExportRequest) -> dict[str, Any]:
    """What never changes of a request, its key included."""
    return {
        "request_key": request.key,
        "host": request.organisation.host,
        "client_id": request.organisation.client_id,
        **window_document(request.window),
        "media_format": request.media_format,
        "filters": json.dumps(dict(request.filters), sort_keys=True),
        "media": json.dumps(request.media),
        "conversations": json.dumps(request.conversations),
    }


def state_document(entry: Entry) -> dict[str, Any]:
    """What a save writes of an entry, but for its attempts."""
    return {
        "state": entry.state.value,
        "generation": entry.generation,
        "children": windows_text(entry.children),
        "parts": json.dumps(entry.parts),
        "destinations": json.dumps(entry.destinations),
        "forced_by": storable(entry.forced_by),
        "error": storable(entry.error),
        "checked_at": entry.checked_at,
    }


def attempt_document(attempt: Attempt) -> dict[str, Any]:
    """An attempt, field by field."""
    return {
        **asdict(attempt),
        "status": attempt.status.value,
        "reason": storable(attempt.reason),
        "error": storable(attempt.error),
        "conversations": json.dumps(attempt.conversations),
    }


def entry_of(document: Document, attempts: Iterable[Attempt]) -> Entry:
    """Read what :func:`request_document` and :func:`state_document` wrote; the lease is the ledger's to add.

    :param attempts: in any order.
    """
    return Entry(
        request=ExportRequest(
            organisation=Organisation(host=document["host"], client_id=document["client_id"]),
            window=window_of(document),
            media_format=document["media_format"],
            filters=json.loads(document["filters"]),
            media=_texts(document, "media", AUDIO),
            conversations=_texts(document, "conversations"),
        ),
        state=RequestState(document["state"]),
        generation=document["generation"],
        attempts=in_order(attempts),
        children=windows_of(document["children"]),
        parts=_texts(document, "parts"),
        destinations=tuple(json.loads(document["destinations"])),
        forced_by=document["forced_by"],
        error=document["error"],
        checked_at=document.get("checked_at"),  # in a document from before there was that field: never
    )


def standings_of(documents: Iterable[Document]) -> list[Standing]:
    """Standings by window.

    :param documents: of requests for whole windows, with the number of their ``attempts``. Thousands of them ask for
        the same but for the window, so that this much is read once.
    """
    return [
        Standing(
            request=ExportRequest(
                *_asker_and_window(document),
                document["media_format"],
                _json(document["filters"]),
                _json_texts(document.get("media")) or AUDIO,
            ),
            state=RequestState(document["state"]),
            destinations=_json_texts(document["destinations"]),
            attempts=document["attempts"],
            error=document["error"],
            checked_at=document.get("checked_at"),
        )
        for document in sorted(documents, key=_by_window)
    ]


def attempt_of(document: Document) -> Attempt:
    """Read what :func:`attempt_document` wrote; other fields of the document are passed over."""
    attempt = {name: document[name] for name in ATTEMPT_FIELDS if name != "conversations"}
    special = {"status": AttemptStatus(document["status"]), "conversations": _texts(document, "conversations")}
    return Attempt(**{**attempt, **special})


def in_order(attempts: Iterable[Attempt]) -> tuple[Attempt, ...]:
    """Attempts as an :class:`Entry` holds them: by generation, then by number."""
    return tuple(sorted(attempts, key=lambda attempt: (attempt.generation, attempt.number)))


def window_document(window: ExportWindow) -> dict[str, str]:
    """A window as two fields."""
    return {"window_start": time_text(window.start), "window_end": time_text(window.end)}


def window_of(document: Document) -> ExportWindow:
    """Read what :func:`window_document` wrote."""
    return window_between(document["window_start"], document["window_end"])


def window_between(start: str, end: str) -> ExportWindow:
    """A window by the texts of its two times."""
    return ExportWindow(datetime.fromisoformat(start), datetime.fromisoformat(end))


def windows_text(windows: Sequence[ExportWindow]) -> str:
    """Windows as JSON text: a list of pairs."""
    return json.dumps([[time_text(window.start), time_text(window.end)] for window in windows])


def windows_of(text: str) -> tuple[ExportWindow, ...]:
    """Read what :func:`windows_text` wrote."""
    return tuple(window_between(start, end) for start, end in json.loads(text))


def with_duration(text: str, recordings: int, seconds: float) -> str:
    """Durations as JSON text with one more, newest first; the oldest are dropped."""
    return json.dumps([[recordings, seconds], *json.loads(text)][:DURATIONS_KEPT])


def durations_of(text: str) -> tuple[tuple[int, float], ...]:
    """Read what :func:`with_duration` wrote."""
    return tuple((recordings, seconds) for recordings, seconds in json.loads(text))


def organisation_of(text: str) -> Organisation:
    """Read an organisation's text; a host has no ``@``."""
    client_id, _, host = text.rpartition("@")
    return Organisation(host=host, client_id=client_id)


def epoch_text(seconds: float) -> str:
    """Epoch seconds as :func:`time_text`."""
    return time_text(datetime.fromtimestamp(seconds, UTC))


def time_text(time: datetime) -> str:
    """An aware time as UTC ISO 8601 with six decimals and a final Z."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def storable(text: str) -> str:
    """Other people's words without what some databases refuse: a NUL and half a surrogate pair.

    An error message must never be the reason why a failure could not be written down.
    """
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _texts(document: Document, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """A list of texts; ``default`` in a document from before there was that field."""
    text = document.get(name)
    return tuple(json.loads(text)) if text else default


def _by_window(document: Document) -> tuple[str, str, str]:
    return document["window_start"], document["window_end"], document["request_key"]


def _asker_and_window(document: Document) -> tuple[Organisation, ExportWindow]:
    return _organisation(document["host"], document["client_id"]), window_of(document)


_organisation = lru_cache(maxsize=64)(Organisation)


@lru_cache(maxsize=64)
def _json(text: str) -> Any:
    return json.loads(text)


@lru_cache(maxsize=64)
def _json_texts(text: str | None) -> tuple[str, ...]:
    return tuple(json.loads(text)) if text else ()
