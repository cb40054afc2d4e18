# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at every moment of a window's life that can be told apart from outside, with the guide's API."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.crash.conftest import LEDGERS
from tests.crash.moments import AGAIN, Moment, assert_is_made_good, kill_at
from tests.crash.world import World, assert_archive_is_whole, days, ends_well, kill

RECORDINGS = 5
LARGE = 20_000_000
"""Bytes of the third recording, in the order of the keys as well: it comes and goes in three parts."""

GETS = RECORDINGS + 2

MOMENTS = (
    Moment("before the POST arrives", "file", "submit:before", attempts=AGAIN),
    Moment("before the job's id is stored", "file", "submit:after", attempts=AGAIN, jobs=2),
    Moment("before the first poll", "file", "poll"),
    Moment("between polls", "file", "poll", 2),
    Moment("between the wait and the retrieval", "file", "poll", 3),
    Moment("in the manifest", "s3", "manifest"),
    Moment("in the first recording", "file", "recording", interrupted=1),
    Moment("in the large recording's first part", "s3", "recording", 3, interrupted=1, unfinished=True),
    Moment("in another part of it", "file", "recording", 4, interrupted=1, unfinished=True),
    Moment("in the last recording", "s3", "recording", GETS, interrupted=1),
    Moment("with all recordings under way", "file", "recording", 3, interrupted=4, downloads=4),
    Moment("between the last object and the receipt", "s3", "after PUT recordings/", RECORDINGS + 2),
    Moment("before the receipt is written", "s3", "PUT receipts/"),
    Moment("before the ledger knows of the receipt", "s3", "after PUT receipts/"),
    Moment("before the report is written", "s3", "PUT reports/"),
    Moment("after the report is written", "s3", "after PUT reports/"),
)


@pytest.mark.parametrize("ledger", LEDGERS)
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.when)
def test_a_kill_is_made_good(new_world: Callable[..., World], ledger: str, moment: Moment) -> None:
    world = new_world(
        ledger, moment.archive, volumes={"2024-05-01": RECORDINGS}, large_recordings={"2024-05-01/2": LARGE}
    )
    kill_at(world, moment)

    assert_is_made_good(world, moment)


def test_a_kill_among_many_leaves_a_receipt_that_claims_nothing(new_world: Callable[..., World]) -> None:
    many = 600
    world = new_world("sqlite", "s3", volumes={"2024-05-01": many}, audio_bytes=1_024)
    world.hold("recording", 400)
    killed = world.begin(downloads=4)
    world.wait_until_held("recording")
    kill(killed)
    world.release()
    lines = [json.loads(line) for line in world.document("receipts").splitlines()]
    assert len(lines) == many
    assert {(line["status"], line["reason"]) for line in lines} == {("failed", "not fetched yet")}

    again, another = world.begin(downloads=4), world.begin("another", downloads=4)
    assert ends_well(again)
    assert ends_well(another)

    assert_archive_is_whole(world, days(1, 1))
    assert len(world.simulator.jobs) == 1
    assert world.fetches().total() <= many + 4
