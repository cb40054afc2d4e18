# SPDX-License-Identifier: Apache-2.0
"""Requests that are forgotten, and those that are finished and compacted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_genesys.export.entry import Entry, RequestState
from airflow_provider_genesys.export.errors import LeaseLost
from airflow_provider_genesys.export.ports import Ledger
from tests.ledger.conformance.entries import AT_ONCE, ATTEMPT, ORGANISATION, as_read, asked, held, hours, in_state


def test_a_forgotten_request_is_gone_with_its_attempts(ledger: Ledger) -> None:
    in_state(ledger, asked(), RequestState.FAILED, attempts=(ATTEMPT,))
    kept = in_state(ledger, asked(hours(0, 6)), RequestState.FAILED)
    assert ledger.forget(asked().key)
    assert ledger.entry(asked().key) is None
    assert ledger.find(str(ORGANISATION), "job 1") is None
    assert list(ledger.entries()) == [kept]
    assert ledger.forget(asked().key), "it is gone"


def test_a_live_lease_keeps_a_request_from_being_forgotten(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    assert not ledger.forget(asked().key)
    assert ledger.entry(asked().key) == as_read(entry)


def test_a_request_that_comes_back_has_nothing_of_its_earlier_life(ledger: Ledger) -> None:
    """But for its fence: who held it then, the same owner even, must not write now."""
    entry = ledger.acquire(asked(), "ann", AT_ONCE)
    entry = ledger.save(held(entry), replace(entry, state=RequestState.FAILED, attempts=(ATTEMPT,)))
    ledger.forget(asked().key)
    with pytest.raises(LeaseLost):
        ledger.renew(held(entry))
    ledger.release(held(entry))
    again = ledger.acquire(asked(), "ann", 100.0)
    assert replace(again, lease=None, held_by="", held_until=0.0) == Entry(asked())
    assert held(again).fence == held(entry).fence + 1
    with pytest.raises(LeaseLost):
        ledger.save(held(entry), entry)
    ledger.release(held(again))
    ledger.forget(asked().key)
    assert held(ledger.acquire(asked(), "ann", 100.0)).fence == held(entry).fence + 2


def test_compacting_removes_what_is_finished_and_keeps_its_history(ledger: Ledger) -> None:
    archived = in_state(ledger, asked(hours(0, 6)), RequestState.ARCHIVED, attempts=(ATTEMPT,))
    in_state(ledger, asked(hours(6, 12)), RequestState.SPLIT)
    failed = in_state(ledger, asked(hours(12, 18)), RequestState.FAILED)
    opened = in_state(ledger, asked(hours(18, 24)), RequestState.OPEN)
    reopened = in_state(ledger, asked(hours(19, 24)), RequestState.REOPENED, checked_at=1714730400.5)
    never_saved = ledger.acquire(asked(hours(23, 24)), "ann", AT_ONCE)
    ledger.keep_plan("key", [hours(0, 6)])
    ledger.record_volume("selection", hours(0, 6), 5)
    ledger.record_duration(str(ORGANISATION), 5, 60.0)
    assert ledger.compact(ledger.now() + 60) == 2
    assert list(ledger.entries()) == [failed, opened, reopened, as_read(never_saved)]
    assert ledger.entry(archived.request.key) is None
    assert ledger.find(str(ORGANISATION), "job 1") is None
    assert ledger.plan("key") == (hours(0, 6),)
    assert ledger.volumes("selection", 0.0, 1e10) == {hours(0, 6): 5}
    assert ledger.durations(str(ORGANISATION)) == ((5, 60.0),)
    assert ledger.compact(ledger.now() + 60) == 0


def test_compacting_leaves_what_was_written_since_or_is_held(ledger: Ledger) -> None:
    before = ledger.now() - 1
    written = in_state(ledger, asked(hours(0, 6)), RequestState.ARCHIVED)
    entry = ledger.acquire(asked(hours(6, 12)), "ann", 100.0)
    held_still = ledger.save(held(entry), replace(entry, state=RequestState.ARCHIVED))
    assert ledger.compact(before) == 0
    assert ledger.compact(ledger.now() + 60) == 1
    assert ledger.entry(written.request.key) is None
    assert ledger.entry(entry.request.key) == as_read(held_still)
    assert ledger.renew(held(held_still)).fence == 1


def test_compacted_requests_keep_their_fences(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", AT_ONCE)
    entry = ledger.save(held(entry), replace(entry, state=RequestState.ARCHIVED))
    assert ledger.compact(ledger.now() + 60) == 1
    assert held(ledger.acquire(asked(), "ann", 100.0)).fence == 2
    with pytest.raises(LeaseLost):
        ledger.save(held(entry), entry)
