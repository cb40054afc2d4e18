# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_genesys.archive.retries import Retries
from airflow_provider_genesys.export.errors import Passing, Refused


def failing(*errors: Exception) -> tuple[list[float], object]:
    """The pauses that were made, and what came in the end."""
    left, pauses = list(errors), list[float]()

    def action() -> str:
        if left:
            raise left.pop(0)
        return "done"

    try:
        end: object = Retries(tries=4, first_wait=1.0, longest_wait=3.0).call("it", action, pauses.append)
    except Exception as error:
        end = error
    return pauses, end


def test_waits_double_within_their_bound_and_have_jitter() -> None:
    rounds = [failing(Passing("a"), Passing("b"), Passing("c"))[0] for _ in range(200)]
    for position, bound in enumerate((1.0, 2.0, 3.0)):
        waits = [pauses[position] for pauses in rounds]
        assert 0 <= min(waits) < bound / 4
        assert bound * 3 / 4 < max(waits) <= bound


def test_the_last_fault_is_the_one_that_is_raised() -> None:
    pauses, end = failing(*(Passing(str(number)) for number in range(9)))
    assert len(pauses) == 3
    assert isinstance(end, Passing)
    assert str(end) == "3"


def test_a_retry_after_is_honoured_within_bounds() -> None:
    pauses, end = failing(Passing("a", 2.5), Passing("b", 3600))
    assert end == "done"
    assert pauses == [2.5, 3.0]


def test_only_a_passing_fault_is_tried_again() -> None:
    refusal = Refused("404")
    assert failing(refusal) == ([], refusal)


@pytest.mark.parametrize("tries", [1, 2])
def test_so_many_tries_in_all(tries: int) -> None:
    made: list[int] = []

    def action() -> None:
        made.append(1)
        raise Passing("a")

    with pytest.raises(Passing):
        Retries(tries=tries, first_wait=0).call("it", action)
    assert len(made) == tries
