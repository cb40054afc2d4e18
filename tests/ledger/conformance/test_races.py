# SPDX-License-Identifier: Apache-2.0
"""Eight processes that do the same at the same moment."""

from __future__ import annotations

from tests.ledger import racing
from tests.ledger.backends import open_ledger
from tests.ledger.conformance.entries import AT_ONCE, asked, held, hours
from tests.ledger.racing import Racers


def test_of_eight_processes_one_gets_the_lease(address: str, racers: Racers) -> None:
    entries = racers.race(racing.acquire, address, asked())
    winners = [entry for entry in entries if entry.lease]
    assert len(winners) == 1
    assert held(winners[0]).fence == 1
    assert {entry.held_by for entry in entries} == {held(winners[0]).owner}
    assert {entry.held_until for entry in entries} == {held(winners[0]).until}


def test_of_eight_processes_one_takes_over_a_lease_that_ran_out(address: str, racers: Racers) -> None:
    open_ledger(address).acquire(asked(), "ann", AT_ONCE)
    winners = [entry for entry in racers.race(racing.acquire, address, asked()) if entry.lease]
    assert [held(entry).fence for entry in winners] == [2]


def test_no_two_acquisitions_have_the_same_fence(address: str, racers: Racers) -> None:
    fences = racers.race(racing.acquire_as_one_owner, address, asked(), 5)
    assert sorted(fence for of_one in fences for fence in of_one) == list(range(1, 8 * 5 + 1))
    assert all(of_one == sorted(of_one) for of_one in fences)


def test_planners_that_race_get_the_same_plan(address: str, racers: Racers) -> None:
    plans = [(hours(0, number + 1), hours(number + 1, 24)) for number in range(racers.number)]
    kept = set(racers.race(racing.keep_plan, address, "key", plans))
    assert len(kept) == 1
    assert kept < set(plans)


def test_volumes_that_are_recorded_at_the_same_moment_are_one(address: str, racers: Racers) -> None:
    racers.race(racing.record_volume, address, hours(0, 24))
    volumes = open_ledger(address).volumes("selection", 0.0, 1e10)
    assert list(volumes) == [hours(0, 24)]
    assert volumes[hours(0, 24)] in range(racers.number)


def test_processes_that_race_share_one_budget(address: str, racers: Racers) -> None:
    per_minute, span = 4, 100.0
    runs = racers.race(racing.reserve, address, per_minute, 5, span)
    reservations = [reservation for run in runs for reservation in run]
    assert all(reservation.granted for _, reservation, _ in reservations)
    earliest = sorted(before + reservation.wait for before, reservation, _ in reservations)
    latest = sorted(reservation.wait + after for _, reservation, after in reservations)
    for slot, next_but_budget in zip(earliest, latest[per_minute:], strict=False):
        assert next_but_budget - slot >= span
    assert latest[-1] - earliest[0] < span * (len(reservations) / per_minute)
