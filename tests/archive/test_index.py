# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from airflow_provider_genesys.archive import index
from airflow_provider_genesys.archive.index import write_index
from airflow_provider_genesys.export.model import (
    ExportRequest,
    ExportWindow,
    Organisation,
    ReceiptLine,
    RecordingStatus,
)

README = Path(__file__).parents[2] / "README.md"
WINDOW = ExportWindow(datetime(2024, 5, 1, 6, tzinfo=UTC), datetime(2024, 5, 1, 12, tzinfo=UTC))
REQUEST = ExportRequest(Organisation("api.mypurecloud.com", "client"), WINDOW, "mp3")
LINE = ReceiptLine(
    recording_id="r1",
    status=RecordingStatus.ARCHIVED,
    job_id="j1",
    request_key=REQUEST.key,
    key="recordings/r1.mp3",
    size=5_000_000_000,
    sha256="ab",
    checksum="etag:ab",
    metadata={
        "id": "r1",
        "conversationId": "c1",
        "startTime": "2024-05-01T23:30:00.250-02:00",
        "durationMs": 61_500,
        "agentId": "a1",
        "agentName": "Ada Novak",
        "queueId": "q1",
        "queueName": "Billing",
        "disposition": "resolved",
        "direction": "inbound",
    },
)
COLUMNS = {
    "recording_id": "string",
    "conversation_id": "string",
    "date": "date32[day]",
    "start_time": "timestamp[ms, tz=UTC]",
    "agent_id": "string",
    "agent_name": "string",
    "queue_id": "string",
    "queue_name": "string",
    "duration_seconds": "double",
    "disposition": "string",
    "direction": "string",
    "status": "string",
    "reason": "string",
    "key": "string",
    "size": "int64",
    "sha256": "string",
    "checksum": "string",
    "job_id": "string",
    "window_start": "timestamp[ms, tz=UTC]",
    "window_end": "timestamp[ms, tz=UTC]",
    "media_format": "string",
}


def table(lines: Iterable[ReceiptLine]) -> pyarrow.Table:
    written = io.BytesIO(b"".join(write_index((REQUEST, line) for line in lines)))
    return parquet.read_table(written)


def test_a_line_is_a_row_under_the_names_of_the_contract() -> None:
    (row,) = table([LINE]).to_pylist()
    assert row == {
        "recording_id": "r1",
        "conversation_id": "c1",
        "date": date(2024, 5, 2),
        "start_time": datetime(2024, 5, 2, 1, 30, 0, 250_000, tzinfo=UTC),
        "agent_id": "a1",
        "agent_name": "Ada Novak",
        "queue_id": "q1",
        "queue_name": "Billing",
        "duration_seconds": 61.5,
        "disposition": "resolved",
        "direction": "inbound",
        "status": "archived",
        "reason": None,
        "key": "recordings/r1.mp3",
        "size": 5_000_000_000,
        "sha256": "ab",
        "checksum": "etag:ab",
        "job_id": "j1",
        "window_start": WINDOW.start,
        "window_end": WINDOW.end,
        "media_format": "mp3",
    }


def test_what_the_manifest_does_not_say_is_null_and_the_day_is_the_windows() -> None:
    lost = ReceiptLine("r2", RecordingStatus.FAILED, "j1", REQUEST.key, reason="404", metadata={"startTime": "soon"})
    (row,) = table([lost]).to_pylist()
    known = {name for name, value in row.items() if value is not None}
    assert known == {
        *("recording_id", "status", "reason", "job_id"),
        *("date", "window_start", "window_end", "media_format"),
    }
    assert (row["date"], row["reason"]) == (date(2024, 5, 1), "404")


@pytest.mark.parametrize("lines", [[], [LINE], [replace(LINE, key=None, size=None, metadata={})]])
def test_the_columns_are_the_same_whatever_is_in_them(lines: list[ReceiptLine]) -> None:
    found = table(lines)
    assert {field.name: str(field.type) for field in found.schema} == COLUMNS
    assert found.num_rows == len(lines)


def test_the_readmes_table_for_athena_has_these_columns() -> None:
    types = {"date32[day]": "date", "timestamp[ms, tz=UTC]": "timestamp", "int64": "bigint"}
    (columns,) = re.findall(r"CREATE EXTERNAL TABLE recordings \((.*?)\n\)", README.read_text(), re.DOTALL)
    told = [column.replace("`", "").split() for column in columns.split(",")]
    assert told == [[name, types.get(type_, type_)] for name, type_ in COLUMNS.items()]


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.lists(st.text(max_size=2))


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(LINE.metadata, anything)), st.text(st.characters(), max_size=4))
def test_whatever_a_manifest_says_makes_a_row(metadata: dict[str, Any], recording_id: str) -> None:
    assert table([replace(LINE, recording_id=recording_id, metadata=metadata)]).num_rows == 1


def test_rows_are_written_in_groups_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_ROW_GROUP", 10)
    taken = 0

    def lines() -> Iterator[tuple[ExportRequest, ReceiptLine]]:
        nonlocal taken
        for number in range(35):
            taken += 1
            yield REQUEST, replace(LINE, recording_id=f"r{number}")

    pieces = write_index(lines())
    written = next(pieces)
    assert taken == 10, "what is written is not kept, and no more is taken than is written"
    document = parquet.ParquetFile(io.BytesIO(written + b"".join(pieces)))
    assert [document.metadata.row_group(number).num_rows for number in range(4)] == [10, 10, 10, 5]
    assert document.read(["recording_id"]).column(0).to_pylist() == [f"r{number}" for number in range(35)]


def test_the_same_lines_make_the_same_bytes() -> None:
    lines = [(REQUEST, LINE)] * 3
    assert list(write_index(lines)) == list(write_index(lines))
