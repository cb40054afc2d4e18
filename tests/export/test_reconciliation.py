# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Entry
from airflow_provider_genesys.export.errors import NoReceipt
from airflow_provider_genesys.export.model import Manifest, ReceiptLine, RecordingStatus, StoredObject
from airflow_provider_genesys.export.reconciliation import Report, WindowBalance, balance, lines_of, verified
from tests.export.memory.archive import MemoryArchive
from tests.export.orchestrator import DAY, World, asked, hours

REQUEST = asked()
JOB = Attempt(0, 0, AttemptStatus.COMPLETED, "job-1")
ENTRY = Entry(REQUEST, attempts=(JOB,))


@pytest.fixture
def archive(world: World) -> MemoryArchive:
    """Where job-1's manifest lists calls a, b and c."""
    world.archive.manifests["job-1"] = listing("job-1", "abc")
    return world.archive


def listing(job_id: str, ids: str) -> Manifest:
    return Manifest(job_id, [(one, {}) for one in ids])


def line(recording_id: str, status: str = "archived", job_id: str = "job-1", reason: str | None = None) -> ReceiptLine:
    return ReceiptLine(recording_id, RecordingStatus(status), job_id, REQUEST.key, reason=reason)


def test_a_whole_window_balances(archive: MemoryArchive) -> None:
    archive.receipts[DAY] = (line("a"), line("b"), line("c"))
    found = balance(ENTRY, [ENTRY], archive)
    assert (found.expected, found.archived, found.unavailable, found.failed) == (3, 3, 0, 0)
    assert (found.jobs, found.attempts, found.missing, found.errors) == (("job-1",), 1, (), ())
    assert Report(DAY, "s3://calls", "mp3", (found,)).is_complete


def test_what_is_unavailable_is_named_and_leaves_the_interval_complete(archive: MemoryArchive) -> None:
    archive.receipts[DAY] = (line("a"), line("b"), line("c", "unavailable", reason="no URL"))
    report = Report(DAY, "s3://calls", "mp3", (balance(ENTRY, [ENTRY], archive),))
    assert (report.expected, report.archived, report.unavailable) == (3, 2, 1)
    assert report.is_complete
    assert [str(one) for one in report.missing] == [f"window {DAY}: recording 'c' unavailable: no URL"]


def test_what_failed_makes_the_interval_incomplete(archive: MemoryArchive) -> None:
    archive.receipts[DAY] = (line("a"), line("b"), line("c", "failed", reason="404"))
    report = Report(DAY, "s3://calls", "mp3", (balance(ENTRY, [ENTRY], archive),))
    assert (report.failed, report.is_complete, report.errors) == (1, False, [])
    assert [str(one) for one in report.missing] == [f"window {DAY}: recording 'c' failed: 404"]


@pytest.mark.parametrize(
    ("entry", "reason", "job_id"),
    [
        (Entry(REQUEST), "it has no receipt: its tasks did not come that far", None),
        (ENTRY, "it has no receipt: its tasks did not come that far", "job-1"),
        (replace(ENTRY, error="job job-1 failed: worker aborted"), "job job-1 failed: worker aborted", "job-1"),
    ],
)
def test_a_window_without_a_receipt_is_missing_as_a_whole(
    archive: MemoryArchive, entry: Entry, reason: str, job_id: str | None
) -> None:
    report = Report(DAY, "s3://calls", "mp3", (balance(entry, [entry], archive),))
    (missing,) = report.missing
    assert str(missing) == f"window {DAY}: the whole window failed: {reason}"
    assert missing.job_id == job_id
    assert not report.is_complete


def test_a_missing_manifest_is_an_error(archive: MemoryArchive) -> None:
    archive.manifests.clear()
    archive.receipts[DAY] = (line("a"),)
    report = Report(DAY, "s3://calls", "mp3", (balance(ENTRY, [ENTRY], archive),))
    assert f"window {DAY}: the manifest of job job-1 is not in the archive" in report.errors
    assert not report.is_complete


def test_a_manifest_in_no_known_form_lists_what_the_receipt_has_of_its_job(archive: MemoryArchive) -> None:
    archive.manifests["job-1"] = Manifest("job-1", None)
    archive.receipts[DAY] = (line("a"), line("b"))
    found = balance(ENTRY, [ENTRY], archive)
    assert (found.expected, found.archived, found.errors) == (2, 2, ())


@pytest.mark.parametrize(
    ("receipt", "error"),
    [
        ((line("a"), line("b")), "1 recordings are in a manifest, but not in the receipt, such as 'c'"),
        ((), "3 recordings are in a manifest, but not in the receipt, such as 'a'"),
        (
            (line("a"), line("b"), line("c"), line("d"), line("e")),
            "2 recordings are in the receipt, but in no manifest, such as 'd'",
        ),
        ((line("a"), line("a"), line("b"), line("c")), "1 recordings have several lines in the receipt, such as 'a'"),
        (
            (line("a"), line("b"), replace(line("c"), request_key="another")),
            "1 recordings belong to another request, such as 'c'",
        ),
    ],
)
def test_what_does_not_add_up_is_said_loudly(
    archive: MemoryArchive, receipt: tuple[ReceiptLine, ...], error: str
) -> None:
    archive.receipts[DAY] = receipt
    found = balance(ENTRY, [ENTRY], archive)
    assert error in found.errors
    assert not Report(DAY, "s3://calls", "mp3", (found,)).is_complete


def test_what_was_unavailable_and_came_as_several_files_is_no_difference(archive: MemoryArchive) -> None:
    """A later job told its conversation anew, under names of their own."""
    archive.manifests["job-1"] = Manifest(
        "job-1",
        [("a", {"conversationId": "1"}), ("b", {"conversationId": "2", "reason": "archived"})],
    )
    archive.manifests["job-2"] = Manifest("job-2", [(one, {"conversationId": "2"}) for one in ("b_0", "b_1")])
    of_2 = {"conversationId": "2"}
    archive.receipts[DAY] = (
        line("a"),
        *(replace(line(one, job_id="job-2"), metadata=of_2) for one in ("b_0", "b_1")),
    )
    found = balance(ENTRY, [ENTRY], archive)
    assert (found.expected, found.archived, found.errors) == (3, 3, ())
    archive.receipts[DAY] = (line("a"),)
    assert balance(ENTRY, [ENTRY], archive).errors, "nothing came in its place"


def test_the_jobs_are_those_of_the_receipt_too(archive: MemoryArchive) -> None:
    """The ledger names those that came for what was late."""
    archive.manifests["job-2"] = listing("job-2", "d")
    archive.receipts[DAY] = (line("a"), line("b"), line("c"), line("d", job_id="job-2"))
    late = Entry(REQUEST, attempts=(replace(JOB, job_id="job-2"),))
    found = balance(late, [late], archive)
    assert (found.expected, found.jobs, found.errors) == (4, ("job-2", "job-1"), ())


def test_a_window_that_took_two_jobs_is_held_against_both_manifests(archive: MemoryArchive) -> None:
    archive.manifests["job-2"] = listing("job-2", "bcd")
    archive.receipts[DAY] = (line("a"), line("b", job_id="job-2"), line("c", job_id="job-2"), line("d", job_id="job-2"))
    expired = replace(JOB, status=AttemptStatus.EXPIRED)
    entry = Entry(REQUEST, attempts=(expired, Attempt(1, 0, AttemptStatus.COMPLETED, "job-2")))
    found = balance(entry, [entry], archive)
    assert (found.expected, found.archived, found.errors) == (4, 4, ())
    assert (found.jobs, found.attempts) == (("job-1", "job-2"), 2)


def test_an_empty_receipt_is_held_against_the_manifest_of_the_completed_job(archive: MemoryArchive) -> None:
    archive.manifests["job-1"] = listing("job-1", "")
    archive.receipts[DAY] = ()
    found = balance(ENTRY, [ENTRY], archive)
    assert (found.expected, found.errors, found.missing) == (0, (), ())


def test_a_job_without_recordings_owes_no_manifest(archive: MemoryArchive) -> None:
    archive.receipts[DAY] = ()
    entry = replace(ENTRY, attempts=(replace(JOB, job_id="job-2", recordings=0),))
    found = balance(entry, [entry], archive)
    assert (found.expected, found.errors) == (0, ())


def test_a_ledger_that_forgot_the_window_does_not_matter(archive: MemoryArchive) -> None:
    archive.receipts[DAY] = (line("a"), line("b"), line("c"))
    found = balance(Entry(REQUEST), [Entry(REQUEST)], archive)
    assert (found.expected, found.archived, found.jobs, found.errors) == (3, 3, ("job-1",), ())


def test_a_report_adds_up_its_windows_and_is_json(archive: MemoryArchive) -> None:
    archive.receipts[DAY] = (line("a"), line("b", "unavailable", reason="no URL"), line("c", "failed", reason="404"))
    entry = Entry(asked(media_format="wav"))
    lost = balance(entry, [entry], MemoryArchive(archive.platform))
    report = Report(DAY, "s3://calls", "mp3", (balance(ENTRY, [ENTRY], archive), lost))
    counts = {"expected": 3, "archived": 1, "unavailable": 1, "failed": 1, "windows": 2, "jobs": 1, "attempts": 1}
    assert report.counts() == {**counts, "complete": False}
    document = json.loads(json.dumps(report.to_dict()))
    assert {name: document[name] for name in counts} == counts
    assert (document["destination"], document["media_format"]) == ("s3://calls", "mp3")
    assert document["interval"] == {"start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"}
    assert [(one["recording_id"], one["status"]) for one in document["missing"]] == [
        ("b", "unavailable"),
        ("c", "failed"),
        (None, "failed"),
    ]
    assert [window["expected"] for window in document["by_window"]] == [3, 0]


def test_a_report_of_no_windows_is_complete() -> None:
    report = Report(DAY, "s3://calls", "mp3")
    assert report.is_complete
    assert report.counts()["expected"] == 0


def test_a_document_in_the_receipts_place_that_is_none_counts_as_absent(archive: MemoryArchive) -> None:
    def breaking() -> Iterator[ReceiptLine]:
        yield line("a")
        raise NoReceipt("it is no receipt (JSONDecodeError)")

    archive.lines = lambda window: breaking()  # type: ignore[method-assign]
    found = balance(ENTRY, [ENTRY], archive)
    assert [str(one) for one in found.missing] == [
        f"window {DAY}: the whole window failed: it is no receipt (JSONDecodeError)"
    ]
    assert (found.expected, found.archived) == (0, 0)
    assert [one.recording_id for _, one in lines_of([REQUEST], archive)] == ["a"]


def test_what_is_stored_otherwise_than_the_receipt_says_is_an_error_of_its_window(archive: MemoryArchive) -> None:
    night, day = asked(hours(0, 8)), asked(hours(8, 24))
    archive.receipts[night.window] = (stored("a", archive), stored("b", archive), line("c", "failed"))
    archive.receipts[day.window] = (stored("d", archive),)
    windows = (WindowBalance(night.window, errors=("another",)), WindowBalance(day.window))
    report = Report(DAY, "s3://calls", "mp3", windows)
    assert verified(report, [night, day], archive) == replace(report, verified=3)
    del archive.objects["recordings/b.mp3"]
    found = verified(report, [night, day], archive)
    error = "recording 'b': recordings/b.mp3 is not there"
    assert [window.errors for window in found.windows] == [("another", error), ()]
    assert found.to_dict()["verified"] == 3
    assert not found.is_complete


def stored(recording_id: str, archive: MemoryArchive) -> ReceiptLine:
    key = f"recordings/{recording_id}.mp3"
    archive.objects[key] = StoredObject(key, 1)
    return replace(line(recording_id), key=key)


def test_a_report_says_where_nothing_was_verified() -> None:
    assert Report(DAY, "s3://calls", "mp3").to_dict()["verified"] is None
