# SPDX-License-Identifier: Apache-2.0
"""A receipt as JSON Lines: one object per recording, which ``jq``, DuckDB or Athena read as it is."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from airflow_provider_genesys.export.model import Receipt, ReceiptLine, RecordingStatus

logger = logging.getLogger(__name__)


def write_receipt(receipt: Iterable[ReceiptLine]) -> Iterator[bytes]:
    """The receipt's lines, each with its line end. ASCII, since an id from outside need not be encodable otherwise."""
    for line in receipt:
        yield json.dumps(_to_json(line), separators=(",", ":")).encode() + b"\n"


def read_receipt(document: bytes) -> Receipt | None:
    """Read what :func:`write_receipt` wrote; fields that are not known here are left aside.

    :return: None, with a warning, for a document that is no receipt: what proves nothing counts as absent.
    """
    try:
        return tuple(_from_json(json.loads(line)) for line in document.splitlines() if line.strip())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        logger.warning("Not a receipt (%s): its window counts as not archived", type(error).__name__)
        return None


def _to_json(line: ReceiptLine) -> dict[str, Any]:
    absence = {} if line.reason is None else {"reason": line.reason}
    return {
        "recording_id": line.recording_id,
        "status": line.status.value,
        "key": line.key,
        "size": line.size,
        "sha256": line.sha256,
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
        source_etag=line.get("source_etag"),
        reason=line.get("reason"),
        metadata=dict(line.get("metadata") or {}),
    )
