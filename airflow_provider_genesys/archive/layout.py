# SPDX-License-Identifier: Apache-2.0
"""Every key of the archive, relative to its destination.

Ids come from outside and are never trusted as paths. A plain name stands for itself, everything else is
percent-encoded; two ids never share a key.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from airflow_provider_genesys.export.model import ExportWindow

_LONGEST_NAME = 200
"""Bytes: file systems allow 255 for a name, and an extension and a temporary mark have to fit too."""

_NOT_PLAIN = re.compile(rb"\A\.|[^A-Za-z0-9_.-]")


def recording_key(recording_id: str, media_format: str) -> str:
    """Where a recording lies.

    :param media_format: its extension: ``mp3``, ``wav`` or ``original``.
    """
    return f"recordings/{_name(recording_id)}.{_name(media_format)}"


def manifest_key(job_id: str) -> str:
    """Where the manifest of a job lies, byte for byte as it came."""
    return f"manifests/job_{_name(job_id)}.json"


def receipt_key(window: ExportWindow) -> str:
    """Where the receipt of a window lies."""
    return f"receipts/{_interval(window)}.jsonl"


def report_key(interval: ExportWindow) -> str:
    """Where the reconciliation of an interval lies."""
    return f"reports/{_interval(interval)}.json"


def _name(text: str) -> str:
    """``text`` as one segment of a key. Only a shortened or empty one has a ``~``: it can be no other id's."""
    raw = text.encode("utf-8", "surrogatepass")
    name = _NOT_PLAIN.sub(lambda match: b"%%%02X" % match[0][0], raw).decode("ascii")
    if len(name) <= _LONGEST_NAME:
        return name or "~"
    digest = hashlib.sha256(raw).hexdigest()
    return f"{name[: _LONGEST_NAME - len(digest) - 1]}~{digest}"


def _interval(interval: ExportWindow) -> str:
    return f"{_basic(interval.start)}_{_basic(interval.end)}"


def _basic(time: datetime) -> str:
    """Basic ISO 8601 of a time in UTC: extended characters such as ``:`` trouble file systems and URLs."""
    text = time.isoformat(timespec="milliseconds" if time.microsecond else "seconds")
    return text.replace("+00:00", "Z").replace("-", "").replace(":", "")
