# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_genesys.archive import transfer as module
from airflow_provider_genesys.archive.retries import Retries
from airflow_provider_genesys.archive.transfer import Outcome, Reins, transfer
from airflow_provider_genesys.export.errors import ExportError, ExportFailed, LeaseLost, Passing, Refused, UrlsExpired
from airflow_provider_genesys.export.model import Recording, StoredObject

AT_ONCE = Retries(tries=4, first_wait=0.0, longest_wait=0.0)
Archiver = Callable[[Recording, Reins], StoredObject]


def recordings(count: int) -> list[Recording]:
    return [Recording(f"r{number}", "https://example.com/") for number in range(count)]


def stored(recording: Recording, reins: Reins) -> StoredObject:
    reins.start()
    return StoredObject(f"recordings/{recording.recording_id}.mp3", 1)


def run(
    count: int,
    archive_one: Archiver = stored,
    *,
    proceed: Callable[[], None] = lambda: None,
    retries: Retries = AT_ONCE,
    concurrency: int = 4,
) -> Iterator[tuple[str, Outcome]]:
    outcomes = transfer(recordings(count), archive_one, proceed=proceed, retries=retries, concurrency=concurrency)
    for recording, outcome in outcomes:
        yield recording.recording_id, outcome


def ended_by(outcomes: Iterator[tuple[str, Outcome]], error: type[BaseException]) -> dict[str, Outcome]:
    """The outcomes that came before the error."""
    came: dict[str, Outcome] = {}

    def collect() -> None:
        for recording_id, outcome in outcomes:
            came[recording_id] = outcome

    with pytest.raises(error):
        collect()
    return came


@pytest.mark.parametrize("count", [0, 1, 3, 50])
def test_every_recording_has_one_outcome(count: int) -> None:
    outcomes = list(run(count))
    assert sorted(recording_id for recording_id, _ in outcomes) == sorted(f"r{n}" for n in range(count))
    assert all(isinstance(outcome, StoredObject) for _, outcome in outcomes)


def test_no_more_run_at_a_time_than_agreed() -> None:
    running: set[str] = set()
    most = [0]

    def slow(recording: Recording, reins: Reins) -> StoredObject:
        running.add(recording.recording_id)
        most[0] = max(most[0], len(running))
        time.sleep(0.005)
        running.discard(recording.recording_id)
        return stored(recording, reins)

    assert len(list(run(40, slow, concurrency=5))) == 40
    assert most[0] == 5


def test_outcomes_come_as_they_end() -> None:
    first_may_end = threading.Event()

    def archive_one(recording: Recording, reins: Reins) -> StoredObject:
        if recording.recording_id == "r0":
            assert first_may_end.wait(10)
        return stored(recording, reins)

    outcomes = run(20, archive_one)
    early = [next(outcomes)[0] for _ in range(19)]
    first_may_end.set()
    assert "r0" not in early
    assert [recording_id for recording_id, _ in outcomes] == ["r0"]


def test_nothing_starts_that_nobody_waits_for() -> None:
    """The caller's pace is the transfer's: 1,000 ids don't become 1,000 downloads."""
    started: list[str] = []

    def archive_one(recording: Recording, reins: Reins) -> StoredObject:
        started.append(recording.recording_id)
        return stored(recording, reins)

    outcomes = run(1000, archive_one, concurrency=4)
    next(outcomes)
    time.sleep(0.05)
    assert len(started) <= 8


def test_a_passing_fault_is_tried_again() -> None:
    tries: list[str] = []

    def archive_one(recording: Recording, reins: Reins) -> StoredObject:
        tries.append(recording.recording_id)
        if len(tries) < 4:
            raise Passing("connection lost")
        return stored(recording, reins)

    ((_, outcome),) = run(1, archive_one)
    assert isinstance(outcome, StoredObject)
    assert len(tries) == 4


def test_a_fault_that_does_not_pass_becomes_the_reason() -> None:
    def archive_one(recording: Recording, reins: Reins) -> StoredObject:
        if recording.recording_id == "r1":
            raise Passing("connection lost")
        return stored(recording, reins)

    outcomes = dict(run(3, archive_one))
    assert isinstance(outcomes["r1"], Passing)
    assert str(outcomes["r1"]) == "connection lost (tried 4 times)"
    assert isinstance(outcomes["r0"], StoredObject)
    assert isinstance(outcomes["r2"], StoredObject)


def test_a_refusal_is_the_reason_at_once() -> None:
    tries: list[str] = []

    def archive_one(recording: Recording, reins: Reins) -> StoredObject:
        tries.append(recording.recording_id)
        raise Refused("storage answered 404")

    ((_, outcome),) = run(1, archive_one)
    assert isinstance(outcome, Refused)
    assert str(outcome) == "storage answered 404"
    assert tries == ["r0"]


@pytest.mark.parametrize("error", [Passing("connection lost"), Refused("404")])
def test_an_outcome_does_not_hold_on_to_its_download(error: ExportError) -> None:
    class Part(bytearray):
        pass

    parts: list[weakref.ref[Part]] = []

    def archive_one(recording: Recording, reins: Reins) -> StoredObject:
        part = Part(1000)
        parts.append(weakref.ref(part))
        raise type(error)(str(error))

    outcomes = list(run(3, archive_one))
    gc.collect()
    assert [str(outcome) for _, outcome in outcomes]
    assert [part for part in parts if part()] == []


def test_each_download_and_each_further_try_asks_first() -> None:
    asked: list[int] = []
    inside = threading.Lock()

    def proceed() -> None:
        assert inside.acquire(blocking=False), "two threads at a time"
        asked.append(len(asked))
        time.sleep(0.001)
        inside.release()

    tried: set[str] = set()

    def archive_one(recording: Recording, reins: Reins) -> StoredObject:
        reins.start()
        if recording.recording_id not in tried:
            tried.add(recording.recording_id)
            raise Passing("connection lost")
        return StoredObject(recording.recording_id, 1)

    assert len(list(run(10, archive_one, proceed=proceed, concurrency=8))) == 10
    assert len(asked) == 20


@pytest.mark.parametrize("error", [LeaseLost, UrlsExpired, Passing, Refused, KeyboardInterrupt])
def test_a_gate_that_closes_ends_the_transfer_after_what_runs(error: type[Exception]) -> None:
    gate_closed = threading.Event()
    asked: list[int] = []

    def proceed() -> None:
        asked.append(1)
        if len(asked) == 4:
            gate_closed.set()
            raise error("over")

    def archive_one(recording: Recording, reins: Reins) -> StoredObject:
        reins.start()
        assert gate_closed.wait(10)
        return StoredObject(recording.recording_id, 1)

    came = ended_by(run(100, archive_one, proceed=proceed, concurrency=4), error)
    assert len(came) == 3
    assert len(asked) == 4


@pytest.mark.parametrize("error", [UrlsExpired("403"), ExportFailed("no bucket"), ValueError("a defect")])
def test_a_download_that_may_not_be_repeated_ends_the_transfer(error: Exception) -> None:
    started: list[str] = []
    failed = threading.Event()

    def archive_one(recording: Recording, reins: Reins) -> StoredObject:
        reins.start()
        started.append(recording.recording_id)
        if recording.recording_id == "r1":
            failed.set()
            raise error
        assert failed.wait(10)
        time.sleep(0.02)
        return StoredObject(recording.recording_id, 1)

    came = ended_by(run(100, archive_one, concurrency=4), type(error))
    assert set(came) | {"r1"} == set(started)
    assert len(started) <= 4


def test_an_ending_transfer_does_not_sit_out_its_pauses() -> None:
    def archive_one(recording: Recording, reins: Reins) -> StoredObject:
        reins.start()
        if recording.recording_id == "r0":
            raise Passing("connection lost", retry_after=60)
        raise UrlsExpired("403")

    began = time.monotonic()
    assert ended_by(run(2, archive_one, retries=Retries(first_wait=60, longest_wait=60)), UrlsExpired) == {}
    assert time.monotonic() - began < 10


def test_a_closed_generator_stops_its_downloads_in_the_middle() -> None:
    running = threading.Semaphore(0)
    stopped: list[str] = []

    def archive_one(recording: Recording, reins: Reins) -> StoredObject:
        reins.start()
        if recording.recording_id == "r0":
            for _ in range(3):
                assert running.acquire(timeout=10)
            return StoredObject("r0", 1)
        try:
            running.release()
            while True:
                time.sleep(0.001)
                reins.received(1)
        finally:
            stopped.append(recording.recording_id)

    outcomes = transfer(recordings(100), archive_one, proceed=lambda: None, retries=AT_ONCE, concurrency=4)
    assert next(outcomes)[0].recording_id == "r0"
    outcomes.close()  # type: ignore[attr-defined]
    assert sorted(stopped) == ["r1", "r2", "r3"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("recording")]


def test_the_caller_may_be_any_thread() -> None:
    with ThreadPoolExecutor(3) as threads:
        assert [len(list(done)) for done in threads.map(lambda _: list(run(20)), range(3))] == [20, 20, 20]


def test_the_log_has_one_line_in_a_while_and_one_at_the_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROGRESS_SECONDS", 0.05)
    caplog.set_level(logging.INFO, "airflow_provider_genesys.archive.transfer")

    def slow(recording: Recording, reins: Reins) -> StoredObject:
        time.sleep(0.3)
        return stored(recording, reins)

    list(run(2, slow, concurrency=1))
    assert 3 <= len(caplog.records) <= 14
    assert caplog.messages[0].startswith("0 of 2 recordings, 0 B in 0.")
    assert caplog.messages[-1].startswith("2 of 2 recordings, ")
    assert "left" not in caplog.messages[-1]


def test_a_retry_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    def archive_one(recording: Recording, reins: Reins) -> StoredObject:
        raise Passing("connection lost")

    list(run(1, archive_one))
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"recording r0: connection lost; try {number} of 4 follows in 0.0 s" for number in (2, 3, 4)
    ]
