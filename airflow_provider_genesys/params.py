# SPDX-License-Identifier: Apache-2.0
"""The params of an export DAG, with their schema, and the environment variables that set their defaults."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import Param, ParamValidationError

from airflow_provider_genesys.archive.layout import DEFAULT_KEY_TEMPLATE, KEY_TEMPLATE_PATTERN

PREFIX = "GENESYS_EXPORT_"

_Described = tuple[Any, dict[str, Any], str]
"""A param's default, its schema, and what it is for."""

_PARAMS: dict[str, _Described] = {
    "destination": (
        "file:///tmp/genesys-archive",
        {"type": "string", "pattern": r"^(s3|gs|abfs|file)://.+"},
        "The archive's URI: s3://conn_id@bucket/prefix, the same with gs:// or abfs://, or file:///path",
    ),
    "media_format": (
        "auto",
        {"type": "string", "enum": ["auto", "mp3", "wav", "original"]},
        "What recordings are converted to",
    ),
    "media": (
        ["audio"],
        {
            "type": "array",
            "items": {"type": "string", "enum": ["audio", "screen", "chat", "email", "message"]},
            "minItems": 1,
            "uniqueItems": True,
        },
        "What kinds of recordings are exported; guide has audio only",
    ),
    "filters": (
        {},
        {"type": "object"},
        "A JSON object. With guide merged into the request's filter; else any of queueId, userId, divisionId, "
        "direction, wrapUpCode and minDurationSeconds",
    ),
    "start": (
        None,
        {"type": ["null", "string"], "format": "date-time"},
        "With the end, wins over the data interval; exported from here on",
    ),
    "end": (
        None,
        {"type": ["null", "string"], "format": "date-time"},
        "With the start, wins over the data interval; exported up to here, and not beyond",
    ),
    "force": (False, {"type": "boolean"}, "Begin every window's budget afresh and export it again"),
    "key_template": (
        DEFAULT_KEY_TEMPLATE,
        {"type": "string", "pattern": KEY_TEMPLATE_PATTERN},
        "Where recordings lie below the destination, such as recordings/{date}/{queue_id}/{recording_id}.{ext}",
    ),
    "verify": (
        False,
        {"type": "boolean"},
        "Hold sizes and checksums of all that is stored against the receipts, too",
    ),
    "on_unavailable": (
        "report",
        {"type": "string", "enum": ["report", "fail"]},
        "What becomes of a day with recordings that the platform could not provide",
    ),
    "max_recordings_per_job": (
        5000,
        {"type": "integer", "minimum": 1},
        "Windows with more recordings are subdivided",
    ),
    "settle_minutes": (
        60,
        {"type": "number", "minimum": 0},
        "Planning waits until this long after the interval's end, for recordings that are still being written",
    ),
    "poll_interval": (
        15,
        {"type": "number", "exclusiveMinimum": 0},
        "Seconds before a job's first poll, and the least between two",
    ),
    "max_poll_interval": (
        180,
        {"type": "number", "exclusiveMinimum": 0},
        "The most seconds between two polls of a job",
    ),
    "lease_seconds": (
        300,
        {"type": "number", "exclusiveMinimum": 0},
        "How long a window stays held by a run that says nothing more",
    ),
}
"""Default, JSON schema and help of each param, in the order of the trigger form."""

_SECTIONS = {
    "Archive": ("key_template", "verify", "on_unavailable"),
    "Jobs": ("max_recordings_per_job", "settle_minutes", "poll_interval", "max_poll_interval", "lease_seconds"),
}
"""Params that the trigger form keeps folded."""

_CHOICES = {
    "media_format": {"auto": "auto: mp3 with guide, original with batch and bulk"},
    "on_unavailable": {"report": "report: the report names them", "fail": "fail: the run fails as well"},
}
"""What the trigger form says of a choice."""


_RECHECK_PARAMS: dict[str, _Described] = {
    **{name: described for name, described in _PARAMS.items() if name != "force"},
    "days": (
        30,
        {"type": "integer", "minimum": 1},
        "How many days are counted again: the last ones that have settled",
    ),
    "start": (None, {"type": ["null", "string"], "format": "date-time"}, "With `end`: wins over `days`"),
    "end": (None, {"type": ["null", "string"], "format": "date-time"}, "With `start`: wins over `days`"),
}


def export_params(environment: Mapping[str, str] = os.environ) -> dict[str, Param]:
    """The params of an export DAG.

    :param environment: where ``GENESYS_EXPORT_DESTINATION``, ``GENESYS_EXPORT_POLL_INTERVAL`` and so on set the
        defaults of a deployment; all but strings are JSON.
    :raises ValueError: for a default that is no JSON or that the param's schema refuses: when the DAG is parsed.
    """
    return {name: _param(name, described, environment) for name, described in _PARAMS.items()}


def recheck_params(environment: Mapping[str, str] = os.environ) -> dict[str, Param]:
    """The params of a recheck DAG: those of the export DAG, whose environment variables they share, and ``days``.

    :param environment: as :func:`export_params` takes it.
    :raises ValueError: as :func:`export_params` does.
    """
    return {name: _param(name, described, environment) for name, described in _RECHECK_PARAMS.items()}


def _param(name: str, described: _Described, environment: Mapping[str, str]) -> Param:
    default, schema, description = described
    variable = PREFIX + name.upper()
    if variable in environment:
        default = _value(variable, environment[variable], schema)
    param = Param(default, title=_title(name), description=description, **_form_of(name, schema), **schema)
    try:
        param.resolve()
    except ParamValidationError:  # its words quote the value
        raise ValueError(
            f"the environment variable {variable} is no default for the param {name!r}: that must be {schema}"
        ) from None
    return param


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _form_of(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """How the trigger form shows a param, in the words of Airflow's own additions to JSON Schema."""
    shown: dict[str, Any] = {}
    if section := next((title for title, names in _SECTIONS.items() if name in names), None):
        shown["section"] = section
    if name in _CHOICES:
        shown["values_display"] = _CHOICES[name]
    if schema["type"] == "array":
        shown["examples"] = schema["items"]["enum"]  # a list of choices instead of lines of text
    return shown


def _value(variable: str, text: str, schema: Mapping[str, Any]) -> Any:
    if "string" in schema["type"]:
        return text or None
    try:
        return json.loads(text.lower() if schema["type"] == "boolean" else text)
    except ValueError as error:
        raise ValueError(
            f"the environment variable {variable} must be a JSON {schema['type']}, not {text!r}"
        ) from error
