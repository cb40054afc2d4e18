# SPDX-License-Identifier: Apache-2.0
"""A holder that stops for longer than its lease lasts, then goes on: it finds itself replaced, and writes no more."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.process import BaseProcess

import pytest

from airflow_provider_genesys.export.entry import AttemptStatus
from tests.crash.conftest import LEDGERS
from tests.crash.world import PACE, World, assert_archive_is_whole, days, ends_well
from tests.end_to_end.ways import BATCH, BULK, GUIDE, TRANSCODED, Way
from tests.servers.holding_proxy import Fault
from tests.waiting import until

RECORDINGS = 5
LAST_IS_GONE = {"kind": "storage_gone", "every": RECORDINGS, "times": None}


def tell(process: BaseProcess, number: signal.Signals) -> None:
    assert process.pid
    os.kill(process.pid, number)


@pytest.mark.parametrize(
    ("way", "ledger", "archive", "point", "nth", "jobs", "fetched_again"),
    [
        *((GUIDE, ledger, "file", "submit:after", 1, 2, 0) for ledger in LEDGERS),
        *((GUIDE, ledger, "file", "poll", 1, 1, 0) for ledger in LEDGERS),
        *((GUIDE, ledger, "file", "recording", 3, 1, 1) for ledger in LEDGERS),
        (GUIDE, "postgresql", "s3", "after PUT recordings/", RECORDINGS, 1, 0),
        (BATCH, "postgresql", "file", "submit:after", 1, 2, 0),
        (BATCH, "postgresql", "file", "recording", 3, 1, 1),
        (TRANSCODED, "postgresql", "file", "transcoding", RECORDINGS, 0, 0),
        (BULK, "postgresql", "file", "submit:after", 1, 1, 0),
        (BULK, "postgresql", "file", "execute:after", 1, 1, 0),
    ],
    ids=lambda value: str(value) if isinstance(value, int | str) else f"{value.export_api}-{value.media_format}",
)
def test_a_holder_that_was_away_for_too_long_writes_no_more(
    new_world: Callable[..., World],
    way: Way,
    ledger: str,
    archive: str,
    point: str,
    nth: int,
    jobs: int,
    fetched_again: int,
) -> None:
    world = new_world(ledger, archive, way=way, volumes={"2024-05-01": RECORDINGS})
    world.hold(point, nth)
    stopped = world.begin("stopped")
    world.wait_until_held(point)
    tell(stopped, signal.SIGSTOP)

    assert ends_well(world.begin("successor"))
    entry, receipt, asked = world.entry(), world.document("receipts"), world.simulator.stats

    world.release()
    tell(stopped, signal.SIGCONT)
    assert ends_well(stopped), "the window is archived, whoever did it"

    assert world.entry() == entry
    assert world.document("receipts") == receipt
    assert world.simulator.stats.requests == asked.requests, "not one more request"
    assert_archive_is_whole(world, days(1, 1))
    assert way.jobs(world.simulator) == jobs
    fetched_once = 0 if way.delivers else len(world.truth(days(1, 1)))
    assert world.fetches().total() == fetched_once + fetched_again
    (exported,) = world.jobs_of(entry)
    assert exported.current is not None
    assert exported.current.status is AttemptStatus.COMPLETED


@pytest.mark.parametrize("is_first", [True, False], ids=["the first receipt", "a later receipt"])
def test_a_receipt_that_was_on_its_way_for_too_long_leaves_the_successors(
    new_world: Callable[..., World], is_first: bool
) -> None:
    """The ledger's word, which comes before the receipt, was true when it was given."""
    world = new_world("postgresql", "s3", volumes={"2024-05-01": RECORDINGS}, faults=[LAST_IS_GONE])
    if not is_first:
        assert not ends_well(world.begin("earlier"))
    world.hold("PUT receipts/")
    stopped = world.begin("stopped")
    world.wait_until_held("PUT receipts/")
    tell(stopped, signal.SIGSTOP)

    world.simulator.faults = []
    assert ends_well(world.begin("successor"))
    entry, receipt = world.entry(), world.document("receipts")

    world.release()
    tell(stopped, signal.SIGCONT)
    assert ends_well(stopped)

    assert world.document("receipts") == receipt
    assert world.entry() == entry
    assert_archive_is_whole(world, days(1, 1))
    assert len(world.simulator.jobs) == 1


def test_a_receipt_whose_answer_was_lost_is_known_again_by_its_writer(new_world: Callable[..., World]) -> None:
    """The client's second try finds its first one there, which the store refuses to replace."""
    world = new_world("sqlite", "s3", volumes={"2024-05-01": RECORDINGS})
    assert world.proxy
    world.proxy.fail("PUT receipts/", Fault())
    assert ends_well(world.begin())
    assert len([words for words in world.proxy.passed if words.startswith("PUT") and "/receipts/" in words]) == 2
    assert "tried again" not in world.log("scheduled").read_text()
    assert_archive_is_whole(world, days(1, 1))


@pytest.mark.parametrize("ledger", ["postgresql"])
def test_a_holder_that_was_away_starts_no_download_while_its_successor_is_at_work(
    new_world: Callable[..., World], ledger: str
) -> None:
    world = new_world(ledger, volumes={"2024-05-01": RECORDINGS})
    world.hold("recording", 2)
    stopped = world.begin("stopped")
    world.wait_until_held("recording")
    tell(stopped, signal.SIGSTOP)
    world.hold("recording", 2)  # the successor's: it has the first one already, and fetches the second again
    successor = world.begin("successor")
    until(lambda: len(world.simulator.held) == 2)

    tell(stopped, signal.SIGCONT)
    world.release()

    assert ends_well(successor)
    assert ends_well(stopped)
    assert_archive_is_whole(world, days(1, 1))
    assert world.fetches().total() == RECORDINGS + 1


@pytest.mark.parametrize("ledger", LEDGERS)
def test_who_waits_for_a_window_asks_the_ledger_only(new_world: Callable[..., World], ledger: str) -> None:
    world = new_world(ledger, volumes={"2024-05-01": RECORDINGS})
    pace = replace(PACE, lease_seconds=1.0)
    world.hold("recording", 2)
    holder = world.begin("holder", pace=pace)
    world.wait_until_held("recording")
    asked = world.simulator.stats

    waiter = world.begin("waiter", pace=pace)
    until(lambda: "is held by holder" in world.log("waiter").read_text())
    time.sleep(2.5 * pace.lease_seconds)

    assert waiter.is_alive()
    assert world.simulator.stats == asked, "no request, not even for a token"
    assert world.entry().held_by == "holder[0]", "renewed during the download"
    world.release()
    assert ends_well(holder)
    assert ends_well(waiter)
    assert_archive_is_whole(world, days(1, 1))
    assert world.fetches().total() == RECORDINGS
    assert len(world.simulator.jobs) == 1
