# SPDX-License-Identifier: Apache-2.0
"""Reading what operators are given: rendered templates, XComs, the run's own interval. What is wrong is told before any
request."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import AUDIO, AUTO, ExportWindow
from airflow_provider_genesys.export.planning import check_interval

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

MEDIA_FORMATS = (AUTO, "mp3", "wav", "original")


def interval_of(context: Context, start: str | None, end: str | None) -> ExportWindow:
    """The interval of a run: ``start`` to ``end`` where they are given, else the data interval.

    :raises InvalidInput: where there is neither, or it is naive, reversed, unbounded or not over yet.
    """
    bounds: tuple[datetime | None, ...]
    if start or end:
        bounds = (_time("start", start), _time("end", end))
    else:
        known: Any = context
        bounds = (known.get("data_interval_start"), known.get("data_interval_end"))
    return check_interval(bounds[0], bounds[1], datetime.now(UTC))


def windows_of(value: Any) -> list[ExportWindow]:
    """The windows of an XCom. Airflow 3 hands on the output of a group that is mapped once as a single value.

    :raises InvalidInput: for anything else.
    """
    windows = [value] if isinstance(value, Mapping) else value
    if isinstance(windows, str) or not isinstance(windows, Iterable):
        raise InvalidInput(f"windows must be a list of windows, as the planner returns it, not {value!r}")
    return [ExportWindow.parse(window) for window in windows]


def _time(name: str, text: str | None) -> datetime:
    try:
        return datetime.fromisoformat(text or "")
    except (TypeError, ValueError):
        raise InvalidInput(
            f"{name} is {text!r}: give 'start' and 'end' together, as ISO 8601 times with a zone"
        ) from None


def media_format_of(value: Any) -> str:
    """A media format that can be asked for; empty where none is said, which is for the API to take or to refuse.

    :raises InvalidInput: for another one, ``default`` among them: the platform's raw container can't be decoded (guide,
        section 1).
    """
    if value is None or value == "":
        return ""
    if value not in MEDIA_FORMATS:
        raise InvalidInput(f"media_format is {value!r}: say mp3 or wav explicitly, or original where the API has it")
    return str(value)


def media_of(value: Any) -> tuple[str, ...]:
    """The media to export, from a list, its JSON text, or a single name; audio without any. Which there are is the
    API's to say.

    :raises InvalidInput: for anything else.
    """
    if value is None or value == "":
        return AUDIO
    try:
        media = json.loads(value) if isinstance(value, str) and value.lstrip().startswith("[") else value
    except ValueError:
        media = None
    media = [media] if isinstance(media, str) else media
    if not isinstance(media, Sequence) or not media or not all(isinstance(one, str) for one in media):
        raise InvalidInput(f"media must be a list such as ['audio', 'screen'], not {value!r}")
    return tuple(sorted(set(media)))  # in whatever order, it is the same request


def filters_of(value: Any) -> dict[str, Any]:
    """Filters as a JSON object, from an object or its text. What they may say is the API's to say.

    :raises InvalidInput: for anything else.
    """
    return object_of("filters", value)


def object_of(name: str, value: Any) -> dict[str, Any]:
    """A JSON object from an argument that may be its text; empty for nothing.

    :raises InvalidInput: for anything else.
    """
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        found = value
    if found is None or found == "":
        return {}
    if not isinstance(found, dict):
        raise InvalidInput(f"{name} must be a JSON object, not {value!r}")
    return found


def number(name: str, value: Any) -> float:
    """A number from an argument that may be a rendered template.

    :raises InvalidInput: for anything else.
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise InvalidInput(f"{name} must be a number, not {value!r}")
    return found


def flag(name: str, value: Any) -> bool:
    """True or false from an argument that may be a rendered template.

    :raises InvalidInput: for anything else.
    """
    known = {"true": True, "false": False}
    if str(value).lower() not in known:
        raise InvalidInput(f"{name} must be true or false, not {value!r}")
    return known[str(value).lower()]


def job_ids_of(value: Any) -> list[str]:
    """A list of job ids; a single one may come as a string.

    :raises InvalidInput: for anything else.
    """
    ids = [value] if isinstance(value, str) else value
    if not isinstance(ids, Sequence) or not all(isinstance(one, str) and one for one in ids):
        raise InvalidInput(f"job_ids must be a list of job ids or a single one, not {value!r}")
    return list(ids)
