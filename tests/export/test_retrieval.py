# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from airflow_provider_genesys.export.entry import AttemptStatus, RequestState
from airflow_provider_genesys.export.errors import ExportFailed, LeaseLost, Passing, Refused, UrlsExpired, WrongBody
from airflow_provider_genesys.export.leases import Leases
from airflow_provider_genesys.export.model import ReceiptLine, RecordingStatus
from airflow_provider_genesys.export.submission import Submission
from tests.export.memory.archive import with_status
from tests.export.memory.fates import COMPLETES, Fate
from tests.export.memory.platform import SIGNATURE
from tests.export.retriever import CALLS, REQUEST, Ann

# -- a whole window --------------------------------------------------------------------------------------------------


def test_a_window_is_archived_with_a_line_for_every_recording(ann: Ann) -> None:
    entry, job = ann.completed()
    receipt = ann.retrieve(entry, job)
    assert receipt == ann.receipt()
    assert with_status(receipt, "archived") == CALLS
    stored = ann.archive.objects["recordings/call-3.mp3"]
    assert ann.line("call-3") == ReceiptLine(
        recording_id="call-3",
        status=RecordingStatus.ARCHIVED,
        job_id="job-1",
        request_key=REQUEST.key,
        key="recordings/call-3.mp3",
        size=stored.size,
        sha256=stored.sha256,
        source_etag="etag",
        metadata={"queue": "queue of call-3"},
    )


def test_an_archived_window_is_remembered_counted_and_given_back(ann: Ann) -> None:
    ann.retrieve(*ann.completed())
    entry = ann.world.entry(REQUEST)
    assert (entry.state, entry.destinations) == (RequestState.ARCHIVED, ("s3://calls",))
    assert entry.held_by == ""
    start = REQUEST.window.start.timestamp()
    assert ann.world.ledger.volumes(REQUEST.selection_key, start, start + 1) == {REQUEST.window: 5}


def test_the_entry_is_kept_as_it_was_polled(ann: Ann) -> None:
    ann.retrieve(*ann.completed())
    (attempt,) = ann.world.entry(REQUEST).attempts
    assert (attempt.status, attempt.recordings, attempt.polls) == (AttemptStatus.COMPLETED, 5, 1)


def test_the_manifest_comes_first(ann: Ann) -> None:
    seen: list[bool] = []
    ann.archive.before_fetch = lambda recording_id: seen.append("job-1" in ann.archive.manifests)
    ann.retrieve(*ann.completed())
    assert seen == [True] * 5


def test_no_receipt_holds_a_presigned_url(ann: Ann) -> None:
    ann.archive.faults["call-1"].append(Refused("404 NoSuchKey"))
    with pytest.raises(ExportFailed) as failure:
        ann.retrieve(*ann.completed())
    assert SIGNATURE not in repr(ann.receipt()) + str(failure.value)


def test_an_empty_job_leaves_an_empty_receipt(ann: Ann) -> None:
    assert ann.retrieve(*ann.completed(fate=replace(COMPLETES, listed=()))) == ()
    assert ann.world.entry(REQUEST).state is RequestState.ARCHIVED


# -- what manifest and job say ---------------------------------------------------------------------------------------


def test_a_null_url_is_recorded_as_unavailable(ann: Ann) -> None:
    receipt = ann.retrieve(*ann.completed(fate=replace(COMPLETES, unavailable=frozenset({"call-2"}))))
    assert with_status(receipt, "unavailable") == ["call-2"]
    assert ann.line("call-2").reason == "no URL: its transcoding failed"
    assert ann.line("call-2").metadata == {"queue": "queue of call-2"}
    assert "call-2" not in ann.archive.fetched
    assert ann.world.entry(REQUEST).state is RequestState.ARCHIVED


def test_a_recording_that_only_the_manifest_lists_has_failed(ann: Ann) -> None:
    fate = replace(COMPLETES, listed=("call-0",), manifest=("call-0", "call-1"))
    with pytest.raises(ExportFailed, match="1 of 2 recordings are not archived, such as 'call-1' of job job-1"):
        ann.retrieve(*ann.completed(fate=fate))
    assert with_status(ann.receipt(), "failed") == ["call-1"]
    assert ann.line("call-1").reason == "the manifest lists it, its job doesn't"
    assert ann.world.entry(REQUEST).state is RequestState.OPEN


def test_a_recording_that_the_manifest_leaves_out_is_archived_all_the_same(ann: Ann) -> None:
    fate = replace(COMPLETES, listed=("call-0", "call-1"), manifest=("call-0",))
    assert with_status(ann.retrieve(*ann.completed(fate=fate)), "archived") == ["call-0", "call-1"]
    assert ann.line("call-1").metadata == {}


@pytest.mark.parametrize("fate", [replace(COMPLETES, manifest_reads=False), replace(COMPLETES, has_manifest=False)])
def test_without_a_manifest_that_can_be_read_the_jobs_own_list_stands_in(
    ann: Ann, fate: Fate, caplog: pytest.LogCaptureFixture
) -> None:
    assert with_status(ann.retrieve(*ann.completed(fate=fate)), "archived") == CALLS
    assert "Job job-1 has no manifest that can be read" in caplog.text


def test_recordings_are_fetched_with_what_the_manifest_says_of_them(ann: Ann) -> None:
    ann.retrieve(*ann.completed(fate=replace(COMPLETES, listed=("call-0", "call-1"), manifest=("call-1",))))
    assert ann.archive.described == {"call-0": {}, "call-1": {"queue": "queue of call-1"}}


def test_a_recording_that_is_listed_twice_is_fetched_once(ann: Ann) -> None:
    receipt = ann.retrieve(*ann.completed(fate=replace(COMPLETES, listed=("call-0", "call-1", "call-0"))))
    assert [line.recording_id for line in receipt] == ann.archive.fetched == ["call-0", "call-1"]


# -- faults ----------------------------------------------------------------------------------------------------------


def test_passing_faults_are_fetched_again_in_rounds(ann: Ann) -> None:
    ann.archive.faults["call-1"].extend([Passing("503"), WrongBody("half a body")])
    ann.archive.faults["call-3"].append(Passing("503"))
    receipt = ann.retrieve(*ann.completed())
    assert with_status(receipt, "archived") == CALLS
    assert ann.archive.fetched == [*CALLS, "call-1", "call-3", "call-1"]
    assert ann.world.clock.slept == [10.0, 10.0]


def test_a_fault_that_outlives_the_rounds_may_pass_in_a_later_try(ann: Ann) -> None:
    ann.archive.faults["call-1"].extend([Passing("503 SlowDown")] * 3)
    entry, job = ann.completed()
    with pytest.raises(Passing, match="1 of 5 recordings are not archived, such as 'call-1' of job job-1: 503 Slow"):
        ann.retrieve(entry, job)
    assert with_status(ann.receipt(), "archived") == ["call-0", "call-2", "call-3", "call-4"]
    assert ann.line("call-1").reason == "503 SlowDown"
    ann.archive.fetched.clear()
    assert with_status(ann.retrieve(entry, job), "archived") == CALLS
    assert ann.archive.fetched == ["call-1"]


def test_a_fault_that_no_try_can_mend_is_not_fetched_again_and_ends_the_window(ann: Ann) -> None:
    ann.archive.faults["call-1"].append(Refused("404 NoSuchKey"))
    with pytest.raises(ExportFailed, match="404 NoSuchKey") as failure:
        ann.retrieve(*ann.completed())
    assert not isinstance(failure.value, Passing)
    assert ann.archive.fetched == CALLS
    assert ann.world.entry(REQUEST).state is RequestState.OPEN


def test_one_fault_for_good_beside_passing_ones_ends_the_window(ann: Ann) -> None:
    ann.archive.faults["call-1"].extend([Passing("503")] * 3)
    ann.archive.faults["call-2"].append(Refused("404"))
    with pytest.raises(ExportFailed, match="2 of 5"):
        ann.retrieve(*ann.completed())


# -- URLs that run out -----------------------------------------------------------------------------------------------


def test_nothing_is_fetched_with_less_than_five_minutes_left(ann: Ann) -> None:
    entry, job = ann.completed(fate=replace(COMPLETES, lives=299.9))
    with pytest.raises(UrlsExpired, match="URLs of job job-1 end in less than 5 minutes"):
        ann.retrieve(entry, job)
    assert (ann.archive.fetched, ann.archive.manifests, ann.archive.receipts) == ([], {}, {})


def test_five_minutes_are_enough(ann: Ann) -> None:
    entry, job = ann.completed(fate=replace(COMPLETES, lives=300.0))
    assert with_status(ann.retrieve(entry, job), "archived") == CALLS


def test_a_job_that_does_not_say_when_its_urls_end_is_fetched_until_they_do(ann: Ann) -> None:
    entry, job = ann.completed(fate=replace(COMPLETES, lives=None))
    ann.world.clock.sleep(1e6)
    assert with_status(ann.retrieve(entry, job), "archived") == CALLS


def test_an_expired_manifest_ends_the_retrieval_without_a_receipt(ann: Ann) -> None:
    entry, job = ann.completed(fate=replace(COMPLETES, lives=0.0))
    with pytest.raises(UrlsExpired, match="403"):
        ann.retrieve(entry, replace(job, expires_at=None))
    assert ann.archive.receipts == {}


def expire_at_the_gate(ann: Ann) -> None:
    """The clock comes within five minutes of the end before the third recording."""

    def pass_time(recording_id: str) -> None:
        if recording_id == "call-2":
            ann.world.clock.sleep(3400.0)
            ann.archive.before_fetch = lambda recording_id: None

    ann.archive.before_fetch = pass_time


def expire_by_storage(ann: Ann) -> None:
    ann.archive.faults["call-2"].append(UrlsExpired("storage answered 403"))


@pytest.mark.parametrize("expire", [expire_at_the_gate, expire_by_storage])
def test_urls_that_run_out_midway_leave_a_true_receipt_and_only_the_rest_to_fetch(
    ann: Ann, expire: Callable[[Ann], None]
) -> None:
    expire(ann)
    with pytest.raises(UrlsExpired):
        ann.retrieve(*ann.completed())
    assert with_status(ann.receipt(), "archived") == ["call-0", "call-1"]
    assert with_status(ann.receipt(), "failed") == ["call-2", "call-3", "call-4"]
    assert ann.line("call-4").reason == "its URL expired before it was fetched"
    assert ann.world.entry(REQUEST).state is RequestState.OPEN
    ann.archive.fetched.clear()
    receipt = ann.retrieve(*ann.resubmitted())
    assert ann.archive.fetched == ["call-2", "call-3", "call-4"]
    assert with_status(receipt, "archived") == CALLS
    assert [line.job_id for line in receipt] == ["job-1", "job-1", "job-2", "job-2", "job-2"]


def test_what_failed_before_the_urls_ran_out_keeps_its_reason(ann: Ann) -> None:
    ann.archive.faults["call-1"].append(Refused("404 NoSuchKey"))
    expire_by_storage(ann)
    with pytest.raises(UrlsExpired):
        ann.retrieve(*ann.completed())
    assert ann.line("call-1").reason == "404 NoSuchKey"
    assert ann.line("call-2").reason == "its URL expired before it was fetched"


def test_what_the_next_job_no_longer_lists_stays_in_the_receipt_where_it_is_archived(ann: Ann) -> None:
    expire_by_storage(ann)
    with pytest.raises(UrlsExpired):
        ann.retrieve(*ann.completed())
    receipt = ann.retrieve(*ann.resubmitted(replace(COMPLETES, listed=("call-2", "call-3", "call-4"))))
    assert sorted(with_status(receipt, "archived")) == CALLS


def test_a_forced_retrieval_that_is_cut_off_does_not_begin_from_the_first_recording(ann: Ann) -> None:
    ann.retrieve(*ann.completed())
    submission = Submission(ann.world.api, ann.world.ledger, ann.leases, ann.world.clock.sleep)
    submission.ensure_job(REQUEST, "run 1")
    expire_by_storage(ann)
    with pytest.raises(UrlsExpired):
        ann.retrieve(*ann.completed())
    ann.archive.fetched.clear()
    ann.retrieve(*ann.resubmitted())
    assert ann.archive.fetched == ["call-2", "call-3", "call-4"]


# -- leases ----------------------------------------------------------------------------------------------------------


def test_whoever_lost_the_window_writes_no_receipt(ann: Ann) -> None:
    entry, job = ann.completed(fate=replace(COMPLETES, lives=None))

    def take_over(recording_id: str) -> None:
        ann.world.clock.sleep(301.0)
        Leases(ann.world.ledger, "bob", 3000.0).hold(REQUEST)

    ann.archive.before_fetch = take_over
    with pytest.raises(LeaseLost):
        ann.retrieve(entry, job)
    assert ann.archive.receipts == {}
    assert ann.world.entry(REQUEST).held_by == "bob"


def test_a_transfer_ends_before_the_next_download_when_the_lease_is_lost(ann: Ann) -> None:
    """The keeper renews in real time, hence so short a lease."""
    ann.leases = replace(ann.leases, seconds=0.06)
    entry, job = ann.completed(fate=replace(COMPLETES, lives=None))

    def take_over(recording_id: str) -> None:
        if recording_id == "call-2":
            ann.world.clock.sleep(1.0)
            Leases(ann.world.ledger, "bob", 300.0).hold(REQUEST)
            (keeper,) = [thread for thread in threading.enumerate() if thread.name == "genesys-lease"]
            keeper.join(5.0)

    ann.archive.before_fetch = take_over
    with pytest.raises(LeaseLost, match="taken over"):
        ann.retrieve(entry, job)
    assert (ann.archive.fetched, ann.archive.receipts) == (["call-0", "call-1"], {})


def test_nothing_is_fetched_without_a_lease(ann: Ann) -> None:
    entry, job = ann.completed()
    with pytest.raises(LeaseLost, match="not held by ann"):
        ann.retrieve(replace(entry, lease=None), job)
    assert ann.archive.fetched == []
