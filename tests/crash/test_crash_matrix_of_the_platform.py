# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at every moment that the published APIs have of their own, and at those that they share with the guide's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.crash.moments import AGAIN, Moment, assert_is_made_good, kill_at
from tests.crash.world import World
from tests.end_to_end.ways import BATCH, BULK, TRANSCODED, Way

RECORDINGS = 5
SLOW_ENOUGH = {"bulk_processing_seconds": 0.8, "delivery_seconds": 0.8}
"""For a poll in between."""


def _is_processing(world: World) -> bool:
    return any(job.executed_at for job in world.simulator.bulk_jobs)


def _is_fulfilled(world: World) -> bool:
    return any(
        job.executed_at and job.executed_at + job.processing_seconds < time.time() for job in world.simulator.bulk_jobs
    )


def _is_delivered(world: World) -> bool:
    return any("/conversation_id=" in key for key in world.site.objects())


BATCH_MOMENTS = (
    Moment("before the conversations are counted", "file", "search", 1),
    Moment("before they are looked for", "file", "search", 2),
    Moment("before the POST arrives", "file", "submit:before", attempts=AGAIN),
    Moment("before the request's id is stored", "file", "submit:after", attempts=AGAIN, jobs=2),
    Moment("before the first poll", "file", "poll"),
    Moment("between polls", "file", "poll", 2),
    Moment("between the wait and the retrieval", "file", "poll", 3),
    Moment("in the first recording", "file", "recording", interrupted=1),
    Moment("in the last recording", "s3", "recording", 6, interrupted=1),
    Moment("before the manifest is written", "s3", "PUT manifests/"),
    Moment("before the receipt is written", "s3", "PUT receipts/"),
    Moment("before the ledger knows of the receipt", "s3", "after PUT receipts/"),
    Moment("before the report is written", "s3", "PUT reports/"),
    Moment("after the report is written", "s3", "after PUT reports/"),
)

TRANSCODED_MOMENTS = (
    Moment("before any conversation is asked for", "file", "transcoding"),
    Moment("between conversations", "file", "transcoding", 3),
    Moment("between the wait and the retrieval", "file", "transcoding", RECORDINGS + 1),
    Moment("in a recording", "file", "recording", 2, interrupted=1),
    Moment("before the receipt is written", "s3", "PUT receipts/"),
)

BULK_MOMENTS = (
    Moment("before the POST arrives", "file", "submit:before", attempts=AGAIN),
    Moment("before the job's id is stored", "file", "submit:after"),
    Moment("before the first poll", "file", "poll"),
    Moment("before it is started", "file", "execute:before"),
    Moment("once it is started", "file", "execute:after"),
    Moment("while it is processed", "file", "poll", once=_is_processing),
    Moment("while its delivery is awaited", "file", "poll", once=_is_fulfilled),
    Moment("once it has delivered", "file", "poll", once=_is_delivered),
    Moment("before the manifest is written", "s3", "PUT manifests/"),
    Moment("before the receipt is written", "s3", "PUT receipts/"),
    Moment("before the ledger knows of the receipt", "s3", "after PUT receipts/"),
    Moment("before the report is written", "s3", "PUT reports/"),
    Moment("after the report is written", "s3", "after PUT reports/"),
)

CASES = [
    *((BATCH, moment) for moment in BATCH_MOMENTS),
    *((TRANSCODED, replace(moment, jobs=0)) for moment in TRANSCODED_MOMENTS),
    *((BULK, moment) for moment in BULK_MOMENTS),
]


def _name(case: object) -> str:
    return f"{case.export_api}-{case.media_format}" if isinstance(case, Way) else str(getattr(case, "when", case))


@pytest.mark.parametrize("ledger", ["postgresql"])
@pytest.mark.parametrize(("way", "moment"), CASES, ids=_name)
def test_a_kill_is_made_good(new_world: Callable[..., World], ledger: str, way: Way, moment: Moment) -> None:
    world = new_world(ledger, moment.archive, way=way, volumes={"2024-05-01": RECORDINGS}, **SLOW_ENOUGH)
    kill_at(world, moment)

    assert_is_made_good(world, moment)
