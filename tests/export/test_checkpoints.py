# SPDX-License-Identifier: Apache-2.0
"""What a long retrieval writes down on the way."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from airflow_provider_genesys.export.checkpoints import Checkpoints
from airflow_provider_genesys.export.errors import LeaseLost, Passing
from airflow_provider_genesys.export.leases import Leases
from tests.export.memory.archive import with_status
from tests.export.memory.clock import Clock
from tests.export.memory.fates import COMPLETES
from tests.export.orchestrator import Killed
from tests.export.retriever import MANY, REQUEST, Ann


def test_a_long_retrieval_writes_down_now_and_then_what_it_has(ann: Ann) -> None:
    entry, job = ann.completed(fate=replace(COMPLETES, listed=MANY))
    ann.archive.before_fetch = lambda recording_id: ann.world.clock.sleep(1.0)
    receipt = ann.retrieve(entry, job)
    assert with_status(receipt, "archived") == list(MANY)
    first, *on_the_way, last = ann.archive.written
    assert {line.reason for line in first} == {"not fetched yet"}
    archived = [len(with_status(each, "archived")) for each in on_the_way]
    assert archived == list(range(29, 600, 30)), "every 30 seconds"
    assert all(len(each) == 600 for each in ann.archive.written)
    assert all(line.metadata == {"queue": f"queue of {line.recording_id}"} for line in on_the_way[0])
    assert last == receipt


def test_a_long_retrieval_that_is_killed_goes_on_from_what_was_written_down(ann: Ann) -> None:
    def die(recording_id: str) -> None:
        ann.world.clock.sleep(1.0)
        if recording_id == "call-400":
            raise Killed

    entry, job = ann.completed(fate=replace(COMPLETES, listed=MANY))
    ann.archive.before_fetch = die
    with pytest.raises(Killed):
        ann.retrieve(entry, job)
    assert with_status(ann.receipt(), "archived") == list(MANY[:389])
    assert ann.proof(REQUEST, ann.world.entry(REQUEST)) is None, "it is true, but proves nothing whole"
    ann.archive.before_fetch = lambda recording_id: None
    ann.archive.described.clear()
    assert with_status(ann.retrieve(entry, job), "archived") == list(MANY)
    assert list(ann.archive.described) == list(MANY[389:]), "the store is asked for no other"
    assert ann.archive.resumed == [False, True]


def test_no_receipt_on_the_way_is_ever_whole(ann: Ann) -> None:
    entry, job = ann.completed(fate=replace(COMPLETES, listed=MANY, lives=None))
    ann.archive.before_fetch = lambda recording_id: ann.world.clock.sleep(31.0)
    ann.retrieve(entry, job)
    assert len(ann.archive.written) == 602
    assert all(with_status(each, "failed") for each in ann.archive.written[:-1])


def test_a_short_retrieval_writes_one_receipt(ann: Ann) -> None:
    ann.archive.before_fetch = lambda recording_id: ann.world.clock.sleep(100.0)
    ann.retrieve(*ann.completed())
    assert len(ann.archive.written) == 1
    assert ann.archive.resumed == [False]


def test_whoever_lost_the_window_writes_nothing_on_the_way_and_fetches_no_more(ann: Ann) -> None:
    entry, job = ann.completed(fate=replace(COMPLETES, listed=MANY, lives=None))

    def take_over(recording_id: str) -> None:
        if recording_id == "call-100":
            ann.world.clock.sleep(301.0)
            Leases(ann.world.ledger, "bob", 3000.0).hold(REQUEST)

    ann.archive.before_fetch = take_over
    with pytest.raises(LeaseLost):
        ann.retrieve(entry, job)
    assert (len(ann.archive.written), ann.archive.fetched) == (1, list(MANY[:101]))


def test_a_store_that_takes_no_receipt_for_now_ends_no_retrieval(ann: Ann, caplog: pytest.LogCaptureFixture) -> None:
    entry, job = ann.completed(fate=replace(COMPLETES, listed=MANY))
    ann.archive.receipt_faults.append(Passing("503 SlowDown"))
    assert with_status(ann.retrieve(entry, job), "archived") == list(MANY)
    assert "stays behind for now: 503 SlowDown" in caplog.text


def test_receipts_that_take_long_are_written_the_less_often() -> None:
    clock = Clock()
    written: list[float] = []

    def write() -> None:
        clock.sleep(6.0)
        written.append(clock())

    checkpoints = Checkpoints(write, clock)
    for _ in range(200):
        checkpoints.come_by()
        clock.sleep(1.0)
    assert [later - sooner for sooner, later in pairwise(written)] == [66.0, 66.0, 66.0]
