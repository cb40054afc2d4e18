# SPDX-License-Identifier: Apache-2.0
"""
### What follows an export: the index, queried

Runs whenever `genesys_recordings_export` has reconciled a day, which updates the asset `genesys://recordings`. It asks
the index, one Parquet file for each day (extra `[parquet]`), for the recordings and minutes of each queue on the newest
day, by DuckDB (extra `[examples]`).

The param `archive` is the archive's folder. For `s3://my-bucket/recordings`, have DuckDB make a secret first:
`CREATE SECRET (TYPE s3, PROVIDER credential_chain)`.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, Asset, Param, task

RECORDINGS = Asset("genesys://recordings")
QUERY = """
WITH calls AS (SELECT * FROM read_parquet(?) WHERE status = 'archived')
SELECT date::VARCHAR AS date, queue_name, count(DISTINCT recording_id) AS recordings,
       round(sum(duration_seconds) / 60, 1) AS minutes
FROM calls
WHERE date = (SELECT max(date) FROM calls)
GROUP BY ALL ORDER BY queue_name
"""

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
        """Count the newest day's archived recordings by queue."""
        import duckdb

        with duckdb.connect() as connection:
            found = connection.execute(QUERY, [f"{context['params']['archive']}/index/*.parquet"])
            columns = [column[0] for column in found.description or ()]
            return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]

    calls_by_queue()
