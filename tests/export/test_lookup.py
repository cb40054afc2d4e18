# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import pairwise

import pytest

from airflow_provider_genesys.export.entry import AttemptStatus
from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.submission import Submission
from tests.export.memory.platform import calls_every
from tests.export.orchestrator import DAY, ORGANISATION, World, asked, ended, hours, parts_of

REQUEST = asked()


@pytest.fixture
def parted(world: World) -> None:
    """A platform whose jobs take ten conversations, with 24 of them on the day."""
    world.api.calls = calls_every(60, DAY)
    world.api.lot = 10


def test_the_windows_of_a_split_stand_for_it(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    ended(submission, REQUEST, AttemptStatus.FAILED)
    submission.ensure_job(REQUEST)
    ended(submission, asked(hours(6, 12)), AttemptStatus.FAILED)
    submission.ensure_job(REQUEST)
    windows = [entry.request.window for entry in submission.lookup.windows_of(REQUEST)]
    assert windows == [
        hours(0, 6),
        *(hours(start, start + 1.5) for start in (6, 7.5, 9, 10.5)),
        hours(12, 18),
        hours(18, 24),
    ]
    assert all(one.end == two.start for one, two in pairwise(windows))
    by_job = submission.lookup.entries_of(str(ORGANISATION), ["job-1", "job-2"])
    assert [entry.request.window for entry in by_job] == windows


def test_a_job_that_the_ledger_does_not_know_is_named(submission: Submission) -> None:
    with pytest.raises(InvalidInput, match=r"job elsewhere of client@.* is not in the ledger.* Clear"):
        submission.lookup.entries_of(str(ORGANISATION), ["elsewhere"])


def test_several_jobs_of_one_request_stand_for_it_once(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    ended(submission, REQUEST, AttemptStatus.FAILED, "worker aborted")
    submission.ensure_job(REQUEST)
    entries = submission.lookup.entries_of(str(ORGANISATION), ["job-1", "job-2"])
    assert [entry.request for entry in entries] == [REQUEST]


@pytest.mark.usefixtures("parted")
def test_a_job_of_a_part_stands_for_that_part(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    found = submission.lookup.entries_of(str(ORGANISATION), ["job-3", "job-1", "job-1"])
    assert [entry.request for entry in found] == [
        parts_of(world)[2].request,
        parts_of(world)[0].request,
    ]


@pytest.mark.usefixtures("parted")
def test_a_job_of_a_part_of_before_stands_for_the_window_as_it_is_now(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    world.api.calls["early"] = hours(0, 1).start
    world.api.calls = dict(sorted(world.api.calls.items(), key=lambda call: call[1]))
    submission.ensure_job(REQUEST, "run")
    found = submission.lookup.entries_of(str(ORGANISATION), ["job-1"])
    assert [entry.request for entry in found] == [part.request for part in parts_of(world)]


@pytest.mark.usefixtures("parted")
def test_a_window_of_parts_is_one_window(world: World, submission: Submission) -> None:
    submission.ensure_job(REQUEST)
    (window,) = submission.lookup.windows_of(REQUEST)
    assert window.request == REQUEST
    assert [entry.request for entry in submission.lookup.jobs_of(window)] == [part.request for part in parts_of(world)]
