# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_genesys.export.model import SPAN, Reservation
from airflow_provider_genesys.export.turns import Turns, shared_turns
from tests.export.memory.clock import Clock
from tests.ledger.memory import MemoryLedger

ORGANISATION = "client@api.mypurecloud.com"
WITHIN = SPAN / 2


class CountingLedger(MemoryLedger):
    """Counts how often it is asked for a slot."""

    asked = 0

    def reserve(self, organisation: str, budget: str, per_minute: int, within: float = 0.0) -> Reservation:
        self.asked += 1
        return super().reserve(organisation, budget, per_minute, within)


@pytest.fixture
def ledger(clock: Clock) -> CountingLedger:
    """A ledger whose one poll of this minute is taken."""
    ledger = CountingLedger(clock)
    assert ledger.reserve(ORGANISATION, "polls", 1).granted
    ledger.asked = 0
    return ledger


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def reserve(clock: Clock, ledger: CountingLedger, turns: Turns) -> Callable[..., Reservation]:
    def reserve(within: float = WITHIN, per_minute: int = 1) -> Reservation:
        return turns.reserve(ledger, ORGANISATION, per_minute, now=clock(), within=within)

    return reserve


def test_what_was_refused_to_one_is_refused_to_all_without_asking(
    clock: Clock, ledger: CountingLedger, reserve: Callable[..., Reservation]
) -> None:
    assert reserve() == Reservation(granted=False, wait=SPAN)
    clock.sleep(10.0)
    assert [reserve() for _ in range(100)] == [Reservation(granted=False, wait=SPAN - 10.0)] * 100
    assert ledger.asked == 1


def test_a_slot_that_comes_within_reach_is_asked_for(
    clock: Clock, ledger: CountingLedger, reserve: Callable[..., Reservation]
) -> None:
    reserve()
    clock.sleep(WITHIN)
    assert reserve() == Reservation(granted=True, wait=WITHIN)
    assert ledger.asked == 2


def test_who_may_reach_further_asks_for_themselves(ledger: CountingLedger, reserve: Callable[..., Reservation]) -> None:
    assert not reserve(within=0.0).granted
    assert reserve(within=SPAN).granted
    assert ledger.asked == 2


def test_a_clock_that_was_set_back_is_asked_anew(
    clock: Clock, ledger: CountingLedger, reserve: Callable[..., Reservation]
) -> None:
    reserve()
    clock.now -= 3600.0
    assert reserve().wait == SPAN
    assert ledger.asked == 2


def test_the_waits_of_one_organisation_and_ledger_have_the_same_turns() -> None:
    assert shared_turns(ORGANISATION, "a") is shared_turns(ORGANISATION, "a")
    assert shared_turns(ORGANISATION, "a") is not shared_turns(ORGANISATION, "b")
    assert shared_turns(ORGANISATION, "a") is not shared_turns("other@api.mypurecloud.com", "a")


def test_many_who_are_refused_are_a_crowd_until_they_come_seldom(
    clock: Clock, reserve: Callable[..., Reservation], turns: Turns
) -> None:
    for _ in range(2):
        reserve()
    assert not turns.is_crowded(1, clock())
    reserve()
    assert turns.is_crowded(1, clock())
    assert not turns.is_crowded(2, clock())
    clock.sleep(60.0)
    assert not turns.is_crowded(1, clock())
