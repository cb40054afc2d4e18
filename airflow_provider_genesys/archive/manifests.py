# SPDX-License-Identifier: Apache-2.0
"""Reading a job's manifest. The guide doesn't publish its form, therefore tolerantly, and never by guessing a count."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any, cast

from airflow_provider_genesys.export.model import Manifest

logger = logging.getLogger(__name__)

_LISTS = ("recordings", "entities", "items", "jobDetails")
_IDS = ("id", "recordingId")
_QUERY = re.compile(r"(?i)\b(https?://[^\s?#\"']*)[?#][^\s\"']*")


def is_json(document: bytes) -> bool:
    """Whether the document arrived as JSON at all, of whatever form."""
    try:
        json.loads(document)
    except (ValueError, RecursionError):
        return False
    return True


def read_manifest(job_id: str, document: bytes) -> Manifest:
    """The recordings that a manifest lists: a JSON list, or an object with one under a known name.

    A duplicate id is one recording; the first entry's metadata stays. Presigned URLs lose their query, since
    metadata goes into receipts.

    :return: without recordings, and with a warning, where the document is anything else or one entry has no id: a
        count that leaves entries out would be no source of truth.
    """
    try:
        return Manifest(job_id, _recordings(document))
    except (ValueError, RecursionError) as error:
        logger.warning("The manifest of job %s is archived, but lists no recordings in a known form: %s", job_id, error)
        return Manifest(job_id, None)


def _recordings(document: bytes) -> Mapping[str, Mapping[str, Any]]:
    entries = _entries(json.loads(document))
    recordings: dict[str, Mapping[str, Any]] = {}
    for position, entry in enumerate(entries, start=1):
        recording_id = _id(entry)
        if not recording_id:
            raise ValueError(f"entry {position} of {len(entries)} has neither {' nor '.join(_IDS)}")
        recordings.setdefault(recording_id, _without_secrets(entry))
    return recordings


def _entries(document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    for name in _LISTS if isinstance(document, dict) else ():
        if isinstance(document.get(name), list):
            return cast("list[Any]", document[name])
    raise ValueError(f"it is neither a list nor an object with one of {', '.join(_LISTS)}")


def _id(entry: Any) -> str | None:
    ids = (entry.get(name) for name in _IDS) if isinstance(entry, dict) else ()
    return next((str(value) for value in ids if isinstance(value, (str, int)) and value != ""), None)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_without_secrets(member) for member in value]
    return _QUERY.sub(r"\1", value) if isinstance(value, str) else value
