# SPDX-License-Identifier: Apache-2.0
"""Archived is a fact about a request and a destination; force unmakes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_genesys.export.entry import RequestState
from airflow_provider_genesys.export.errors import ExportFailed, InvalidInput
from tests.export.memory.archive import MemoryArchive
from tests.export.memory.fates import FAILS, FAILS_SILENTLY
from tests.export.orchestrator import ALL, Killed, World, asked, calls_made, report_of
from tests.ledger.memory import MemoryLedger

REQUEST = asked()


# -- a request and a destination -------------------------------------------------------------------------------------


def test_another_destination_is_filled_from_the_same_job_while_its_urls_live(world: World) -> None:
    world.export(REQUEST)
    elsewhere = MemoryArchive(world.api, "s3://elsewhere")
    assert world.export(REQUEST, coordinator=world.coordinator(archive=elsewhere)) == ALL
    assert world.api.asked["submit"] == 1
    assert len(elsewhere.objects) == 24
    assert world.entry(REQUEST).destinations == ("s3://calls", "s3://elsewhere")


def test_another_destination_is_filled_from_a_new_job_once_the_urls_are_dead(world: World) -> None:
    world.export(REQUEST)
    world.clock.sleep(7200.0)
    elsewhere = MemoryArchive(world.api, "s3://elsewhere")
    assert world.export(REQUEST, coordinator=world.coordinator(archive=elsewhere)) == ALL
    assert world.api.asked["submit"] == 2
    (_, attempt) = world.entry(REQUEST).attempts
    assert (attempt.number, attempt.generation) == (0, 1), "the first job is not to blame: the budget is fresh"
    before = calls_made(world)
    assert world.export(REQUEST) == ALL
    assert world.export(REQUEST, coordinator=world.coordinator(archive=elsewhere)) == ALL
    assert calls_made(world) == before


def test_an_emptied_archive_is_filled_again(world: World) -> None:
    world.export(REQUEST)
    world.archive.empty()
    assert world.export(REQUEST) == ALL
    assert len(world.archive.objects) == 24
    assert report_of(world)["complete"]


def test_a_lost_ledger_is_restored_from_the_receipt_without_a_call(world: World) -> None:
    world.export(REQUEST)
    before = calls_made(world)
    world.ledger = MemoryLedger(world.clock)
    ann = world.coordinator()
    assert ann.submit(REQUEST) == ["job-1"]
    assert world.entry(REQUEST).state is RequestState.ARCHIVED
    assert world.export(REQUEST, coordinator=ann) == ALL
    assert calls_made(world) == before
    assert report_of(world)["complete"]


def test_a_receipt_that_the_ledger_never_heard_of_is_remembered(world: World) -> None:
    """The process died between the receipt and the ledger."""
    ann = world.coordinator()
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    save = world.ledger.save

    def die(lease: Any, entry: Any, *, exclusive: bool = False) -> Any:
        if entry.state is RequestState.ARCHIVED:
            raise Killed
        return save(lease, entry, exclusive=exclusive)

    world.ledger.save = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        ann.retrieve(job_ids)
    world.ledger.save = save  # type: ignore[method-assign]
    assert world.entry(REQUEST).state is RequestState.OPEN
    before = calls_made(world), len(world.archive.fetched)
    assert world.coordinator("ann").retrieve(job_ids) == ALL
    assert world.entry(REQUEST).state is RequestState.ARCHIVED
    assert (calls_made(world), len(world.archive.fetched)) == before


def test_a_destination_that_holds_another_selection_is_refused_before_a_job_is_made(world: World) -> None:
    world.export(REQUEST)
    with pytest.raises(InvalidInput, match="give every selection a destination of its own"):
        world.coordinator().submit(asked(media_format="wav"))
    assert world.api.asked["submit"] == 1


# -- force -----------------------------------------------------------------------------------------------------------


def test_force_exports_an_archived_window_again_once_for_each_run(world: World) -> None:
    world.export(REQUEST)
    assert world.export(REQUEST, force_run="run 2") == ALL
    assert (world.api.asked["submit"], len(world.archive.fetched)) == (2, 48)
    before = calls_made(world)
    assert world.export(REQUEST, force_run="run 2") == ALL
    assert world.export(REQUEST) == ALL
    assert calls_made(world) == before
    assert report_of(world)["complete"]


def test_force_on_a_window_that_is_split_exports_every_part_again(world: World) -> None:
    world.api.fates.append(FAILS_SILENTLY)
    world.export(REQUEST)
    world.api.fates.append(FAILS_SILENTLY)
    world.archive.fetched.clear()
    assert world.export(REQUEST, force_run="run 2") == ALL
    assert len(world.archive.fetched) == 24
    assert world.api.asked["submit"] == 10
    assert report_of(world)["complete"]
    before = calls_made(world)
    assert world.export(REQUEST, force_run="run 2") == ALL
    assert calls_made(world) == before


def test_force_on_one_destination_leaves_another_alone(world: World) -> None:
    elsewhere = MemoryArchive(world.api, "s3://elsewhere")
    world.export(REQUEST, force_run="run 1")
    world.clock.sleep(7200.0)
    world.export(REQUEST, coordinator=world.coordinator(archive=elsewhere))
    world.clock.sleep(7200.0)
    before = calls_made(world)
    assert world.export(REQUEST) == ALL
    assert world.export(REQUEST, coordinator=world.coordinator(archive=elsewhere)) == ALL
    assert calls_made(world) == before


def test_a_forced_split_that_dies_before_its_children_is_exported_again_all_the_same(world: World) -> None:
    world.api.fates.append(FAILS_SILENTLY)
    world.export(REQUEST)
    entry = world.ledger.acquire(world.entry(REQUEST).request, "ann", 300.0)
    assert entry.lease is not None
    world.ledger.release(world.ledger.save(entry.lease, replace(entry, generation=1, forced_by="run 2")).lease)
    world.archive.fetched.clear()
    assert world.export(REQUEST, force_run="run 2") == ALL
    assert len(world.archive.fetched) == 24


def test_a_window_that_failed_for_another_destination_stays_archived_for_the_first(world: World) -> None:
    world.export(REQUEST)
    world.clock.sleep(7200.0)
    world.api.fates.extend([FAILS] * 4)
    elsewhere = MemoryArchive(world.api, "s3://elsewhere")
    with pytest.raises(ExportFailed, match="used up"):
        world.export(REQUEST, coordinator=world.coordinator(archive=elsewhere))
    assert world.export(REQUEST) == ALL
