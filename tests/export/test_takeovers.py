# SPDX-License-Identifier: Apache-2.0
"""Two orchestrators at one window, and one that comes after another's death."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from airflow_provider_genesys.export.following import Wait
from airflow_provider_genesys.export.leases import Held
from airflow_provider_genesys.export.model import ExportRequest
from tests.export.memory.archive import with_status
from tests.export.memory.clock import Clock
from tests.export.memory.fates import FAILS, SLOW
from tests.export.orchestrator import ALL, DAY, Killed, World, asked, new_world

REQUEST = asked()


# -- two orchestrators -----------------------------------------------------------------------------------------------


def test_two_orchestrators_share_one_job_and_the_second_neither_polls_nor_downloads(world: World) -> None:
    world.api.usual_fate = SLOW
    ann, bob = world.coordinator("ann"), world.coordinator("bob")
    job_ids = world.submit(ann, REQUEST)
    assert world.submit(bob, REQUEST) == job_ids
    assert bob.follow(job_ids).wait is Wait.RUNNING
    assert world.api.asked["job"] == 0
    job_ids = world.wait(ann, job_ids)
    polls = world.api.asked["job"]
    assert bob.follow(job_ids).wait is Wait.COMPLETED
    assert isinstance(held := bob.retrieve(job_ids), Held)
    assert held.by == "ann"
    assert (world.api.asked["job"], world.archive.fetched) == (polls, [])
    assert ann.retrieve(job_ids) == ALL
    assert bob.retrieve(job_ids) == ALL
    assert (world.api.asked["submit"], len(world.archive.fetched)) == (1, 24)


def test_an_archived_window_is_told_whoever_holds_it(world: World) -> None:
    world.export(REQUEST)
    world.ledger.acquire(REQUEST, "cid", 300.0)
    assert world.coordinator("bob").retrieve(["job-1"]) == ALL
    assert world.entry(REQUEST).held_by == "cid"


def test_the_second_orchestrator_takes_over_when_the_first_is_gone(world: World) -> None:
    world.api.usual_fate = SLOW
    world.submit(world.coordinator("ann"), REQUEST)
    assert world.export(REQUEST, coordinator=world.coordinator("bob")) == ALL
    assert world.api.asked["submit"] == 1


def test_whoever_comes_while_another_submits_waits_and_gets_its_job(world: World) -> None:
    seen: list[object] = []
    world.api.in_post = lambda: seen.append(world.coordinator("bob").submit(REQUEST))
    assert world.coordinator("ann").submit(REQUEST) == ["job-1"]
    assert [type(outcome) for outcome in seen] == [Held]
    assert world.submit(world.coordinator("bob"), REQUEST) == ["job-1"]


def test_a_takeover_in_the_middle_of_a_transfer_is_told_as_held(world: World) -> None:
    ann = world.coordinator("ann")
    job_ids = world.wait(ann, world.submit(ann, REQUEST))

    def take_over(recording_id: str) -> None:
        world.archive.before_fetch = lambda recording_id: None
        world.clock.sleep(301.0)
        world.coordinator("bob").submit(REQUEST)
        world.ledger.acquire(REQUEST, "bob", 300.0)

    world.archive.before_fetch = take_over
    assert ann.retrieve(job_ids) == Held("bob", 300.0)
    assert world.archive.receipts == {}


def test_a_takeover_during_the_retrievers_poll_is_told_as_held(world: World) -> None:
    ann = world.coordinator("ann")
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    job = world.api.job

    def slow_job(request: ExportRequest, job_id: str) -> Any:
        world.clock.sleep(301.0)
        world.ledger.acquire(REQUEST, "bob", 300.0)
        return job(request, job_id)

    world.api.job = slow_job  # type: ignore[method-assign]
    assert ann.retrieve(job_ids) == Held("bob", 300.0)


def test_a_takeover_during_a_submission_is_told_as_held(world: World) -> None:
    def take_over() -> None:
        world.clock.sleep(301.0)
        world.ledger.acquire(REQUEST, "bob", 300.0)

    world.api.in_post = take_over
    assert world.coordinator("ann").submit(REQUEST) == Held("bob", 300.0)


# -- deaths ----------------------------------------------------------------------------------------------------------

OPERATIONS = {
    "ledger": ("acquire", "save", "renew", "release", "entry", "record_volume", "reserve"),
    "api": ("submit", "job"),
    "archive": ("receipt", "receipt_and_version", "fetch_manifest", "fetch", "put_receipt"),
}


@contextmanager
def death_at(world: World, port: str, operation: str, nth: int, *, after: bool) -> Iterator[None]:
    """Let the n-th call of an operation kill the process: before it, or right after."""
    target, original = getattr(world, port), getattr(getattr(world, port), operation)
    calls = count(1)

    def dying(*args: Any, **kwargs: Any) -> Any:
        if next(calls) != nth:
            return original(*args, **kwargs)
        if after and isinstance(outcome := original(*args, **kwargs), Iterator):
            next(outcome)
        raise Killed

    setattr(target, operation, dying)
    yield
    delattr(target, operation)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("port", "operation"), [(port, operation) for port, operations in OPERATIONS.items() for operation in operations]
)
def test_wherever_a_process_is_killed_the_next_one_ends_with_every_recording_once(
    port: str, operation: str, after: bool
) -> None:
    """One failed job, one whose URLs expire, one that is good: a death at each call of the operation in turn."""
    for nth in count(1):
        world = new_world(Clock())
        world.api.fates.extend([replace(FAILS, seconds=20.0), replace(SLOW, lives=100.0)])
        died = False
        with death_at(world, port, operation, nth, after=after):
            try:
                world.export(REQUEST)
            except Killed:
                died = True
        counts = world.export(REQUEST)
        assert counts == ALL
        assert with_status(world.archive.receipts[DAY], "archived") == [f"call-{n}" for n in range(24)]
        assert world.coordinator().reconcile(REQUEST, [DAY]).is_complete
        assert max(Counter(world.archive.fetched).values()) == 1
        orphans = world.api.jobs.keys() - {attempt.job_id for attempt in world.entry(REQUEST).attempts}
        assert len(orphans) <= (died and operation in ("submit", "save")), "only a death in a POST may leave one"
        assert world.api.asked["submit"] <= 3 + len(orphans)
        if not died:
            assert nth > 1, "the operation is never called"
            return
