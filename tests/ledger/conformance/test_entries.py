# SPDX-License-Identifier: Apache-2.0
"""What is written of a request comes back, by its key, its job, its window."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, RequestState
from airflow_provider_genesys.export.model import ExportWindow, Organisation
from airflow_provider_genesys.export.ports import Ledger
from tests.ledger.conformance.entries import AT_ONCE, ATTEMPT, DAY, ORGANISATION, as_read, asked, held, hours, in_state


def test_what_nobody_asked_for_is_not_there(ledger: Ledger) -> None:
    assert ledger.entry(asked().key) is None
    assert ledger.find(str(ORGANISATION), "job") is None
    assert ledger.plan("key") is None
    assert ledger.volumes("selection", 0.0, 1e10) == {}


def test_everything_of_an_entry_comes_back(ledger: Ledger) -> None:
    filtered = asked(queue={"name": "Zürich 'A'; --", "ids": [1, 2.5, None, True]}, sign="☎ 😀")
    request = replace(filtered, media=("audio", "screen"), conversations=("b", "a"))
    entry = ledger.acquire(request, "ann", 100.0)
    saved = ledger.save(
        held(entry),
        replace(
            entry,
            state=RequestState.SPLIT,
            generation=2,
            attempts=(Attempt(0, 0, AttemptStatus.SUBMITTING), ATTEMPT),
            children=(hours(0, 6), hours(6, 24)),
            parts=("1" * 64, "2" * 64),
            destinations=("s3://bucket/a", "file:///ä"),
            forced_by="manual__2024-05-02",
            error="platform: no",
            checked_at=1714730400.123456,
        ),
    )
    assert saved.attempts == (Attempt(0, 0, AttemptStatus.SUBMITTING), ATTEMPT)
    assert (saved.children, saved.parts) == ((hours(0, 6), hours(6, 24)), ("1" * 64, "2" * 64))
    assert saved.destinations == ("s3://bucket/a", "file:///ä")
    assert (saved.state, saved.generation) == (RequestState.SPLIT, 2)
    assert (saved.forced_by, saved.error) == ("manual__2024-05-02", "platform: no")
    assert saved.checked_at == 1714730400.123456
    assert saved.request == request
    assert ledger.entry(request.key) == as_read(saved)
    assert as_read(ledger.acquire(request, "bob", 100.0)) == as_read(saved)


def test_a_part_is_kept_beside_its_window_and_found_by_its_job(ledger: Ledger) -> None:
    whole, part = asked(), replace(asked(), conversations=tuple(f"conversation-{n}" for n in range(100)))
    ledger.acquire(whole, "ann", 100.0)
    entry = ledger.acquire(part, "ann", 100.0)
    ledger.save(held(entry), replace(entry, attempts=(Attempt(0, 0, AttemptStatus.SUBMITTED, "job of the part"),)))
    found = ledger.find(str(ORGANISATION), "job of the part")
    assert found is not None
    assert (found.request, found.request.whole) == (part, whole)
    assert {entry.request.conversations for entry in ledger.entries()} == {(), part.conversations}


def test_words_that_a_database_refuses_do_not_hinder_a_save(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    failed = Attempt(0, 0, AttemptStatus.FAILED, error="half a pair: \ud83d")
    saved = ledger.save(held(entry), replace(entry, error="nul: \0.", attempts=(failed,)))
    assert saved.error == "nul: ."
    assert saved.attempts[0].error == "half a pair: ?"


def test_a_window_keeps_its_milliseconds(ledger: Ledger) -> None:
    window = ExportWindow(DAY + timedelta(milliseconds=1), DAY + timedelta(milliseconds=999))
    assert ledger.acquire(asked(window), "ann", 100.0).request == asked(window)


def test_saving_changes_and_adds_attempts_and_forgets_none(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    first = Attempt(0, 0, AttemptStatus.SUBMITTING)
    entry = ledger.save(held(entry), replace(entry, attempts=(first,)))
    first = replace(first, status=AttemptStatus.FAILED, job_id="job 0", polls=3)
    second = Attempt(1, 0, AttemptStatus.SUBMITTED, "job 1", replaces="job 0")
    entry = ledger.save(held(entry), replace(entry, attempts=(first, second)))
    assert entry.attempts == (first, second)
    second = replace(second, status=AttemptStatus.COMPLETED)
    entry = ledger.save(held(entry), replace(entry, attempts=(second,)))
    assert entry.attempts == (first, second)


def test_attempts_of_a_new_generation_come_after_those_of_the_old(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    old = tuple(Attempt(number, 0, AttemptStatus.FAILED, f"job {number}") for number in range(4))
    new = Attempt(0, 1, AttemptStatus.SUBMITTED, "job 4")
    saved = ledger.save(held(entry), replace(entry, generation=1, attempts=(new, *reversed(old))))
    assert saved.attempts == (*old, new)
    assert saved.current == new


def test_requests_do_not_mix(ledger: Ledger) -> None:
    one = ledger.acquire(asked(), "ann", 100.0)
    other = ledger.acquire(asked(queue="a"), "bob", 100.0)
    ledger.save(held(one), replace(one, attempts=(Attempt(0, 0, AttemptStatus.SUBMITTED, "job"),), error="one"))
    assert ledger.entry(other.request.key) == as_read(other)


def test_a_job_leads_to_its_entry(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    jobs = (Attempt(0, 0, AttemptStatus.FAILED, "job 0"), Attempt(1, 0, AttemptStatus.SUBMITTED, "job 1"))
    saved = ledger.save(held(entry), replace(entry, attempts=jobs))
    assert ledger.find(str(ORGANISATION), "job 0") == as_read(saved)
    assert ledger.find(str(ORGANISATION), "job 1") == as_read(saved)
    assert ledger.find(str(ORGANISATION), "job 2") is None
    assert ledger.find("client@api.usw2.pure.cloud", "job 1") is None


def test_a_long_history_of_attempts_fits(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    attempts = tuple(
        Attempt(number % 4, number // 4, AttemptStatus.FAILED, f"job {number}", error=f"{number} " * 300)
        for number in range(100)
    )
    saved = ledger.save(held(entry), replace(entry, attempts=attempts))
    assert saved.attempts == attempts
    assert ledger.find(str(ORGANISATION), "job 0") == as_read(saved)
    assert ledger.find(str(ORGANISATION), "job 99") == as_read(saved)


def test_ids_that_differ_in_case_are_different_ids(ledger: Ledger) -> None:
    in_state(ledger, asked(), RequestState.OPEN, attempts=(Attempt(0, 0, AttemptStatus.SUBMITTED, "Job"),))
    assert ledger.find(str(ORGANISATION), "job") is None
    assert ledger.reserve("Organisation", "polls", 1).granted
    assert ledger.reserve("organisation", "polls", 1).granted


def test_entries_come_by_window_or_by_organisation_and_state(ledger: Ledger) -> None:
    assert list(ledger.entries()) == []
    other = replace(asked(hours(6, 12)), organisation=Organisation("api.usw2.pure.cloud", "client"))
    late = in_state(ledger, asked(hours(12, 18)), RequestState.FAILED, attempts=(ATTEMPT,))
    early = in_state(ledger, asked(hours(0, 6)), RequestState.OPEN)
    longer = in_state(ledger, asked(hours(0, 12)), RequestState.ARCHIVED)
    elsewhere = in_state(ledger, other, RequestState.FAILED)
    assert list(ledger.entries()) == [early, longer, elsewhere, late]
    assert list(ledger.entries(str(ORGANISATION))) == [early, longer, late]
    assert list(ledger.entries(states=[RequestState.FAILED])) == [elsewhere, late]
    open_or_archived = {RequestState.OPEN, RequestState.ARCHIVED}
    assert list(ledger.entries(str(ORGANISATION), open_or_archived)) == [early, longer]
    assert list(ledger.entries("nobody@nowhere")) == []


def test_entries_tell_who_holds_them(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    assert list(ledger.entries()) == [as_read(entry)]


def test_entries_are_all_of_them_however_many(ledger: Ledger) -> None:
    requests = [asked(hours(0, 1), number=number) for number in range(250)]
    for request in requests:
        ledger.acquire(request, "ann", AT_ONCE)
    keys = [entry.request.key for entry in ledger.entries()]
    assert keys == sorted(request.key for request in requests)
