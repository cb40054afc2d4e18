# SPDX-License-Identifier: Apache-2.0
"""From what a person types to the request that is meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from airflow_provider_genesys.cli.definition import time_of
from airflow_provider_genesys.export.entry import Entry
from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import ExportWindow

if TYPE_CHECKING:
    from airflow_provider_genesys.export.ports import Ledger

LEAST_OF_A_KEY = 8
"""Digits of a key that stand for it where no other key begins with them."""

_KEY = re.compile(f"[0-9a-f]{{{LEAST_OF_A_KEY},64}}")
_WINDOW = re.compile(r"\[?(?P<start>[^/_,\s]+)(?:/|_|,\s*)(?P<end>[^/_,\s)]+)\)?")
_NAMED = 5


def by_key(ledger: Ledger, key: str) -> Entry:
    """The entry of a key or of its first digits.

    :raises InvalidInput: where there is none, or more than one.
    """
    if not _KEY.fullmatch(key):
        raise InvalidInput(f"{key!r} is no key: give {LEAST_OF_A_KEY} or more of its hexadecimal digits")
    entry = ledger.entry(key)
    return entry or _only(ledger, key, lambda entry: entry.request.key.startswith(key))


def by_anything(ledger: Ledger, which: str) -> Entry:
    """The entry of a key, of its first digits, of a job's id or of a window.

    A window is written as an ISO 8601 interval, as messages write it, or as the archive's keys do.

    :raises InvalidInput: where there is none, or more than one.
    """
    window = _window(which)
    is_key = _KEY.fullmatch(which) is not None

    def matches(entry: Entry) -> bool:
        return (
            (entry.request.window == window and not entry.request.conversations)
            or (is_key and entry.request.key.startswith(which))
            or any(attempt.job_id == which for attempt in entry.attempts)
        )

    return _only(ledger, which, matches)


def _only(ledger: Ledger, which: str, matches: Callable[[Entry], bool]) -> Entry:
    matching: Iterator[Entry] = (entry for entry in ledger.entries() if matches(entry))
    found = list(islice(matching, _NAMED + 1))
    if not found:
        raise InvalidInput(f"nothing in this ledger has the key, job or window {which!r}")
    if len(found) > 1:
        keys = ", ".join(f"{entry.request.key[:12]} ({entry.request.media_format})" for entry in found[:_NAMED])
        raise InvalidInput(f"{which!r} is more than one: {keys}{', …' if len(found) > _NAMED else ''}. Give the key")
    return found[0]


def _window(text: str) -> ExportWindow | None:
    ends = _WINDOW.fullmatch(text)
    if ends is None:
        return None
    try:
        return ExportWindow(time_of(ends["start"]), time_of(ends["end"]))
    except (ValueError, InvalidInput):
        return None
