# SPDX-License-Identifier: Apache-2.0
"""The DAG on real servers: an S3-compatible store, and a ledger on PostgreSQL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest

from tests.end_to_end.stage import Stage
from tests.servers.postgres import PostgresServer
from tests.servers.seaweedfs import SeaweedServer


def test_a_day_goes_to_s3_with_its_ledger_on_postgres(
    stage: Callable[..., Stage],
    monkeypatch: pytest.MonkeyPatch,
    seaweed: SeaweedServer,
    postgres: PostgresServer,
) -> None:
    world = stage(volumes={"2024-05-01": 40}, large_recordings={"2024-05-01/3": 20_000_000})
    bucket = seaweed.create_bucket("end-to-end")
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(_aws_connection(seaweed)))
    monkeypatch.setenv("AIRFLOW_CONN_GENESYS_LEDGER", postgres.create_database("end_to_end"))

    assert world.run(destination=f"s3://store@{bucket}/some/prefix") == "success"
    assert world.run(destination=f"s3://store@{bucket}/some/prefix") == "success"

    client = seaweed.client()
    stored = {item["Key"]: item["Size"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]}
    truth = world.sources()
    assert {f"some/prefix/recordings/{one}.mp3": size for one, (size, _) in truth.items()} == {
        key: size for key, size in stored.items() if "/recordings/" in key
    }
    for recording_id, (_, sha256) in truth.items():
        body = client.get_object(Bucket=bucket, Key=f"some/prefix/recordings/{recording_id}.mp3")["Body"].read()
        assert hashlib.sha256(body).hexdigest() == sha256
    report = client.get_object(Bucket=bucket, Key="some/prefix/reports/20240501T000000Z_20240502T000000Z.json")
    assert json.load(report["Body"])["archived"] == 40
    assert len(world.simulator.jobs) == 1
    assert set(world.downloads().values()) == {1}
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def _aws_connection(server: SeaweedServer) -> dict[str, object]:
    return {
        "conn_type": "aws",
        "login": server.access_key,
        "password": server.secret_key,
        "extra": {"endpoint_url": server.endpoint, "region_name": "us-east-1"},
    }
