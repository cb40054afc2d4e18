# SPDX-License-Identifier: Apache-2.0
"""A moment at which a run is killed, and how it is made good.

The platform, or the store, holds an answer while the process is killed. Then the same run is tried again, and another
run wants the window at the same moment: together they make it good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_genesys.export.entry import AttemptStatus, RequestState
from tests.crash.world import World, assert_archive_is_whole, days, ends_well, kill
from tests.waiting import until

STRAIGHT = (AttemptStatus.COMPLETED,)
AGAIN = (AttemptStatus.SUBMITTING, AttemptStatus.COMPLETED)


@dataclass(frozen=True)
class Moment:
    """When a process is killed, and what it may cost.

    :param point: where its request is held; see :meth:`tests.crash.world.World.hold`.
    :param once: what has to be so before requests to the point count.
    :param jobs: at the platform in the end.
    :param attempts: in the ledger in the end.
    :param interrupted: downloads that may be made again.
    :param downloads: at a time.
    :param unfinished: whether an upload is open just then.
    """

    when: str
    archive: str
    point: str
    nth: int = 1
    once: Callable[[World], bool] | None = None
    jobs: int = 1
    attempts: tuple[AttemptStatus, ...] = STRAIGHT
    interrupted: int = 0
    downloads: int = 1
    unfinished: bool = False


def kill_at(world: World, moment: Moment) -> None:
    """Start a run and kill it just then."""
    if moment.once is None:
        world.hold(moment.point, moment.nth)
    killed = world.begin(downloads=moment.downloads)
    if moment.once is not None:
        once = moment.once
        until(lambda: once(world))
        world.hold(moment.point, moment.nth)
    world.wait_until_held(moment.point)
    if moment.unfinished:
        until(world.site.unfinished)
    kill(killed)
    world.release()


def assert_is_made_good(world: World, moment: Moment) -> None:
    """Try a killed run again, beside another one that wants its window: one archive, at the price of the moment."""
    again, another = world.begin(), world.begin("another")
    assert ends_well(again)
    assert ends_well(another)

    assert_archive_is_whole(world, days(1, 1))
    job_ids = world.way.job_ids(world.simulator)
    assert len(job_ids) == moment.jobs
    recordings = 0 if world.way.delivers else len(world.truth(days(1, 1)))
    assert recordings <= world.fetches().total() <= recordings + moment.interrupted
    window = world.entry()
    assert (window.state, window.held_by) == (RequestState.ARCHIVED, ""), "whoever was last gave the window back"
    (entry,) = world.jobs_of(window)
    assert (entry.state, entry.held_by) == (RequestState.ARCHIVED, "")
    assert tuple(attempt.status for attempt in entry.attempts) == moment.attempts
    assert entry.current is not None
    assert entry.current.job_id in job_ids or not moment.jobs
