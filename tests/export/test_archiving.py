# SPDX-License-Identifier: Apache-2.0
"""A receipt is put over the one that is known, and over no other: the ledger's word may be out of date by then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_genesys.export.errors import InvalidInput, LeaseLost, Passing, Refused
from airflow_provider_genesys.export.leases import Leases
from airflow_provider_genesys.export.model import Receipt, RecordingStatus
from tests.export.memory.archive import MemoryArchive, moved, with_status
from tests.export.memory.fates import COMPLETES
from tests.export.orchestrator import World
from tests.export.retriever import MANY, REQUEST, Ann
from tests.ledger.memory import MemoryLedger

WINDOW = REQUEST.window


def once(archive: MemoryArchive, act: Callable[[], None]) -> None:
    """Let somebody act once, when a receipt is on its way."""

    def acting() -> None:
        archive.before_receipt = lambda: None
        act()

    archive.before_receipt = acting


def taken_over(world: World, receipt: Receipt) -> None:
    """Let bob take the window over once its lease has run out, and write its receipt."""
    world.clock.sleep(301.0)
    Leases(world.ledger, "bob", 3000.0).hold(REQUEST)
    world.archive.receipts[WINDOW] = receipt


@pytest.fixture
def whole(ann: Ann) -> Receipt:
    """The receipt of a window that is archived whole, which is not there any more."""
    receipt = ann.retrieve(*ann.completed())
    del ann.archive.receipts[WINDOW]
    return receipt


@pytest.mark.parametrize("is_first", [True, False])
def test_a_successors_receipt_stays(ann: Ann, whole: Receipt, is_first: bool) -> None:
    if not is_first:
        ann.archive.receipts[WINDOW] = whole[:3]
    once(ann.archive, lambda: taken_over(ann.world, whole))
    with pytest.raises(LeaseLost):
        ann.retrieve(*ann.completed())
    assert ann.receipt() is whole
    assert ann.world.entry(REQUEST).held_by == "bob"


def test_a_successor_that_comes_while_the_receipt_is_read_again_is_noticed(
    ann: Ann, whole: Receipt, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, entry_and_job = ann.archive.receipt_and_version, ann.completed()

    def overtaken(window: Any) -> Any:
        taken_over(ann.world, whole)
        return read(window)

    def by_hand() -> None:
        ann.archive.receipts[WINDOW] = whole[:2]
        monkeypatch.setattr(ann.archive, "receipt_and_version", overtaken)

    once(ann.archive, by_hand)
    ann.archive.objects.clear()
    ann.archive.faults["call-4"].append(Refused("404"))
    with pytest.raises(LeaseLost):
        ann.retrieve(*entry_and_job)
    assert ann.receipt() is whole


def test_who_still_holds_the_window_writes_over_what_somebody_else_wrote_or_removed(
    ann: Ann, whole: Receipt, caplog: pytest.LogCaptureFixture
) -> None:
    for act in (lambda: ann.archive.receipts.update({WINDOW: whole[:2]}), ann.archive.receipts.clear):
        ann.archive.receipts[WINDOW] = whole[:3]
        once(ann.archive, act)
        assert ann.retrieve(*ann.completed()) == whole
    assert caplog.text.count("was written or removed by somebody else") == 2


def test_a_receipt_that_never_stays_the_same_may_do_so_later(ann: Ann, whole: Receipt) -> None:
    others = iter([whole[:1], whole[:2], whole[:3]])
    ann.archive.before_receipt = lambda: ann.archive.receipts.update({WINDOW: next(others)})
    with pytest.raises(Passing, match="somebody else 3 times"):
        ann.retrieve(*ann.completed())
    assert ann.receipt() == whole[:3]


def test_what_is_told_already_is_not_written_again(ann: Ann, whole: Receipt) -> None:
    """The answer was lost, and the client's second try was refused."""
    ann.archive.written.clear()
    once(ann.archive, lambda: ann.archive.receipts.update({WINDOW: whole}))
    assert ann.retrieve(*ann.completed()) is whole
    assert ann.archive.written == []


def test_an_answer_that_is_lost_for_good_does_not_keep_later_receipts_away(
    ann: Ann, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, lost = ann.archive.put_receipt, []

    def losing(*arguments: Any) -> Any:
        written = put(*arguments)
        if not lost:
            lost.append(written)
            raise Passing("no answer")
        return written

    monkeypatch.setattr(ann.archive, "put_receipt", losing)
    ann.archive.before_fetch = lambda recording_id: ann.world.clock.sleep(1.0)
    receipt = ann.retrieve(*ann.completed(fate=replace(COMPLETES, listed=MANY)))
    assert with_status(receipt, "archived") == list(MANY)
    assert len(ann.archive.written) == 22, "all of them: the first, every 30 seconds, the last"


def test_of_two_selections_that_race_for_a_place_the_later_one_is_refused(ann: Ann, whole: Receipt) -> None:
    other = moved(whole, "another request")
    once(ann.archive, lambda: ann.archive.receipts.update({WINDOW: other}))
    with pytest.raises(InvalidInput, match="give every selection a destination of its own"):
        ann.retrieve(*ann.completed())
    assert ann.receipt() is other


def test_what_is_archived_of_a_window_that_turns_out_to_be_empty_stays_told(world: World) -> None:
    world.api.lot = 10
    assert world.export(REQUEST) == {"archived": 5}
    *archived, last = world.archive.receipts[WINDOW]
    world.archive.receipts[WINDOW] = (*archived, replace(last, status=RecordingStatus.FAILED))
    world.ledger = MemoryLedger(world.clock)
    world.api.calls.clear()
    world.export(REQUEST)
    assert world.archive.receipts[WINDOW] == tuple(archived)
