# SPDX-License-Identifier: Apache-2.0
"""What OpenLineage's own provider sends of a day, by its transport of files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_genesys.simulator import Fault
from tests.end_to_end.stage import SECRET, Stage

DAY = {"start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"}


def events(world: Stage, file: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Run the day's DAG in a process of its own; what was sent, in order."""
    transport = {"type": "file", "log_file_path": str(file), "append": True}
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
    with world.process() as process:
        process.wait(timeout=300)
    return [json.loads(line) for line in file.read_text().splitlines()]


def ends(sent: list[dict[str, Any]], task: str, kind: str) -> list[dict[str, Any]]:
    """The events of a task's ends of one kind."""
    name = f"genesys_recordings_export.{task}"
    return [event for event in sent if event["job"]["name"] == name and event["eventType"] == kind]


def test_a_day_leads_from_the_organisation_to_the_archive(
    stage: Callable[..., Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = stage()
    sent = events(world, tmp_path / "lineage.jsonl", monkeypatch)
    truth = world.sources()
    (retrieved,) = ends(sent, "export_window.retrieve_recordings", "COMPLETE")
    (reconciled,) = ends(sent, "reconcile", "COMPLETE")
    host = world.simulator.url.removeprefix("http://")
    for event in (retrieved, reconciled):
        assert [(one["namespace"], one["name"]) for one in event["inputs"]] == [
            (f"genesys://{host}", "tester/recordings")
        ]
        assert [(one["namespace"], one["name"]) for one in event["outputs"]] == [("file", str(world.archive))]
    statistics = retrieved["outputs"][0]["outputFacets"]["outputStatistics"]
    assert {name: statistics[name] for name in ("rowCount", "fileCount", "size")} == {
        "rowCount": len(truth),
        "fileCount": len(truth),
        "size": sum(size for size, _ in truth.values()),
    }
    stated = reconciled["outputs"][0]["outputFacets"]["genesys_reconciliation"]
    counts = {"expected": len(truth), "archived": len(truth), "unavailable": 0, "failed": 0}
    assert {name: stated[name] for name in stated if not name.startswith("_")} == {**DAY, **counts}
    issued = [secret for secrets in world.simulator.issued.values() for secret in secrets]
    assert not [secret for secret in (SECRET, *issued) if secret in json.dumps(sent)]


def test_a_day_that_is_incomplete_says_so(
    stage: Callable[..., Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = stage()
    world.fail(Fault("storage_gone", every=12, times=None))
    sent = events(world, tmp_path / "lineage.jsonl", monkeypatch)
    (retrieved,) = ends(sent, "export_window.retrieve_recordings", "FAIL")
    assert retrieved["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 11
    (reconciled,) = ends(sent, "reconcile", "FAIL")
    stated = reconciled["outputs"][0]["outputFacets"]["genesys_reconciliation"]
    assert (stated["expected"], stated["archived"], stated["failed"]) == (12, 11, 1)
