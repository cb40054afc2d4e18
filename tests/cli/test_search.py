# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tests.cli.conftest import Desk, attempt

WAYS = [
    "2024-05-01T00:00:00Z/2024-05-02T00:00:00Z",
    "2024-05-01/2024-05-02",
    "[2024-05-01T00:00:00Z, 2024-05-02T00:00:00Z)",
    "20240501T000000Z_20240502T000000Z",
    "2024-05-01T02:00:00+02:00/2024-05-02T02:00:00+02:00",
]


def found(desk: Desk, which: str) -> str:
    answer = desk.type("show", which, "-o", "json")
    assert answer.code == 0, answer.err
    return str(answer.json["key"])


@pytest.mark.parametrize("digits", [8, 12, 63, 64])
def test_the_first_digits_of_a_key_are_enough(desk: Desk, digits: int) -> None:
    key = desk.put(1).request.key
    desk.put(2)
    assert found(desk, key[:digits]) == key


def test_a_job_is_found_by_its_id_also_one_that_was_replaced(desk: Desk) -> None:
    key = desk.put(1, attempt(0, "failed", "job-1"), attempt(1, "submitted", "job-2")).request.key
    desk.put(2, attempt(0, "submitted", "job-3"))
    assert found(desk, "job-1") == found(desk, "job-2") == key


@pytest.mark.parametrize("window", WAYS)
def test_a_window_is_found_as_people_and_messages_write_it(desk: Desk, window: str) -> None:
    key = desk.put(1).request.key
    desk.put(2)
    assert found(desk, window) == key


def test_a_window_of_two_formats_is_asked_for_by_key(desk: Desk) -> None:
    keys = [desk.put(1, media_format=name).request.key for name in ("mp3", "wav")]
    answer = desk.type("show", WAYS[0])
    assert (answer.code, answer.out) == (1, "")
    assert "is more than one" in answer.err
    assert all(key[:12] in answer.err for key in keys)


@pytest.mark.parametrize(
    "which", ["0" * 64, "0123abcd", "no-such-job", "2024-06-01/2024-06-02", "2024-05-02/2024-05-01"]
)
def test_what_is_not_there_is_not_found(desk: Desk, which: str) -> None:
    desk.put(1, attempt())
    answer = desk.type("show", which)
    assert (answer.code, answer.out) == (1, "")
    assert "nothing in this ledger has the key, job or window" in answer.err


@pytest.mark.parametrize("key", ["abc1234", "job-1", "g" * 64, "A" * 64, ""])
@pytest.mark.parametrize("command", ["release", "forget"])
def test_what_changes_the_ledger_wants_a_key(desk: Desk, command: str, key: str) -> None:
    desk.put(1, attempt())
    answer = desk.type(command, key)
    assert (answer.code, answer.out) == (1, "")
    assert "is no key: give 8 or more" in answer.err
