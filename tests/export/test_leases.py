# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Lease
from airflow_provider_genesys.export.errors import LeaseLost, Passing
from airflow_provider_genesys.export.leases import LeaseKeeper, Leases
from tests.export.memory.clock import Clock
from tests.export.orchestrator import World, asked, hours
from tests.ledger.memory import MemoryLedger

REQUEST = asked()


def test_a_free_request_is_held(world: World, leases: Leases) -> None:
    entry = leases.hold(REQUEST)
    assert entry.lease is not None
    assert (entry.lease.owner, entry.lease.until) == ("ann", world.clock() + 300.0)
    assert world.entry(REQUEST).held_by == "ann"


def test_what_another_holds_is_read_and_left_alone(world: World, leases: Leases) -> None:
    Leases(world.ledger, "bob", 120.0).hold(REQUEST)
    entry = leases.hold(REQUEST)
    assert entry.lease is None
    held = leases.held_elsewhere(entry)
    assert (held.by, held.wait) == ("bob", 120.0)


def test_a_wait_for_a_lease_that_has_just_run_out_is_a_second(world: World, leases: Leases) -> None:
    Leases(world.ledger, "bob", 120.0).hold(REQUEST)
    entry = leases.hold(REQUEST)
    world.clock.sleep(500.0)
    assert leases.held_elsewhere(entry).wait == 1.0


def test_a_lease_that_ran_out_is_anybodys(world: World, leases: Leases) -> None:
    Leases(world.ledger, "bob", 120.0).hold(REQUEST)
    world.clock.sleep(120.0)
    assert leases.hold(REQUEST).lease is not None


def test_holding_again_renews_the_lease_and_reads_the_entry_afresh(world: World, leases: Leases) -> None:
    first = leases.hold(REQUEST)
    leases.save(replace(first, attempts=(Attempt(0, 0, AttemptStatus.SUBMITTED, "job"),)))
    world.clock.sleep(200.0)
    again = leases.hold(REQUEST)
    assert again.lease is not None
    assert first.lease is not None
    assert (again.lease.fence, again.lease.until) == (first.lease.fence, world.clock() + 300.0)
    assert [attempt.job_id for attempt in again.attempts] == ["job"]


def test_saving_what_is_not_held_is_refused(world: World, leases: Leases) -> None:
    Leases(world.ledger, "bob", 120.0).hold(REQUEST)
    with pytest.raises(LeaseLost, match=r"window \[2024-05-01.* is not held by ann"):
        leases.save(leases.hold(REQUEST))


def test_a_write_after_a_takeover_is_refused_and_changes_nothing(world: World, leases: Leases) -> None:
    entry = leases.hold(REQUEST)
    world.clock.sleep(301.0)
    Leases(world.ledger, "bob", 120.0).hold(REQUEST)
    with pytest.raises(LeaseLost):
        leases.save(replace(entry, error="written by ann"))
    assert world.entry(REQUEST).error == ""


def test_a_process_that_lost_its_lease_to_the_next_try_does_not_take_it_back(world: World, leases: Leases) -> None:
    """The next try of a task has the same owner, which the ledger would let in."""
    entry = leases.hold(REQUEST)
    next_try = Leases(world.ledger, "ann", 300.0)
    theirs = next_try.hold(REQUEST)
    with pytest.raises(LeaseLost):
        leases.save(entry)
    assert leases.hold(REQUEST).lease is None
    assert leases.hold(REQUEST).lease is None
    next_try.save(theirs)


def test_a_loss_is_noticed_at_renewal_too(world: World, leases: Leases) -> None:
    leases.hold(REQUEST)
    next_try = Leases(world.ledger, "ann", 300.0)
    theirs = next_try.hold(REQUEST)
    assert leases.hold(REQUEST).lease is None
    next_try.save(theirs)


def test_a_lost_lease_may_be_taken_again_once_it_ran_out(world: World, leases: Leases) -> None:
    entry = leases.hold(REQUEST)
    Leases(world.ledger, "ann", 300.0).hold(REQUEST)
    with pytest.raises(LeaseLost):
        leases.save(entry)
    world.clock.sleep(300.0)
    assert leases.hold(REQUEST).lease is not None
    assert leases.save(leases.hold(REQUEST)).lease is not None


def test_a_released_request_is_free_at_once(world: World, leases: Leases) -> None:
    leases.release(leases.hold(REQUEST))
    assert world.entry(REQUEST).held_by == ""
    assert Leases(world.ledger, "bob", 120.0).hold(REQUEST).lease is not None


def test_releasing_what_another_holds_does_nothing(world: World, leases: Leases) -> None:
    Leases(world.ledger, "bob", 120.0).hold(REQUEST)
    leases.release(leases.hold(REQUEST))
    assert world.entry(REQUEST).held_by == "bob"


def test_leases_of_several_windows_are_kept_apart(world: World, leases: Leases) -> None:
    morning, evening = asked(hours(0, 12)), asked(hours(12, 24))
    leases.hold(morning)
    entry = leases.hold(evening)
    leases.release(leases.hold(morning))
    assert leases.save(entry).lease is not None


# -- the keeper, whose thread waits in real time ---------------------------------------------------------------------

SHORT = 0.06


def held(leases: Leases) -> Lease:
    lease = leases.hold(REQUEST).lease
    assert lease is not None
    return lease


class Renewals(MemoryLedger):
    """Counts renewals; the first ones may fail."""

    def __init__(self, clock: Clock, *, failing: int = 0) -> None:
        super().__init__(clock)
        self.renewals = 0
        self._failing = failing

    def renew(self, lease: Lease) -> Lease:
        self.renewals += 1
        if self.renewals <= self._failing:
            raise Passing("the ledger is away")
        return super().renew(lease)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.002)


def keepers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "genesys-lease"]


def test_a_keeper_renews_the_lease_until_it_is_stopped(clock: Clock) -> None:
    ledger = Renewals(clock)
    leases = Leases(ledger, "ann", SHORT)
    entry = leases.hold(REQUEST)
    clock.sleep(10.0)
    with leases.kept(entry) as keeper:
        until(lambda: ledger.renewals >= 3)
        keeper.check()
    renewed = ledger.entry(REQUEST.key)
    assert renewed is not None
    assert renewed.held_until == clock() + SHORT
    assert keepers() == []


def test_a_keeper_notices_a_takeover(clock: Clock) -> None:
    ledger = Renewals(clock)
    leases = Leases(ledger, "ann", SHORT)
    entry = leases.hold(REQUEST)

    def is_taken_over() -> bool:
        clock.sleep(10.0)  # upon which the keeper may still be the first
        return Leases(ledger, "bob", 300.0).hold(REQUEST).lease is not None

    with leases.kept(entry) as keeper:
        until(is_taken_over)
        until(lambda: keepers() == [])
        with pytest.raises(LeaseLost, match="taken over"):
            keeper.check()
        with pytest.raises(LeaseLost):
            keeper.check()
    assert Leases(ledger, "cid", 300.0).hold(REQUEST).held_by == "bob"


def test_a_keeper_outlives_a_ledger_that_is_away_for_a_moment(clock: Clock) -> None:
    ledger = Renewals(clock, failing=2)
    leases = Leases(ledger, "ann", SHORT)
    with leases.kept(leases.hold(REQUEST)) as keeper:
        until(lambda: ledger.renewals >= 4)
        keeper.check()


def test_a_process_that_was_stopped_for_a_whole_lease_asks_before_it_goes_on(clock: Clock) -> None:
    """Its keeper's thread may come too late for that, and here there is none."""
    ledger = Renewals(clock)
    keeper = LeaseKeeper(ledger, held(Leases(ledger, "ann", 300.0)), clock)
    clock.sleep(299.0)
    keeper.check()
    assert ledger.renewals == 0, "cheap while the lease surely lives"
    clock.sleep(1.0)
    keeper.check()
    assert ledger.renewals == 1
    clock.sleep(300.0)
    Leases(ledger, "bob", 300.0).hold(REQUEST)
    with pytest.raises(LeaseLost, match="taken over"):
        keeper.check()


def test_a_lease_that_may_have_run_out_is_not_trusted_while_the_ledger_is_away(clock: Clock) -> None:
    ledger = Renewals(clock, failing=1)
    keeper = LeaseKeeper(ledger, held(Leases(ledger, "ann", 300.0)), clock)
    clock.sleep(300.0)
    with pytest.raises(Passing):
        keeper.check()
    keeper.check()


def test_a_keeper_stops_where_its_transfer_fails(clock: Clock) -> None:
    leases = Leases(Renewals(clock), "ann", 300.0)
    entry = leases.hold(REQUEST)
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError), leases.kept(entry):
        raise ZeroDivisionError
    assert time.monotonic() - began < 1.0
    assert keepers() == []


def test_nothing_is_kept_that_is_not_held(world: World, leases: Leases) -> None:
    Leases(world.ledger, "bob", 120.0).hold(REQUEST)
    with pytest.raises(LeaseLost, match="not held by ann"), leases.kept(leases.hold(REQUEST)):
        pytest.fail("entered")
