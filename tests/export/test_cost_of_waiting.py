# SPDX-License-Identifier: Apache-2.0
"""What a wait asks of the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from airflow_provider_genesys.export.following import Wait
from airflow_provider_genesys.export.ports import Ledger
from airflow_provider_genesys.export.turns import Turns
from tests.export.memory.fates import SLOW
from tests.export.orchestrator import World, asked, calls_made, hours

REQUEST = asked()


@contextmanager
def asked_of_the_ledger(world: World) -> Iterator[Counter[str]]:
    """Counts calls by operation."""
    counts: Counter[str] = Counter()

    def counted(name: str, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        counts[name] += 1
        return operation(*args, **kwargs)

    names = [name for name in vars(Ledger) if not name.startswith("_")]
    for name in names:
        setattr(world.ledger, name, partial(counted, name, getattr(world.ledger, name)))
    yield counts
    for name in names:
        delattr(world.ledger, name)


def test_a_step_of_a_wait_that_is_not_due_asks_the_ledger_once(world: World) -> None:
    world.api.usual_fate = SLOW
    ann = world.coordinator()
    job_ids = world.submit(ann, REQUEST)
    with asked_of_the_ledger(world) as asked:
        progress = ann.follow(job_ids, ahead=60.0)
    assert progress.wait is Wait.RUNNING
    assert asked == {"renew": 1, "volumes": 1}, "what jobs of its size took is asked for once"
    with asked_of_the_ledger(world) as asked:
        ann.follow(job_ids, ahead=60.0)
    assert asked == {"renew": 1}
    assert calls_made(world) == 1


def test_a_wait_whose_turn_is_an_hour_away_asks_for_its_lease_alone(world: World) -> None:
    world.api.usual_fate = SLOW
    ann = world.coordinator(polls_per_minute=1)
    job_ids = world.submit(ann, REQUEST)
    ann.follow(job_ids)
    for _ in range(60):
        world.ledger.reserve(str(REQUEST.organisation), "polls", 1, within=1e6)
    began = world.clock()
    with asked_of_the_ledger(world) as asked:
        while world.clock() < began + 3000.0:
            world.clock.sleep(ann.follow(job_ids, ahead=60.0).seconds)
    assert set(asked) == {"renew", "reserve"}
    assert asked["renew"] == 3000 / 100 + 1
    assert asked["reserve"] == 1, "nobody asks for what was refused"
    assert world.entry(REQUEST).held_by == "ann"


def test_the_waits_of_a_process_ask_together_for_what_is_refused_to_one(world: World) -> None:
    turns = Turns()
    waits = [replace(world.coordinator(f"ann[{number}]", polls_per_minute=1), turns=turns) for number in range(24)]
    jobs = [world.submit(wait, asked(hours(number, number + 1))) for number, wait in enumerate(waits)]
    world.clock.sleep(15.0)
    with asked_of_the_ledger(world) as counts:
        progress = [wait.follow(job_ids, ahead=60.0) for wait, job_ids in zip(waits, jobs, strict=True)]
    assert [step.wait for step in progress] == [Wait.COMPLETED] + [Wait.RUNNING] * 23
    assert counts["reserve"] == 2
