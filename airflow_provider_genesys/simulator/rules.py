# SPDX-License-Identifier: Apache-2.0
"""What the settings of a universe may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from airflow_provider_genesys.simulator.faults import Fault


def _whole(low: int, high: int | None = None) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= low and (high is None or value <= high)


def _seconds(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf


def _day_key(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _call_key(value: Any) -> bool:
    day, _, index = value.partition("/") if isinstance(value, str) else ("", "", "")
    return _day_key(day) and index.isdecimal()


def _maybe(rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or rule(value)


def _table(key: Callable[[Any], bool], rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Mapping) and all(key(k) and rule(v) for k, v in value.items())


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


APIS = ("guide", "platform")
MAX_VOLUME = 10_000_000
MIN_AUDIO_BYTES = 1024
_BUCKET = ("endpoint", "bucket", "access_key", "secret_key")

RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "clients": ("an object of client id: secret", _table(_text, _text)),
    "apis": (
        f"a list of {' and '.join(APIS)}, or one of them",
        lambda value: isinstance(value, list | tuple) and bool(value) and all(each in APIS for each in value),
    ),
    "integration": ("a string", _text),
    "calls_per_day": (f"a whole number from 0 to {MAX_VOLUME}, or null", _maybe(_whole(0, MAX_VOLUME))),
    "volumes": (f"an object of ISO date: whole number from 0 to {MAX_VOLUME}", _table(_day_key, _whole(0, MAX_VOLUME))),
    "seed": ("a whole number", lambda value: type(value) is int),
    "record_limit": ("a whole number from 0", _whole(0)),
    "max_window_days": ("a whole number from 1", _whole(1)),
    "silent_failure_seconds": ("a number of seconds", _seconds),
    "job_seconds": ("a number of seconds", _seconds),
    "url_seconds": ("a number of seconds", _seconds),
    "token_seconds": ("a number of seconds", _seconds),
    "requests_per_minute": ("a whole number from 1, or null", _maybe(_whole(1))),
    "polls_per_minute": ("a whole number from 1, or null", _maybe(_whole(1))),
    "recording_requests_per_minute": ("a whole number from 1, or null", _maybe(_whole(1))),
    "details_job_seconds": ("a number of seconds", _seconds),
    "availability_lag_seconds": ("a number of seconds", _seconds),
    "query_age_days": ("a whole number from 1, or null", _maybe(_whole(1))),
    "query_records": ("a whole number from 1", _whole(1)),
    "recording_lag_seconds": ("a number of seconds", _seconds),
    "batch_seconds": ("a number of seconds", _seconds),
    "batch_url_minutes": ("a whole number from 2 to 60", _whole(2, 60)),
    "playback_url_minutes": ("a whole number from 2 to 60", _whole(2, 60)),
    "transcode_seconds": ("a number of seconds", _seconds),
    "integration_active": ("true or false", lambda value: type(value) is bool),
    "bulk_pending_seconds": ("a number of seconds", _seconds),
    "bulk_processing_seconds": ("a number of seconds", _seconds),
    "delivery_seconds": ("a number of seconds", _seconds),
    "deliver_to": (
        f"a directory, an object of {', '.join(_BUCKET)}, or null",
        lambda value: value is None or _text(value) or (_table(_text, _text)(value) and set(value) == set(_BUCKET)),
    ),
    "foreign_bulk_jobs": ("a whole number from 0 to 2", _whole(0, 2)),
    "foreign_bulk_seconds": ("a number of seconds", _seconds),
    "audio_bytes": (f"a whole number from {MIN_AUDIO_BYTES}", _whole(MIN_AUDIO_BYTES)),
    "large_recordings": (
        f'an object of "{{ISO date}}/{{index}}": bytes, from {MIN_AUDIO_BYTES}',
        _table(_call_key, _whole(MIN_AUDIO_BYTES)),
    ),
    "faults": (
        "a list of faults",
        lambda value: isinstance(value, Sequence) and all(isinstance(fault, Fault) for fault in value),
    ),
}
"""What each setting must be, in words and as a test."""
