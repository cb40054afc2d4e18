# SPDX-License-Identifier: Apache-2.0
"""
### What follows an export: the index, queried

Runs whenever `genesys_recordings_export` has reconciled a day, which updates the asset `genesys://recordings`. The
update says which day that is; of that day the index, one Parquet file for each (extra `[parquet]`), is asked for the
recordings and minutes of each queue, by DuckDB (extra `[examples]`). Triggered by hand, it asks for all days.

The param `archive` is the archive's folder. For `s3://my-bucket/recordings`, have DuckDB make a secret first:
`CREATE SECRET (TYPE s3, PROVIDER credential_chain)`.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset, Param, task

from airflow_provider_genesys.versions import triggering_events

COLUMNS = ("date", "queue_name", "recordings", "minutes")
RECORDINGS = Asset("genesys://recordings")
QUERY = """
SELECT date::VARCHAR AS date, queue_name, count(DISTINCT recording_id) AS recordings,
       round(sum(duration_seconds) / 60, 1) AS minutes
FROM read_parquet(?)
WHERE status = 'archived' AND window_start >= ?::TIMESTAMPTZ AND window_end <= ?::TIMESTAMPTZ
GROUP BY ALL ORDER BY date, queue_name
"""
ALL_DAYS = {"start": "2000-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}

with DAG(
    dag_id="example_calls_by_queue",
    schedule=[RECORDINGS],
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    params={"archive": Param("/tmp/genesys-archive", type="string")},  # noqa: S108 (the daily DAG's default)
    tags=["genesys", "example"],
    doc_md=__doc__,
):

    @task
    def calls_by_queue(**context: Any) -> list[dict[str, Any]]:
        """Count the archived recordings of the days that were reconciled, by queue."""
        import duckdb

        index = f"{context['params']['archive']}/index/*.parquet"
        days = [{**ALL_DAYS, **event.extra} for event in triggering_events(context)] or [ALL_DAYS]
        with duckdb.connect() as connection:
            found = [connection.execute(QUERY, [index, day["start"], day["end"]]).fetchall() for day in days]
        return [dict(zip(COLUMNS, row, strict=True)) for rows in found for row in rows]

    calls_by_queue()
