# SPDX-License-Identifier: Apache-2.0
"""Recordings that the platform delivers by itself: awaited, found in the bucket, explained where they are not there."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_provider_genesys.export.arrival import PATIENCE
from airflow_provider_genesys.export.entry import AttemptStatus, RequestState
from airflow_provider_genesys.export.errors import ExportFailed, InvalidInput, NotYet
from airflow_provider_genesys.export.following import Wait
from airflow_provider_genesys.export.model import ReceiptLine
from tests.export.memory.fates import COMPLETES
from tests.export.orchestrator import DAY, World, asked, hours

REQUEST = asked(media_format="original")
NIGHT = asked(hours(0, 6), media_format="original")


@pytest.fixture
def world(world: World) -> World:
    """A platform that delivers what its jobs export, an hour after they end, into the archive's own bucket."""
    world.api.jobs_at_a_time, world.api.delivers = 2, True
    world.api.delivery_seconds = 3600.0
    world.api.usual_fate = replace(COMPLETES, prepares=60.0, seconds=600.0)
    return world


def lines(world: World) -> dict[str, ReceiptLine]:
    return {line.recording_id: line for line in world.archive.receipts[DAY]}


def completed(world: World) -> list[str]:
    """The ids of the day's jobs, which have completed at this moment."""
    coordinator = world.coordinator()
    return world.wait(coordinator, world.submit(coordinator, REQUEST))


def test_what_arrives_is_stated_and_nothing_is_fetched(world: World) -> None:
    assert world.export(REQUEST) == {"archived": 24}
    assert not world.archive.fetched
    assert not world.api.looked_up, "a listing tells it all"
    one = lines(world)["call-3"]
    assert (one.key, one.size, one.checksum, one.sha256) == ("org/of-call-3/call-3.ogg", 10, "etag", None)
    assert one.metadata["queue"] == "claims"
    assert world.entry(REQUEST).state is RequestState.ARCHIVED


def test_a_job_that_is_done_has_not_delivered(world: World) -> None:
    job_ids = completed(world)
    with pytest.raises(NotYet, match="24 of 24 recordings of job job-1 have not arrived in the bucket yet"):
        world.coordinator().retrieve(job_ids)
    assert DAY not in world.archive.receipts, "nothing is stated that may still change"
    assert not world.api.looked_up


def test_a_late_delivery_is_awaited_and_costs_no_attempt(world: World) -> None:
    world.api.delivery_seconds = 40 * 3600.0
    assert world.export(REQUEST) == {"archived": 24}
    assert [attempt.status for attempt in world.entry(REQUEST).attempts] == [AttemptStatus.COMPLETED]
    assert not world.api.looked_up


def test_a_recordings_second_file_that_is_just_arriving_is_awaited(world: World) -> None:
    job_ids = completed(world)
    world.clock.sleep(3600.0)
    world.api.exported["call-3/2nd"] = world.clock() + 30.0
    with pytest.raises(NotYet, match="files have arrived in the bucket just now") as not_yet:
        world.coordinator().retrieve(job_ids)
    world.clock.sleep(not_yet.value.retry_after or 0.0)
    with pytest.raises(NotYet):
        world.coordinator().retrieve(job_ids)
    assert world.retrieve(world.coordinator(), job_ids) == {"archived": 25}
    assert {"call-3_0", "call-3_1"} < lines(world).keys()


def test_looks_become_rarer(world: World) -> None:
    job_ids, waits = completed(world), []
    world.api.exported = dict.fromkeys(world.api.exported, math.inf)
    for _ in range(5):
        with pytest.raises(NotYet) as not_yet:
            world.coordinator().retrieve(job_ids)
        waits.append(not_yet.value.retry_after or 0.0)
        world.clock.sleep(1000.0)
    assert waits == sorted(waits)
    assert waits[0] < 60.0
    assert waits[-1] >= 1000.0


def test_what_never_arrives_fails_the_window_in_the_end(world: World) -> None:
    job_ids = completed(world)
    world.api.exported["call-3"] = math.inf
    with pytest.raises(ExportFailed, match=r"1 of 24 recordings are not archived, such as 'call-3' .* since 48 hours"):
        world.retrieve(world.coordinator(), job_ids)
    assert world.clock() - (world.entry(REQUEST).attempts[0].ended_at or 0.0) >= PATIENCE
    assert lines(world)["call-3"].status == "failed"
    assert world.api.looked_up == ["of-call-3"]
    world.api.exported["call-3"] = world.clock()
    assert world.retrieve(world.coordinator(), job_ids) == {"archived": 24}, "late, and found when it is looked for"


def test_what_was_exported_elsewhere_before_is_unavailable_and_named(world: World) -> None:
    world.api.elsewhere = {"call-3", "call-7"}
    assert world.export(REQUEST) == {"archived": 22, "unavailable": 2}
    assert lines(world)["call-7"].reason == "exported before"
    assert sorted(world.api.looked_up) == ["of-call-3", "of-call-7"]


def test_what_was_exported_here_before_is_found_here(world: World) -> None:
    world.export(REQUEST)
    assert world.export(REQUEST, force_run="another run") == {"archived": 24}
    assert {line.job_id for line in lines(world).values()} == {"job-2"}
    assert not world.api.looked_up


def test_while_something_is_late_what_was_skipped_waits_with_it(world: World) -> None:
    world.api.elsewhere = {"call-3"}
    job_ids = completed(world)
    world.clock.sleep(3600.0)
    world.api.exported["call-7"] = world.clock() + 7200.0
    with pytest.raises(NotYet):
        world.coordinator().retrieve(job_ids)
    assert world.retrieve(world.coordinator(), job_ids) == {"archived": 23, "unavailable": 1}


def test_what_failed_is_unavailable_and_named(world: World) -> None:
    world.api.can_not_export = {"call-3"}
    assert world.export(REQUEST) == {"archived": 23, "unavailable": 1}
    assert lines(world)["call-3"].reason == "it could not be exported"
    assert not world.api.looked_up


def test_a_conversation_for_which_nothing_came_is_missing(world: World) -> None:
    world.api.blank["of-nothing"] = DAY.start + timedelta(hours=3)
    with pytest.raises(ExportFailed, match="such as conversation 'of-nothing' of job job-1"):
        world.export(REQUEST)
    assert lines(world)["of-nothing"].status == "missing"
    assert world.api.looked_up == ["of-nothing"]


def test_a_part_of_a_conversation_that_is_not_there_is_found_out(world: World) -> None:
    world.api.calls["call-3+"] = world.api.calls["call-3"]
    world.api.elsewhere = {"call-3+"}
    assert world.export(REQUEST) == {"archived": 24, "unavailable": 1}
    assert len(world.api.looked_up) == 24, "which of them it is, no count says"


def test_a_part_of_a_conversation_that_is_late_is_awaited(world: World) -> None:
    world.api.calls["call-3+"] = world.api.calls["call-3"]
    job_ids = completed(world)
    world.clock.sleep(3600.0)
    world.api.exported["call-3+"] = world.clock() + 600.0
    with pytest.raises(NotYet, match="1 of 25"):
        world.coordinator().retrieve(job_ids)
    assert world.retrieve(world.coordinator(), job_ids) == {"archived": 25}
    assert not world.api.looked_up


def test_a_window_without_recordings_is_archived_empty(world: World) -> None:
    world.api.calls.clear()
    assert world.export(NIGHT) == {}
    assert world.archive.receipts[NIGHT.window] == ()
    assert world.entry(NIGHT).state is RequestState.ARCHIVED


def test_a_destination_that_nothing_can_arrive_in_is_refused_before_any_job(world: World) -> None:
    world.archive.is_bucket = False
    with pytest.raises(InvalidInput, match="is no bucket"):
        world.coordinator().submit(REQUEST)
    assert not world.api.jobs


def test_a_day_from_its_plan_to_its_report(world: World) -> None:
    world.api.elsewhere, world.api.can_not_export = {"call-3"}, {"call-7"}
    coordinator = world.coordinator(max_recordings_per_job=10)
    assert sum(world.export(REQUEST, coordinator=coordinator).values()) == 24
    report = world.coordinator().reconcile(REQUEST, [DAY])
    assert report.is_complete
    assert (report.expected, report.archived, report.unavailable, report.failed) == (24, 22, 2, 0)
    assert len(report.windows) == 4, "the first job was too large"
    assert not world.api.ready()


# -- what comes after the receipt --------------------------------------------------------------------------------------


@pytest.fixture
def late(world: World) -> World:
    """A day that is archived whole, and then a file comes of a recording that nobody knew to have two."""
    world.export(REQUEST)
    world.clock.sleep(3600.0)
    world.api.exported["call-3/2nd"] = world.clock()
    world.clock.sleep(3600.0)
    return world


def test_a_file_that_came_late_is_taken_in_by_the_next_run_and_costs_no_job(late: World) -> None:
    assert late.export(REQUEST) == {"archived": 25}
    assert len(late.api.jobs) == 1
    keys = {one: lines(late)[one].key for one in ("call-3_0", "call-3_1")}
    assert keys == {"call-3_0": "org/of-call-3/call-3.ogg", "call-3_1": "org/of-call-3/call-3/2nd.ogg"}
    assert "call-3" not in lines(late)
    assert late.entry(REQUEST).state is RequestState.ARCHIVED
    report = late.coordinator().reconcile(REQUEST, [DAY])
    assert (report.is_complete, report.expected, report.archived) == (True, 25, 25)


def test_a_file_that_came_late_is_taken_in_by_the_reconciliation(late: World) -> None:
    report = late.coordinator("the reconciler").reconcile(REQUEST, [DAY])
    assert (report.is_complete, report.expected, report.archived) == (True, 25, 25)
    assert (len(late.api.jobs), late.entry(REQUEST).held_by) == (1, "")


def test_nothing_is_reconciled_while_files_arrive(late: World) -> None:
    late.api.exported["call-4/2nd"] = late.clock()
    with pytest.raises(NotYet):
        late.coordinator("the reconciler").reconcile(REQUEST, [DAY])
    assert not late.archive.reports
    late.clock.sleep(late.pace.max_poll_interval)
    assert late.coordinator("the reconciler").reconcile(REQUEST, [DAY]).archived == 26


def test_a_file_that_can_not_be_taken_in_is_an_error_of_the_report(late: World) -> None:
    late.ledger.acquire(REQUEST, "somebody else", 300.0)
    report = late.coordinator().reconcile(REQUEST, [DAY])
    assert not report.is_complete
    (error,) = report.errors
    assert "files came after its receipt was written, and it does not name them: run the interval again" in error
    assert "somebody else holds it" in error


def test_a_file_that_came_late_is_named_though_the_ledger_forgot_its_window(late: World) -> None:
    late.ledger.compact(late.clock() + 1.0)
    report = late.coordinator().reconcile(REQUEST, [DAY])
    assert ["the ledger does not know the window as archived" in error for error in report.errors] == [True]
    assert late.export(REQUEST) == {"archived": 25}
    assert late.coordinator().reconcile(REQUEST, [DAY]).is_complete


def test_what_failed_and_came_all_the_same_is_archived(world: World) -> None:
    world.api.can_not_export = {"call-3"}
    assert world.export(REQUEST) == {"archived": 23, "unavailable": 1}
    world.api.exported["call-3"] = world.clock()
    world.clock.sleep(3600.0)
    assert world.coordinator().reconcile(REQUEST, [DAY]).archived == 24


def test_what_was_stated_before_stays_as_it_was_stated(late: World) -> None:
    late.archive.etag = "another one"
    assert late.export(REQUEST) == {"archived": 25}
    assert (lines(late)["call-3_0"].checksum, lines(late)["call-3_1"].checksum) == ("etag", "another one")
    assert late.export(REQUEST, force_run="another run") == {"archived": 25}
    assert lines(late)["call-3_0"].checksum == "another one", "who forces a window takes it as it is"


# -- what is left ready ----------------------------------------------------------------------------------------------


def test_a_job_that_was_left_ready_is_discarded_and_replaced_when_the_window_is_wanted_again(world: World) -> None:
    world.submit(world.coordinator(), REQUEST)
    world.clock.sleep(3600.0)
    assert list(world.api.ready()) == ["job-1"]
    report = world.coordinator("the reconciler").reconcile(REQUEST, [DAY])
    assert not report.is_complete
    assert not world.api.ready()
    assert "nobody had started it" in world.entry(REQUEST).attempts[0].error
    assert world.export(REQUEST) == {"archived": 24}


def test_a_job_that_somebody_follows_is_left_alone(world: World) -> None:
    coordinator = world.coordinator("bob")
    job_ids = world.submit(coordinator, REQUEST)
    world.clock.sleep(70.0)
    world.coordinator("the reconciler").reconcile(REQUEST, [DAY])
    assert list(world.api.ready()) == ["job-1"]
    assert world.wait(coordinator, job_ids) == ["job-1"]


def test_who_gives_up_waiting_leaves_no_job_ready(world: World) -> None:
    coordinator = world.coordinator()
    job_ids = world.submit(coordinator, REQUEST)
    world.clock.sleep(70.0)
    coordinator.give_up(job_ids)
    assert not world.api.ready()


# -- forecasts -------------------------------------------------------------------------------------------------------


def test_a_forecast_is_exact_and_exports_nothing(world: World) -> None:
    made = world.coordinator().forecast(REQUEST)
    assert made.to_dict() == {"window": DAY.to_dict(), "recordings": 24, "exact": True}
    assert not world.api.exported
    assert [job.discarded for job in world.api.jobs.values()] == [True]
    assert world.ledger.entry(REQUEST.key) is None


def test_a_forecast_is_an_estimate_where_no_job_can_be_asked(world: World) -> None:
    world.api.jobs_at_a_time = None
    assert world.coordinator().forecast(REQUEST).to_dict()["exact"] is False
    assert not world.api.jobs


def test_a_forecast_that_is_killed_discards_its_job(world: World) -> None:
    class Killed(BaseException):
        pass

    def die(seconds: float) -> None:
        raise Killed

    with pytest.raises(Killed):
        replace(world.coordinator(), sleep=die).forecast(REQUEST)
    assert [job.discarded for job in world.api.jobs.values()] == [True]


def test_a_forecast_waits_for_a_slot(world: World) -> None:
    for number in range(2):
        world.api.submit(asked(hours(number, number + 1)))
    with pytest.raises(NotYet):
        world.coordinator().forecast(REQUEST)


def test_a_forecast_is_no_orphan_of_an_export(world: World) -> None:
    world.api.rehearse(REQUEST)
    assert world.api.orphan(REQUEST, []) is None
    assert world.coordinator().follow(world.submit(world.coordinator(), REQUEST)).wait is Wait.RUNNING
