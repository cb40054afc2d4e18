# SPDX-License-Identifier: Apache-2.0
"""What steps tell their meter, beside what the platform and the archive in memory know themselves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import pytest

from airflow_provider_genesys.export.errors import ExportFailed, Passing, Refused
from airflow_provider_genesys.export.metering import Figure, Meter
from airflow_provider_genesys.export.model import RecordingStatus
from tests.export.memory.fates import COMPLETES, FAILS, IS_CANCELED, LOSES_ITS_ANSWER
from tests.export.orchestrator import DAY, World, asked

REQUEST = asked()


@dataclass
class Notebook(Meter):
    """A meter that keeps everything."""

    times: list[tuple[Figure, float]] = field(default_factory=list)
    gauges: list[tuple[Figure, float]] = field(default_factory=list)

    def time(self, figure: Figure, seconds: float) -> None:
        self.times.append((figure, seconds))

    def gauge(self, figure: Figure, value: float) -> None:
        self.gauges.append((figure, value))


def export(world: World, force_run: str = "") -> Notebook:
    """Export the day by one orchestrator; what its meter has."""
    notebook = Notebook()
    world.export(REQUEST, force_run, replace(world.coordinator(), meter=notebook))
    return notebook


def test_a_window_is_measured(world: World) -> None:
    world.api.fates.append(replace(COMPLETES, seconds=600.0))
    notebook = export(world)
    archived = [line for line in world.archive.receipts[DAY] if line.status is RecordingStatus.ARCHIVED]
    assert notebook.counts == {
        Figure.JOBS_SUBMITTED: 1,
        Figure.POLLS: world.api.asked["job"],
        Figure.RECORDINGS: 24,
        Figure.BYTES: sum(line.size or 0 for line in archived),
    }
    ((figure, seconds),) = notebook.times
    assert figure is Figure.WAIT
    assert 600 <= seconds < 900


def test_polls_that_are_left_are_told(world: World) -> None:
    notebook = export(world)
    assert notebook.gauges == [(Figure.POLLS_LEFT, 19), (Figure.POLLS_LEFT, 18)]


def test_what_is_archived_already_is_not_counted_again(world: World) -> None:
    export(world)
    assert export(world).counts == Counter()


def test_a_job_that_failed_and_the_one_that_replaces_it_are_both_counted(world: World) -> None:
    world.api.fates.append(FAILS)
    counts = export(world).counts
    assert (counts[Figure.JOBS_SUBMITTED], counts[Figure.JOBS_FAILED], counts[Figure.RECORDINGS]) == (2, 1, 24)


def test_a_job_that_was_canceled_is_counted_once(world: World) -> None:
    world.api.fates.append(IS_CANCELED)
    notebook = Notebook()
    ann = replace(world.coordinator(), meter=notebook)
    job_ids = world.submit(ann, REQUEST)
    for _ in range(2):
        with pytest.raises(ExportFailed):
            world.wait(ann, job_ids)
    assert notebook.counts[Figure.JOBS_FAILED] == len(notebook.times) == 1


def test_an_answer_that_was_lost_is_no_job_that_is_known(world: World) -> None:
    world.api.fates.append(LOSES_ITS_ANSWER)
    assert export(world).counts[Figure.JOBS_SUBMITTED] == 1


def test_a_job_that_is_found_though_its_answer_was_lost_is_counted(world: World) -> None:
    world.api.jobs_at_a_time = 2
    world.api.fates.append(LOSES_ITS_ANSWER)
    assert export(world).counts[Figure.JOBS_SUBMITTED] == len(world.api.jobs) == 1


def test_what_arrives_by_itself_is_counted(world: World) -> None:
    world.api.jobs_at_a_time = 2
    world.api.delivers = True
    counts = export(world).counts
    sizes = [line.size or 0 for line in world.archive.receipts[DAY]]
    assert (counts[Figure.RECORDINGS], counts[Figure.BYTES]) == (24, sum(sizes))


def test_what_could_not_be_had_is_counted_at_each_try(world: World) -> None:
    world.archive.faults["call-3"].extend([Refused("404 Not Found")] * 2)
    notebook = Notebook()
    ann = replace(world.coordinator(), meter=notebook)
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    for _ in range(2):
        with pytest.raises(ExportFailed):
            ann.retrieve(job_ids)
    assert (notebook.counts[Figure.RECORDINGS], notebook.counts[Figure.RECORDINGS_FAILED]) == (23, 2)


def test_what_came_before_a_fault_is_counted(world: World) -> None:
    world.archive.receipt_faults.append(Passing("the store is away"))
    ann = world.coordinator()
    job_ids = world.wait(ann, world.submit(ann, REQUEST))
    with pytest.raises(Passing):
        ann.retrieve(job_ids)
    assert ann.meter.counts[Figure.RECORDINGS] == 24


def test_a_forecast_polls_and_submits_nothing(world: World) -> None:
    world.api.jobs_at_a_time = 2
    notebook = Notebook()
    replace(world.coordinator(), meter=notebook).forecast(REQUEST)
    assert notebook.counts == {Figure.POLLS: world.api.asked["job"]}
