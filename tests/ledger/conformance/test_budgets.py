# SPDX-License-Identifier: Apache-2.0
"""How many calls an organisation has a minute."""

from __future__ import annotations

import time

import pytest

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import Reservation
from airflow_provider_genesys.export.ports import Ledger
from tests.ledger.backends import open_ledger


def test_a_budget_lets_as_many_calls_through_as_it_says(address: str) -> None:
    ledger = open_ledger(address, span=100.0)
    granted = [ledger.reserve("organisation", "polls", 3) for _ in range(3)]
    assert granted == [Reservation(granted=True, wait=0.0, left=left) for left in (2, 1, 0)]
    refused = ledger.reserve("organisation", "polls", 3)
    assert (refused.granted, refused.left) == (False, 0)
    assert 95 < refused.wait <= 100
    assert not ledger.reserve("organisation", "polls", 3, within=90.0).granted


def test_a_slot_to_come_is_reserved_within_the_wait_that_is_offered(address: str) -> None:
    ledger = open_ledger(address, span=100.0)
    waits = [ledger.reserve("organisation", "polls", 2, within=1000.0) for _ in range(6)]
    assert all(reservation.granted for reservation in waits)
    assert [round(reservation.wait, -1) for reservation in waits] == [0, 0, 100, 100, 200, 200]


def test_budgets_do_not_mix(address: str) -> None:
    ledger = open_ledger(address, span=100.0)
    names = [("organisation", "polls"), ("organisation", "requests"), ("another", "polls")]
    assert all(ledger.reserve(*name, 1).granted for name in names)
    assert not any(ledger.reserve(*name, 1).granted for name in names)


def test_a_budget_that_was_changed_holds_at_once(address: str) -> None:
    ledger = open_ledger(address, span=100.0)
    assert [ledger.reserve("organisation", "polls", 5).granted for _ in range(5)] == [True] * 5
    assert not ledger.reserve("organisation", "polls", 2).granted
    assert [ledger.reserve("organisation", "polls", 7).granted for _ in range(3)] == [True, True, False]


def test_a_budget_without_calls_is_refused(ledger: Ledger) -> None:
    with pytest.raises(InvalidInput, match="per minute"):
        ledger.reserve("organisation", "polls", 0)


def test_a_budget_opens_again_as_time_passes(address: str) -> None:
    ledger = open_ledger(address, span=0.4)
    assert [ledger.reserve("organisation", "polls", 2).granted for _ in range(2)] == [True, True]
    refused = ledger.reserve("organisation", "polls", 2)
    assert not refused.granted
    time.sleep(refused.wait)
    assert ledger.reserve("organisation", "polls", 2).granted


def test_what_a_budget_has_spent_is_what_still_counts(address: str) -> None:
    ledger = open_ledger(address, span=100.0)
    assert ledger.spent("organisation", "polls") == 0
    for _ in range(3):
        ledger.reserve("organisation", "polls", 2, within=1000.0)
    ledger.reserve("organisation", "polls", 2)
    assert ledger.spent("organisation", "polls") == 3
    assert ledger.spent("organisation", "requests") == 0


def test_what_a_budget_has_spent_comes_back_as_time_passes(address: str) -> None:
    ledger = open_ledger(address, span=0.3)
    ledger.reserve("organisation", "polls", 2)
    time.sleep(0.35)
    assert ledger.spent("organisation", "polls") == 0
