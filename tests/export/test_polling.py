# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_genesys.export.model import Attempt, AttemptStatus
from airflow_provider_genesys.export.polling import next_poll_at

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
