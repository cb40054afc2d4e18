# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus
from airflow_provider_genesys.export.polling import durations_of_size, estimated_duration, likelihood, next_poll_at

SUBMITTED = Attempt(0, 0, AttemptStatus.SUBMITTED, "job-1", submitted_at=1000.0)


def test_the_first_poll_comes_after_the_base_delay() -> None:
    assert next_poll_at(SUBMITTED, 15.0, 180.0) == 1015.0


@given(st.integers(1, 10_000), st.text(min_size=1))
def test_polls_are_never_closer_than_the_base_delay_nor_further_apart_than_the_longest(polls: int, job_id: str) -> None:
    attempt = replace(SUBMITTED, job_id=job_id, polls=polls, polled_at=2000.0)
    assert 2015.0 <= next_poll_at(attempt, 15.0, 180.0) <= 2180.0


@pytest.mark.parametrize(("polls", "ceiling"), [(1, 30.0), (2, 60.0), (3, 120.0), (4, 180.0), (40, 180.0)])
def test_the_ceiling_doubles_up_to_the_longest_delay_with_full_jitter_below(polls: int, ceiling: float) -> None:
    delays = [
        next_poll_at(replace(SUBMITTED, job_id=f"job-{n}", polls=polls, polled_at=0.5), 15.0, 180.0) - 0.5
        for n in range(2000)
    ]
    assert 15.0 <= min(delays) < 15.0 + (ceiling - 15.0) * 0.01
    assert ceiling * 0.99 < max(delays) <= ceiling
    assert sum(delays) / len(delays) == pytest.approx((15.0 + ceiling) / 2, rel=0.05)


def test_a_restarted_process_comes_to_the_same_moment() -> None:
    attempt = replace(SUBMITTED, polls=3, polled_at=2000.0)
    assert next_poll_at(attempt, 15.0, 180.0) == next_poll_at(replace(attempt), 15.0, 180.0)
    assert next_poll_at(attempt, 15.0, 180.0) != next_poll_at(replace(attempt, job_id="job-2"), 15.0, 180.0)


def test_a_base_delay_that_is_the_longest_leaves_no_jitter() -> None:
    assert next_poll_at(replace(SUBMITTED, polls=5, polled_at=2000.0), 2.0, 2.0) == 2002.0


# -- learned ---------------------------------------------------------------------------------------------------------

USUAL = (100.0, 110.0, 120.0, 130.0, 140.0, 150.0, 160.0, 400.0)


def test_the_first_poll_comes_when_three_quarters_of_its_kind_were_done() -> None:
    assert next_poll_at(SUBMITTED, 15.0, 180.0, USUAL) == 1160.0


def test_the_first_poll_comes_after_the_base_delay_at_the_earliest() -> None:
    assert next_poll_at(SUBMITTED, 15.0, 180.0, (1.0, 2.0, 3.0, 4.0, 5.0)) == 1015.0


def test_a_later_poll_goes_by_those_of_its_kind_that_ran_on() -> None:
    polled = replace(SUBMITTED, polls=1, polled_at=1125.0)
    assert next_poll_at(polled, 15.0, 180.0, USUAL) == 1160.0
    assert next_poll_at(polled, 60.0, 180.0, USUAL) == 1185.0, "no two polls are closer than that"


def test_two_polls_are_never_further_apart_than_the_longest_delay() -> None:
    polled = replace(SUBMITTED, polls=1, polled_at=1100.0)
    assert next_poll_at(polled, 15.0, 180.0, (500.0,) * 5) == 1280.0


def test_a_job_that_outlasts_its_kind_is_polled_as_if_nothing_were_known() -> None:
    polled = replace(SUBMITTED, polls=2, polled_at=1135.0)
    assert next_poll_at(polled, 15.0, 180.0, USUAL) == next_poll_at(polled, 15.0, 180.0)


def test_a_job_is_compared_with_those_of_half_to_twice_its_size() -> None:
    history = [(49, 1.0), (50, 9.0), (100, 8.0), (150, 7.0), (200, 6.0), (60, 5.0), (201, 2.0)]
    assert durations_of_size(history, 100) == (5.0, 6.0, 7.0, 8.0, 9.0)


def test_a_thin_history_is_none() -> None:
    assert durations_of_size([(100, 8.0)] * 4, 100) == ()
    assert durations_of_size([], 0) == ()


def test_the_likelier_job_is_the_one_more_of_whose_kind_were_done() -> None:
    assert likelihood(SUBMITTED, 1099.0, USUAL) == 0.0
    assert likelihood(SUBMITTED, 1130.0, USUAL) == 0.5
    assert likelihood(SUBMITTED, 1400.0, USUAL) == 1.0
    polled = replace(SUBMITTED, polls=1, polled_at=1115.0)
    assert likelihood(polled, 1130.0, USUAL) == pytest.approx(2 / 6), "it was not among the first two"


def test_without_a_history_a_job_is_the_likelier_the_more_of_its_life_nobody_has_looked() -> None:
    assert likelihood(SUBMITTED, 1000.0) == 1.0
    assert likelihood(SUBMITTED, 1015.0) == 1.0
    polled = replace(SUBMITTED, polls=1, polled_at=1060.0)
    assert [likelihood(polled, now) for now in (1060.0, 1080.0, 1120.0, 1180.0)] == pytest.approx([0, 0.25, 0.5, 2 / 3])


def test_a_job_has_ended_in_the_middle_between_its_last_two_polls() -> None:
    assert estimated_duration(SUBMITTED, 1100.0) == 50.0
    assert estimated_duration(replace(SUBMITTED, polls=1, polled_at=1080.0), 1100.0) == 90.0
