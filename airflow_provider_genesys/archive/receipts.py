# SPDX-License-Identifier: Apache-2.0
"""A receipt as JSON Lines: one object per recording, which ``jq``, DuckDB or Athena read as it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from airflow_provider_genesys.export.errors import NoReceipt
from airflow_provider_genesys.export.model import ReceiptLine, RecordingStatus


def write_receipt(receipt: Iterable[ReceiptLine]) -> Iterator[bytes]:
    """The receipt's lines, each with its line end. ASCII, since an id from outside need not be encodable otherwise."""
    for line in receipt:
        yield json.dumps(_to_json(line), separators=(",", ":")).encode() + b"\n"


def read_receipt(chunks: Iterable[bytes]) -> Iterator[ReceiptLine]:
    """Read what :func:`write_receipt` wrote, line by line; fields that are not known here are left aside.

    :raises NoReceipt: at the first line that is none.
    """
    for line in _lines(chunks):
        try:
            yield _from_json(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise NoReceipt(f"it is no receipt ({type(error).__name__})") from None


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    begun = b""
    for chunk in chunks:
        *whole, begun = (begun + chunk).split(b"\n")
        yield from filter(bytes.strip, whole)
    if begun.strip():
        yield begun


def _to_json(line: ReceiptLine) -> dict[str, Any]:
    absence = {} if line.reason is None else {"reason": line.reason}
    return {
        "recording_id": line.recording_id,
        "status": line.status.value,
        "key": line.key,
        "size": line.size,
        "sha256": line.sha256,
        "checksum": line.checksum,
        "source_etag": line.source_etag,
        "job_id": line.job_id,
        "request": line.request_key,
        **absence,
        "metadata": dict(line.metadata),
    }


def _from_json(line: dict[str, Any]) -> ReceiptLine:
    return ReceiptLine(
        recording_id=line["recording_id"],
        status=RecordingStatus(line["status"]),
        job_id=line["job_id"],
        request_key=line["request"],
        key=line.get("key"),
        size=line.get("size"),
        sha256=line.get("sha256"),
        checksum=line.get("checksum"),
        source_etag=line.get("source_etag"),
        reason=line.get("reason"),
        metadata=dict(line.get("metadata") or {}),
    )
