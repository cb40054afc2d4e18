# SPDX-License-Identifier: Apache-2.0
"""What goes wrong at the published API ends with a whole archive, or with a clear failure and a true receipt."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from airflow_provider_genesys.simulator import Fault
from airflow_provider_genesys.simulator.universe import QUEUE_IDS
from tests.end_to_end.stage import Stage, assert_archive_is_whole, assert_receipts_are_true
from tests.end_to_end.ways import BATCH, BULK, TRANSCODED, Way

HEALED = [
    (BATCH, Fault("batch_lost")),
    (BATCH, Fault("empty_discovery", seconds=1.0)),
    (BATCH, Fault("growing_discovery", seconds=1.0)),
    (BATCH, Fault("expired_results", times=2)),
    (BATCH, Fault("failed_details")),
    (BATCH, Fault("rate_limited", form="absent", seconds=1)),
    (BATCH, Fault("revoked_token", every=2, times=3)),
    (BATCH, Fault("server_errors", every=2, times=3)),
    (BATCH, Fault("dropped_connection")),
    (BATCH, Fault("invalid_json")),
    (BATCH, Fault("xml_body", every=3)),
    (BATCH, Fault("json_body", every=3)),
    (BATCH, Fault("storage_forbidden", every=5)),
    (BATCH, Fault("forbidden", route="queues", times=None)),
    (TRANSCODED, Fault("transcoding", every=3, times=2)),
    (TRANSCODED, Fault("transcoding_empty", every=3, times=2)),
    (BATCH, Fault("truncated_body", every=3)),
    (BATCH, Fault("corrupt_body", every=3)),
    (TRANSCODED, Fault("storage_forbidden", every=5)),
    (TRANSCODED, Fault("html_body", every=3)),
    (TRANSCODED, Fault("server_errors", route="recordings", every=2, times=3)),
    (TRANSCODED, Fault("rate_limited", route="recordings", form="absent", seconds=1)),
    (TRANSCODED, Fault("revoked_token", every=2, times=3)),
    (TRANSCODED, Fault("dropped_connection", route="recordings")),
    (TRANSCODED, Fault("invalid_json", route="recordings", every=5)),
]

UNAVAILABLE = [
    (BATCH, Fault("archived_media", every=4, times=None), "Recording is archived"),
    (BATCH, Fault("restoring_media", every=4, times=None), "Recording is being restored"),
    (BATCH, Fault("deleted_media", every=4, times=None), "Recording is deleted"),
    (BATCH, Fault("batch_errors", every=4, times=None, message="Key unavailable"), "Key unavailable"),
    (TRANSCODED, Fault("archived_media", every=4, times=None), "the recording is archived at Genesys Cloud"),
    (BULK, Fault("failed_exports", every=4, times=None), "failed to export it"),
]

MISSING = [
    (BATCH, Fault("nothing_comes", every=4, times=None)),
    (BATCH, Fault("sensitive_recordings", every=4, times=None)),
    (TRANSCODED, Fault("sensitive_recordings", every=4, times=None)),
    (BULK, Fault("sensitive_recordings", every=4, times=None)),
]

FAILING = [
    (BATCH, Fault("foreign_batches", times=None)),
    (BATCH, Fault("batch_lost", times=None)),
    (BATCH, Fault("expired_results", times=None)),
    (BATCH, Fault("forbidden", route="batch_submit", times=None)),
    (BATCH, Fault("storage_gone", every=4, times=None)),
    (TRANSCODED, Fault("forbidden", route="recordings", times=None)),
]


def _name(value: object) -> str:
    if isinstance(value, Fault):
        return f"{value.kind}-{value.route or ''}"
    return f"{value.export_api}-{value.media_format}" if isinstance(value, Way) else ""


@pytest.mark.parametrize(("way", "fault"), HEALED, ids=_name)
def test_is_healed(stage: Callable[..., Stage], way: Way, fault: Fault) -> None:
    world = stage(way, volumes={"2024-05-01": 24})
    world.fail(fault)

    assert world.run() == "success"

    assert_archive_is_whole(world)


@pytest.mark.parametrize(("way", "fault", "words"), UNAVAILABLE, ids=_name)
def test_media_that_are_put_away_are_reported_in_the_platforms_words(
    stage: Callable[..., Stage], way: Way, fault: Fault, words: str
) -> None:
    world = stage(way, volumes={"2024-05-01": 24})
    world.fail(fault)

    assert world.run() == "success"

    assert_receipts_are_true(world)
    report = world.report()
    assert report["unavailable"] > 0
    assert (report["expected"], report["complete"]) == (report["archived"] + report["unavailable"], True)
    assert all(words in line["reason"] for line in world.receipts() if line["status"] == "unavailable")


@pytest.mark.parametrize(("way", "fault"), MISSING, ids=_name)
def test_what_analytics_knows_and_nobody_brings_fails_the_day(
    stage: Callable[..., Stage], way: Way, fault: Fault
) -> None:
    world = stage(way, volumes={"2024-05-01": 24})
    world.fail(fault)

    assert world.run() == "failed"

    assert_receipts_are_true(world)
    report = world.report()
    missing = [line["recording_id"] for line in world.receipts() if line["status"] == "missing"]
    assert len(missing) == report["failed"] == 6
    assert report["expected"] == report["archived"] + report["failed"]
    assert sorted(one["recording_id"] for one in report["missing"]) == sorted(missing)
    assert report["errors"] == []


@pytest.mark.parametrize(("way", "fault"), FAILING, ids=_name)
def test_fails_the_day_with_a_true_receipt(stage: Callable[..., Stage], way: Way, fault: Fault) -> None:
    world = stage(way)
    world.fail(fault)

    assert world.run() == "failed"

    assert_receipts_are_true(world)
    assert not world.report()["complete"]
    assert world.jobs <= 4


def test_a_division_that_the_client_may_not_see_is_neither_exported_nor_missed(stage: Callable[..., Stage]) -> None:
    """The README says so: without its divisions a client hears nothing of what it lacks."""
    world = stage(BATCH, volumes={"2024-05-01": 24})
    world.fail(Fault("hidden_division"))

    assert world.run() == "success"

    assert 0 < world.report()["archived"] < len(world.sources())


def test_media_and_filters_select(stage: Callable[..., Stage]) -> None:
    world = stage(BATCH, volumes={"2024-05-01": 36})

    assert world.run(media=["chat", "email", "message"]) == "success"

    lines = world.receipts()
    assert len(lines) == 3
    assert {line["status"] for line in lines} == {"archived"}
    for line in lines:
        assert line["key"].endswith(".json")
        assert json.loads((world.archive / line["key"]).read_text())["recordingId"] == line["recording_id"]


def test_one_queue_of_a_day(stage: Callable[..., Stage]) -> None:
    world = stage(BATCH, volumes={"2024-05-01": 40})

    assert world.run(filters={"queueId": QUEUE_IDS[0]}) == "success"

    assert world.receipts()
    assert all(QUEUE_IDS[0] in [one["id"] for one in line["metadata"]["queues"]] for line in world.receipts())
