# SPDX-License-Identifier: Apache-2.0
"""An interval's receipts as one Parquet file, for DuckDB, Athena or BigQuery: a copy that can be made again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_genesys.archive.facts import facts
from airflow_provider_genesys.export.model import ExportRequest, ReceiptLine

if TYPE_CHECKING:
    import pyarrow

_ROW_GROUP = 20_000
"""Rows that are in memory at a time."""


def can_write_index() -> bool:
    """Whether the extra ``[parquet]`` is installed."""
    return find_spec("pyarrow") is not None


def write_index(lines: Iterable[tuple[ExportRequest, ReceiptLine]]) -> Iterator[bytes]:
    """A Parquet file with a row per line of a receipt, in pieces. Without a line it has its columns all the same.

    :param lines: each with the request that it answers.
    """
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    schema, written, rows = _schema(), BytesIO(), map(_row, lines)
    with ParquetWriter(written, schema) as writer:
        while group := list(islice(rows, _ROW_GROUP)):
            writer.write_batch(pyarrow.RecordBatch.from_pylist(group, schema))
            yield _taken(written)
    yield _taken(written)


def _taken(buffer: BytesIO) -> bytes:
    taken = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return taken


def _schema() -> pyarrow.Schema:
    import pyarrow

    text, time = pyarrow.string(), pyarrow.timestamp("ms", "UTC")
    types = {
        "recording_id": text,
        "conversation_id": text,
        "date": pyarrow.date32(),
        "start_time": time,
        "agent_id": text,
        "agent_name": text,
        "queue_id": text,
        "queue_name": text,
        "duration_seconds": pyarrow.float64(),
        "disposition": text,
        "direction": text,
        "status": text,
        "reason": text,
        "key": text,
        "size": pyarrow.int64(),
        "sha256": text,
        "checksum": text,
        "job_id": text,
        "window_start": time,
        "window_end": time,
        "media_format": text,
    }
    return pyarrow.schema(list(types.items()))


def _row(line: tuple[ExportRequest, ReceiptLine]) -> dict[str, Any]:
    request, receipt = line
    window, known = request.window, facts(receipt.metadata)
    row = {
        "recording_id": receipt.recording_id,
        "conversation_id": known.conversation_id,
        "date": (known.started_at or window.start).date(),
        "start_time": known.started_at,
        "agent_id": known.agent_id,
        "agent_name": known.agent_name,
        "queue_id": known.queue_id,
        "queue_name": known.queue_name,
        "duration_seconds": known.duration_seconds,
        "disposition": known.disposition,
        "direction": known.direction,
        "status": receipt.status.value,
        "reason": receipt.reason,
        "key": receipt.key,
        "size": receipt.size,
        "sha256": receipt.sha256,
        "checksum": receipt.checksum,
        "job_id": receipt.job_id,
        "window_start": window.start,
        "window_end": window.end,
        "media_format": request.media_format,
    }
    return {name: _encodable(value) if isinstance(value, str) else value for name, value in row.items()}


def _encodable(text: str) -> str:
    """Parquet takes UTF-8 only; an id from outside may be something else."""
    return text.encode("utf-8", "backslashreplace").decode()
