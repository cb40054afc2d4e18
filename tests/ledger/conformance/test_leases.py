# SPDX-License-Identifier: Apache-2.0
"""Who holds a request, for how long, and who may write."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Entry, Lease, RequestState
from airflow_provider_genesys.export.errors import LeaseLost
from airflow_provider_genesys.export.ports import Ledger
from tests.ledger.backends import open_ledger
from tests.ledger.conformance.entries import AT_ONCE, ORGANISATION, as_read, asked, held, hours, in_state


def test_an_unknown_request_is_inserted_open_and_held(ledger: Ledger) -> None:
    before = ledger.now()
    entry = ledger.acquire(asked(), "ann", 100.0)
    lease = held(entry)
    assert (lease.key, lease.owner, lease.fence, lease.seconds) == (asked().key, "ann", 1, 100.0)
    assert before + 100 <= lease.until <= ledger.now() + 100
    assert replace(entry, lease=None, held_by="", held_until=0.0) == Entry(asked())
    assert (entry.held_by, entry.held_until) == ("ann", lease.until)
    assert ledger.entry(asked().key) == as_read(entry)


def test_a_live_lease_keeps_others_away_and_says_who_has_it(ledger: Ledger) -> None:
    lease = held(ledger.acquire(asked(), "ann", 100.0))
    refused = ledger.acquire(asked(), "bob", 100.0)
    assert refused.lease is None
    assert (refused.held_by, refused.held_until) == ("ann", lease.until)
    assert ledger.renew(lease).fence == 1


def test_the_owner_takes_its_own_lease_again_with_the_next_fence(ledger: Ledger) -> None:
    first = held(ledger.acquire(asked(), "ann", 100.0))
    second = held(ledger.acquire(asked(), "ann", 200.0))
    assert (second.fence, second.seconds) == (first.fence + 1, 200.0)
    with pytest.raises(LeaseLost):
        ledger.renew(first)


def test_a_lease_that_ran_out_is_free_to_all(ledger: Ledger) -> None:
    ledger.acquire(asked(), "ann", AT_ONCE)
    unheld = ledger.entry(asked().key)
    assert unheld is not None
    assert (unheld.held_by, unheld.held_until) == ("", 0.0)
    assert held(ledger.acquire(asked(), "bob", 100.0)).fence == 2


def test_a_lease_runs_out_as_time_passes(ledger: Ledger) -> None:
    ledger.acquire(asked(), "ann", 0.5)
    assert ledger.acquire(asked(), "bob", 100.0).lease is None
    time.sleep(0.5)
    assert held(ledger.acquire(asked(), "bob", 100.0)).owner == "bob"


def test_an_exclusive_lease_keeps_its_own_owner_away(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    saved = ledger.save(held(entry), entry, exclusive=True)
    refused = ledger.acquire(asked(), "ann", 100.0)
    assert refused.lease is None
    assert (refused.held_by, refused.held_until) == ("ann", held(saved).until)


@pytest.mark.parametrize("owner", ["ann", "bob"])
def test_an_exclusive_lease_that_ran_out_is_free_to_all(ledger: Ledger, owner: str) -> None:
    entry = ledger.acquire(asked(), "ann", AT_ONCE)
    ledger.save(held(entry), entry, exclusive=True)
    assert held(ledger.acquire(asked(), owner, 100.0)).fence == 2


def test_renewing_keeps_a_lease_exclusive_and_saving_ends_it(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    entry = ledger.save(held(entry), entry, exclusive=True)
    ledger.renew(held(entry))
    assert ledger.acquire(asked(), "ann", 100.0).lease is None
    ledger.save(held(entry), entry)
    assert ledger.acquire(asked(), "ann", 100.0).lease is not None


def test_taking_an_exclusive_lease_over_makes_an_ordinary_one(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", AT_ONCE)
    ledger.save(held(entry), entry, exclusive=True)
    ledger.acquire(asked(), "ann", 100.0)
    assert held(ledger.acquire(asked(), "ann", 100.0)).fence == 3


def test_renewing_prolongs_from_now(ledger: Ledger) -> None:
    lease = replace(held(ledger.acquire(asked(), "ann", 1.0)), seconds=500.0)
    before = ledger.now()
    renewed = ledger.renew(lease)
    assert before + 500 <= renewed.until <= ledger.now() + 500
    assert (renewed.fence, renewed.seconds) == (lease.fence, 500.0)
    assert ledger.acquire(asked(), "bob", 1.0).held_until == renewed.until


def test_saving_renews_the_lease(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    before = ledger.now()
    saved = ledger.save(held(entry), entry)
    assert before + 100 <= held(saved).until <= ledger.now() + 100
    assert held(saved).fence == held(entry).fence
    assert saved.held_until == held(saved).until


def test_a_lease_that_ran_out_is_good_for_its_holder_until_somebody_comes(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", AT_ONCE)
    assert ledger.save(held(entry), replace(entry, error="late")).error == "late"
    assert ledger.renew(replace(held(entry), seconds=100.0)).fence == 1
    assert ledger.acquire(asked(), "bob", 100.0).lease is None


def test_a_released_request_is_free_to_all(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    ledger.save(held(entry), entry, exclusive=True)
    ledger.release(held(entry))
    assert held(ledger.acquire(asked(), "bob", 100.0)).fence == 2
    assert held(ledger.acquire(asked(), "bob", 100.0)).fence == 3


def test_releasing_a_lost_lease_leaves_the_new_one_alone(ledger: Ledger) -> None:
    lost = held(ledger.acquire(asked(), "ann", AT_ONCE))
    ledger.acquire(asked(), "bob", 100.0)
    ledger.release(lost)
    assert ledger.acquire(asked(), "ann", 100.0).held_by == "bob"


def test_releasing_what_the_ledger_does_not_know_does_nothing(ledger: Ledger) -> None:
    ledger.release(Lease(asked().key, "ann", 1, 0.0, 100.0))
    assert ledger.entry(asked().key) is None


def test_a_save_under_an_older_fence_writes_nothing(ledger: Ledger) -> None:
    stale = ledger.acquire(asked(), "ann", AT_ONCE)
    ledger.acquire(asked(), "bob", 100.0)
    before = ledger.entry(asked().key)
    changed = replace(stale, state=RequestState.FAILED, attempts=(Attempt(0, 0, AttemptStatus.SUBMITTED, "job"),))
    with pytest.raises(LeaseLost) as lost:
        ledger.save(held(stale), changed)
    assert str(asked().window) in str(lost.value)
    assert "bob" in str(lost.value)
    assert ledger.entry(asked().key) == before
    assert ledger.find(str(ORGANISATION), "job") is None


def test_a_lease_of_a_request_that_the_ledger_does_not_know_is_lost(ledger: Ledger) -> None:
    lease = Lease(asked().key, "ann", 1, 0.0, 100.0)
    with pytest.raises(LeaseLost):
        ledger.renew(lease)
    with pytest.raises(LeaseLost):
        ledger.save(lease, Entry(asked()))


def test_an_entry_is_not_saved_under_another_requests_lease(ledger: Ledger) -> None:
    lease = held(ledger.acquire(asked(), "ann", 100.0))
    with pytest.raises(ValueError, match="lease"):
        ledger.save(lease, Entry(asked(hours(0, 6))))


def test_a_broken_lease_is_free_to_all_and_its_holder_is_fenced_off(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    entry = ledger.save(held(entry), entry, exclusive=True)
    assert ledger.break_lease(asked().key)
    assert not ledger.break_lease(asked().key)
    with pytest.raises(LeaseLost):
        ledger.save(held(entry), replace(entry, error="late"))
    taken = ledger.acquire(asked(), "bob", 100.0)
    assert held(taken).fence > held(entry).fence
    assert taken.error == ""


def test_breaking_a_lease_that_ran_out_fences_its_holder_off(ledger: Ledger) -> None:
    lease = held(ledger.acquire(asked(), "ann", AT_ONCE))
    assert not ledger.break_lease(asked().key)
    with pytest.raises(LeaseLost):
        ledger.renew(lease)


def test_there_is_no_lease_to_break_where_nobody_has_one(ledger: Ledger) -> None:
    assert not ledger.break_lease(asked().key)
    in_state(ledger, asked(), RequestState.OPEN)
    assert not ledger.break_lease(asked().key)


@pytest.mark.parametrize("error", [-3600.0, 3600.0])
def test_clients_whose_clocks_differ_see_one_time(served_address: str, error: float) -> None:
    """A server's clock is asked, so that nobody takes a live lease, or waits an hour for one that has run out."""
    right = open_ledger(served_address, span=100.0)
    wrong = open_ledger(served_address, span=100.0, clock=lambda: time.time() + error)
    assert wrong.now() == pytest.approx(right.now(), abs=1.5)
    lease = held(right.acquire(asked(), "ann", 100.0))
    assert wrong.acquire(asked(), "bob", 100.0).held_by == "ann"
    right.release(lease)
    lease = held(wrong.acquire(asked(), "bob", 100.0))
    assert lease.until == pytest.approx(right.now() + 100, abs=1.5)
    assert right.acquire(asked(), "ann", 100.0).held_by == "bob"
    assert right.reserve("organisation", "polls", 1).granted
    refused = wrong.reserve("organisation", "polls", 1)
    assert not refused.granted
    assert 98 < refused.wait < 102
