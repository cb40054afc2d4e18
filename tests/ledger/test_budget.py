# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_genesys.export.model import SPAN
from airflow_provider_genesys.ledger.budget import Budget

NOON = 1_714_564_800.0

steps = st.lists(
    st.tuples(
        st.floats(0.0, 90.0),  # seconds that pass
        st.sampled_from([0.0, 0.0, 0.0, 1.0, 45.0, 3600.0]),  # seconds that the clock is set back by
        st.integers(1, 6),  # calls per minute
        st.sampled_from([0.0, 30.0, 500.0]),  # within
    ),
    max_size=60,
)


@given(steps)
def test_no_span_holds_more_than_the_budget_whatever_happens(steps: list[tuple[float, float, int, float]]) -> None:
    """Judged by the time that truly passed, which the clock does not show."""
    budget, passed, offset, calls = Budget(), 0.0, NOON, list[float]()
    for seconds, set_back, per_minute, within in steps:
        passed += seconds
        offset -= set_back
        budget, reservation = budget.reserve(offset + passed, per_minute, within=within)
        if reservation.granted:
            call = passed + reservation.wait
            calls.append(call)
            exact = SPAN - 1e-3  # what the arithmetic of epoch seconds can lose
            for begin in (other for other in calls if call - exact < other <= call):
                assert sum(begin <= other < begin + exact for other in calls) <= per_minute


@given(steps)
def test_a_clock_that_was_set_back_blocks_nobody_for_longer_than_the_slots_reserved(
    steps: list[tuple[float, float, int, float]],
) -> None:
    budget, now = Budget(), NOON
    for seconds, set_back, per_minute, within in steps:
        now += seconds - set_back
        budget, reservation = budget.reserve(now, per_minute, within=within)
        assert 0 <= reservation.wait <= SPAN * (1 + len(budget.slots) / per_minute)
        again = budget.reserve(now + reservation.wait + 1e-3, per_minute, within=SPAN)[1]
        assert again.granted


@given(st.integers(1, 20), st.lists(st.floats(0.0, 90.0), max_size=60))
def test_no_slot_is_wasted(per_minute: int, pauses: list[float]) -> None:
    """The n-th call comes as soon as it is ``SPAN`` after the call ``per_minute`` before it."""
    budget, now, calls = Budget(), NOON, list[float]()
    for pause in pauses:
        now += pause
        budget, reservation = budget.reserve(now, per_minute, within=1e6)
        earliest = calls[-per_minute] + SPAN if len(calls) >= per_minute else now
        calls.append(now + reservation.wait)
        assert calls[-1] == pytest.approx(max(now, earliest), abs=1e-3)


def test_waiting_through_a_clock_set_back_by_an_hour_takes_no_longer_than_a_span() -> None:
    budget, _ = Budget().reserve(NOON, 1)
    clock, waited = NOON - 3600, 0
    while True:
        budget, reservation = budget.reserve(clock + waited, 1)
        if reservation.granted:
            break
        waited += 1
    assert waited == SPAN


def test_slots_that_no_longer_count_are_dropped() -> None:
    budget = Budget()
    for second in range(0, 6000, 10):
        budget, _ = budget.reserve(NOON + second, 300)
    assert len(budget.slots) == 7
