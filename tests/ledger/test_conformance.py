# SPDX-License-Identifier: Apache-2.0
"""The ledger's contract, as ``export/ports.py`` states it, on every backend."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus, Entry, Lease, RequestState, Standing
from airflow_provider_genesys.export.errors import InvalidInput, LeaseLost
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation, Reservation
from airflow_provider_genesys.export.ports import Ledger
from tests.ledger import racing
from tests.ledger.backends import open_ledger
from tests.ledger.racing import Racers

ORGANISATION = Organisation("api.mypurecloud.com", "client")
DAY = datetime(2024, 5, 1, tzinfo=UTC)
AT_ONCE = 0.0
"""Lease seconds of a lease that has run out as soon as it is given."""


def hours(start: int, end: int) -> ExportWindow:
    return ExportWindow(DAY + timedelta(hours=start), DAY + timedelta(hours=end))


def asked(window: ExportWindow | None = None, **filters: Any) -> ExportRequest:
    return ExportRequest(ORGANISATION, window or hours(0, 24), "mp3", filters)


def held(entry: Entry) -> Lease:
    assert entry.lease is not None
    return entry.lease


def as_read(entry: Entry) -> Entry:
    """What another reader sees of an entry."""
    return replace(entry, lease=None)


def test_an_unknown_request_is_inserted_open_and_held(ledger: Ledger) -> None:
    before = ledger.now()
    entry = ledger.acquire(asked(), "ann", 100.0)
    lease = held(entry)
    assert (lease.key, lease.owner, lease.fence, lease.seconds) == (asked().key, "ann", 1, 100.0)
    assert before + 100 <= lease.until <= ledger.now() + 100
    assert replace(entry, lease=None, held_by="", held_until=0.0) == Entry(asked())
    assert (entry.held_by, entry.held_until) == ("ann", lease.until)
    assert ledger.entry(asked().key) == as_read(entry)


def test_what_nobody_asked_for_is_not_there(ledger: Ledger) -> None:
    assert ledger.entry(asked().key) is None
    assert ledger.find(str(ORGANISATION), "job") is None
    assert ledger.plan("key") is None
    assert ledger.volumes("selection", 0.0, 1e10) == {}


def test_a_live_lease_keeps_others_away_and_says_who_has_it(ledger: Ledger) -> None:
    lease = held(ledger.acquire(asked(), "ann", 100.0))
    refused = ledger.acquire(asked(), "bob", 100.0)
    assert refused.lease is None
    assert (refused.held_by, refused.held_until) == ("ann", lease.until)
    assert ledger.renew(lease).fence == 1


def test_the_owner_takes_its_own_lease_again_with_the_next_fence(ledger: Ledger) -> None:
    first = held(ledger.acquire(asked(), "ann", 100.0))
    second = held(ledger.acquire(asked(), "ann", 200.0))
    assert (second.fence, second.seconds) == (first.fence + 1, 200.0)
    with pytest.raises(LeaseLost):
        ledger.renew(first)


def test_a_lease_that_ran_out_is_free_to_all(ledger: Ledger) -> None:
    ledger.acquire(asked(), "ann", AT_ONCE)
    unheld = ledger.entry(asked().key)
    assert unheld is not None
    assert (unheld.held_by, unheld.held_until) == ("", 0.0)
    assert held(ledger.acquire(asked(), "bob", 100.0)).fence == 2


def test_a_lease_runs_out_as_time_passes(ledger: Ledger) -> None:
    ledger.acquire(asked(), "ann", 0.5)
    assert ledger.acquire(asked(), "bob", 100.0).lease is None
    time.sleep(0.5)
    assert held(ledger.acquire(asked(), "bob", 100.0)).owner == "bob"


def test_an_exclusive_lease_keeps_its_own_owner_away(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    saved = ledger.save(held(entry), entry, exclusive=True)
    refused = ledger.acquire(asked(), "ann", 100.0)
    assert refused.lease is None
    assert (refused.held_by, refused.held_until) == ("ann", held(saved).until)


@pytest.mark.parametrize("owner", ["ann", "bob"])
def test_an_exclusive_lease_that_ran_out_is_free_to_all(ledger: Ledger, owner: str) -> None:
    entry = ledger.acquire(asked(), "ann", AT_ONCE)
    ledger.save(held(entry), entry, exclusive=True)
    assert held(ledger.acquire(asked(), owner, 100.0)).fence == 2


def test_renewing_keeps_a_lease_exclusive_and_saving_ends_it(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    entry = ledger.save(held(entry), entry, exclusive=True)
    ledger.renew(held(entry))
    assert ledger.acquire(asked(), "ann", 100.0).lease is None
    ledger.save(held(entry), entry)
    assert ledger.acquire(asked(), "ann", 100.0).lease is not None


def test_taking_an_exclusive_lease_over_makes_an_ordinary_one(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", AT_ONCE)
    ledger.save(held(entry), entry, exclusive=True)
    ledger.acquire(asked(), "ann", 100.0)
    assert held(ledger.acquire(asked(), "ann", 100.0)).fence == 3


def test_renewing_prolongs_from_now(ledger: Ledger) -> None:
    lease = replace(held(ledger.acquire(asked(), "ann", 1.0)), seconds=500.0)
    before = ledger.now()
    renewed = ledger.renew(lease)
    assert before + 500 <= renewed.until <= ledger.now() + 500
    assert (renewed.fence, renewed.seconds) == (lease.fence, 500.0)
    assert ledger.acquire(asked(), "bob", 1.0).held_until == renewed.until


def test_saving_renews_the_lease(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    before = ledger.now()
    saved = ledger.save(held(entry), entry)
    assert before + 100 <= held(saved).until <= ledger.now() + 100
    assert held(saved).fence == held(entry).fence
    assert saved.held_until == held(saved).until


def test_a_lease_that_ran_out_is_good_for_its_holder_until_somebody_comes(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", AT_ONCE)
    assert ledger.save(held(entry), replace(entry, error="late")).error == "late"
    assert ledger.renew(replace(held(entry), seconds=100.0)).fence == 1
    assert ledger.acquire(asked(), "bob", 100.0).lease is None


def test_a_released_request_is_free_to_all(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    ledger.save(held(entry), entry, exclusive=True)
    ledger.release(held(entry))
    assert held(ledger.acquire(asked(), "bob", 100.0)).fence == 2
    assert held(ledger.acquire(asked(), "bob", 100.0)).fence == 3


def test_releasing_a_lost_lease_leaves_the_new_one_alone(ledger: Ledger) -> None:
    lost = held(ledger.acquire(asked(), "ann", AT_ONCE))
    ledger.acquire(asked(), "bob", 100.0)
    ledger.release(lost)
    assert ledger.acquire(asked(), "ann", 100.0).held_by == "bob"


def test_releasing_what_the_ledger_does_not_know_does_nothing(ledger: Ledger) -> None:
    ledger.release(Lease(asked().key, "ann", 1, 0.0, 100.0))
    assert ledger.entry(asked().key) is None


def test_a_save_under_an_older_fence_writes_nothing(ledger: Ledger) -> None:
    stale = ledger.acquire(asked(), "ann", AT_ONCE)
    ledger.acquire(asked(), "bob", 100.0)
    before = ledger.entry(asked().key)
    changed = replace(stale, state=RequestState.FAILED, attempts=(Attempt(0, 0, AttemptStatus.SUBMITTED, "job"),))
    with pytest.raises(LeaseLost) as lost:
        ledger.save(held(stale), changed)
    assert str(asked().window) in str(lost.value)
    assert "bob" in str(lost.value)
    assert ledger.entry(asked().key) == before
    assert ledger.find(str(ORGANISATION), "job") is None


def test_a_lease_of_a_request_that_the_ledger_does_not_know_is_lost(ledger: Ledger) -> None:
    lease = Lease(asked().key, "ann", 1, 0.0, 100.0)
    with pytest.raises(LeaseLost):
        ledger.renew(lease)
    with pytest.raises(LeaseLost):
        ledger.save(lease, Entry(asked()))


def test_an_entry_is_not_saved_under_another_requests_lease(ledger: Ledger) -> None:
    lease = held(ledger.acquire(asked(), "ann", 100.0))
    with pytest.raises(ValueError, match="lease"):
        ledger.save(lease, Entry(asked(hours(0, 6))))


ATTEMPT = Attempt(
    number=1,
    generation=2,
    status=AttemptStatus.EXPIRED,
    job_id="job 1",
    reason="the URLs of job 0 ran out",
    replaces="job 0",
    polls=17,
    recordings=4999,
    error="Überlast – “try again”; DROP TABLE",
    submitted_at=1714521600.123456,
    polled_at=1714521601.25,
    ended_at=1714521602.5,
    expires_at=1714608000.75,
)


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


def test_the_first_plan_is_kept(ledger: Ledger) -> None:
    assert ledger.keep_plan("key", [hours(0, 24)]) == (hours(0, 24),)
    assert ledger.keep_plan("key", [hours(0, 6), hours(6, 24)]) == (hours(0, 24),)
    assert ledger.plan("key") == (hours(0, 24),)
    assert ledger.plan("other key") is None


def test_a_plan_is_replaced_on_demand(ledger: Ledger) -> None:
    ledger.keep_plan("key", [hours(0, 24)])
    assert ledger.keep_plan("key", [hours(0, 6), hours(6, 24)], replace=True) == (hours(0, 6), hours(6, 24))
    assert ledger.plan("key") == (hours(0, 6), hours(6, 24))
    assert ledger.keep_plan("new key", [hours(0, 6)], replace=True) == (hours(0, 6),)


def test_an_empty_plan_is_a_plan(ledger: Ledger) -> None:
    assert ledger.keep_plan("key", []) == ()
    assert ledger.plan("key") == ()


def test_volumes_are_those_of_windows_that_start_in_the_range(ledger: Ledger) -> None:
    for start in range(0, 24, 6):
        ledger.record_volume("selection", hours(start, start + 6), start)
    ledger.record_volume("other selection", hours(6, 12), 99)
    since, until = hours(6, 18).start.timestamp(), hours(6, 18).end.timestamp()
    assert ledger.volumes("selection", since, until) == {hours(6, 12): 6, hours(12, 18): 12}


def test_a_volume_that_is_recorded_again_is_the_newer_one(ledger: Ledger) -> None:
    ledger.record_volume("selection", hours(0, 24), 5)
    ledger.record_volume("selection", hours(0, 6), 1)
    ledger.record_volume("selection", hours(0, 24), 7)
    assert ledger.volumes("selection", 0.0, 1e10) == {hours(0, 24): 7, hours(0, 6): 1}


def test_a_budget_lets_as_many_calls_through_as_it_says(address: str) -> None:
    ledger = open_ledger(address, span=100.0)
    granted = [ledger.reserve("organisation", "polls", 3) for _ in range(3)]
    assert granted == [Reservation(granted=True, wait=0.0, left=left) for left in (2, 1, 0)]
    refused = ledger.reserve("organisation", "polls", 3)
    assert (refused.granted, refused.left) == (False, 0)
    assert 95 < refused.wait <= 100
    assert not ledger.reserve("organisation", "polls", 3, within=90.0).granted


def test_a_slot_to_come_is_reserved_within_the_wait_that_is_offered(address: str) -> None:
    ledger = open_ledger(address, span=100.0)
    waits = [ledger.reserve("organisation", "polls", 2, within=1000.0) for _ in range(6)]
    assert all(reservation.granted for reservation in waits)
    assert [round(reservation.wait, -1) for reservation in waits] == [0, 0, 100, 100, 200, 200]


def test_budgets_do_not_mix(address: str) -> None:
    ledger = open_ledger(address, span=100.0)
    names = [("organisation", "polls"), ("organisation", "requests"), ("another", "polls")]
    assert all(ledger.reserve(*name, 1).granted for name in names)
    assert not any(ledger.reserve(*name, 1).granted for name in names)


def test_a_budget_that_was_changed_holds_at_once(address: str) -> None:
    ledger = open_ledger(address, span=100.0)
    assert [ledger.reserve("organisation", "polls", 5).granted for _ in range(5)] == [True] * 5
    assert not ledger.reserve("organisation", "polls", 2).granted
    assert [ledger.reserve("organisation", "polls", 7).granted for _ in range(3)] == [True, True, False]


def test_a_budget_without_calls_is_refused(ledger: Ledger) -> None:
    with pytest.raises(InvalidInput, match="per minute"):
        ledger.reserve("organisation", "polls", 0)


def test_a_budget_opens_again_as_time_passes(address: str) -> None:
    ledger = open_ledger(address, span=0.4)
    assert [ledger.reserve("organisation", "polls", 2).granted for _ in range(2)] == [True, True]
    refused = ledger.reserve("organisation", "polls", 2)
    assert not refused.granted
    time.sleep(refused.wait)
    assert ledger.reserve("organisation", "polls", 2).granted


def test_durations_come_newest_first_and_the_oldest_are_dropped(ledger: Ledger) -> None:
    assert ledger.durations("organisation") == ()
    for recordings in range(205):
        ledger.record_duration("organisation", recordings, recordings / 2)
    ledger.record_duration("another", 1, 2.5)
    assert ledger.durations("organisation") == tuple((n, n / 2) for n in range(204, 4, -1))
    assert ledger.durations("another") == ((1, 2.5),)


def test_what_a_budget_has_spent_is_what_still_counts(address: str) -> None:
    ledger = open_ledger(address, span=100.0)
    assert ledger.spent("organisation", "polls") == 0
    for _ in range(3):
        ledger.reserve("organisation", "polls", 2, within=1000.0)
    ledger.reserve("organisation", "polls", 2)
    assert ledger.spent("organisation", "polls") == 3
    assert ledger.spent("organisation", "requests") == 0


def test_what_a_budget_has_spent_comes_back_as_time_passes(address: str) -> None:
    ledger = open_ledger(address, span=0.3)
    ledger.reserve("organisation", "polls", 2)
    time.sleep(0.35)
    assert ledger.spent("organisation", "polls") == 0


def in_state(ledger: Ledger, request: ExportRequest, state: RequestState, **change: Any) -> Entry:
    """Bring a request into a state and let it go."""
    entry = ledger.acquire(request, "ann", 100.0)
    entry = ledger.save(held(entry), replace(entry, state=state, **change))
    ledger.release(held(entry))
    return replace(entry, lease=None, held_by="", held_until=0.0)


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


def test_a_broken_lease_is_free_to_all_and_its_holder_is_fenced_off(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    entry = ledger.save(held(entry), entry, exclusive=True)
    assert ledger.break_lease(asked().key)
    assert not ledger.break_lease(asked().key)
    with pytest.raises(LeaseLost):
        ledger.save(held(entry), replace(entry, error="late"))
    taken = ledger.acquire(asked(), "bob", 100.0)
    assert held(taken).fence > held(entry).fence
    assert taken.error == ""


def test_breaking_a_lease_that_ran_out_fences_its_holder_off(ledger: Ledger) -> None:
    lease = held(ledger.acquire(asked(), "ann", AT_ONCE))
    assert not ledger.break_lease(asked().key)
    with pytest.raises(LeaseLost):
        ledger.renew(lease)


def test_there_is_no_lease_to_break_where_nobody_has_one(ledger: Ledger) -> None:
    assert not ledger.break_lease(asked().key)
    in_state(ledger, asked(), RequestState.OPEN)
    assert not ledger.break_lease(asked().key)


def test_a_forgotten_request_is_gone_with_its_attempts(ledger: Ledger) -> None:
    in_state(ledger, asked(), RequestState.FAILED, attempts=(ATTEMPT,))
    kept = in_state(ledger, asked(hours(0, 6)), RequestState.FAILED)
    assert ledger.forget(asked().key)
    assert ledger.entry(asked().key) is None
    assert ledger.find(str(ORGANISATION), "job 1") is None
    assert list(ledger.entries()) == [kept]
    assert ledger.forget(asked().key), "it is gone"


def test_a_live_lease_keeps_a_request_from_being_forgotten(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    assert not ledger.forget(asked().key)
    assert ledger.entry(asked().key) == as_read(entry)


def test_a_request_that_comes_back_has_nothing_of_its_earlier_life(ledger: Ledger) -> None:
    """But for its fence: who held it then, the same owner even, must not write now."""
    entry = ledger.acquire(asked(), "ann", AT_ONCE)
    entry = ledger.save(held(entry), replace(entry, state=RequestState.FAILED, attempts=(ATTEMPT,)))
    ledger.forget(asked().key)
    with pytest.raises(LeaseLost):
        ledger.renew(held(entry))
    ledger.release(held(entry))
    again = ledger.acquire(asked(), "ann", 100.0)
    assert replace(again, lease=None, held_by="", held_until=0.0) == Entry(asked())
    assert held(again).fence == held(entry).fence + 1
    with pytest.raises(LeaseLost):
        ledger.save(held(entry), entry)
    ledger.release(held(again))
    ledger.forget(asked().key)
    assert held(ledger.acquire(asked(), "ann", 100.0)).fence == held(entry).fence + 2


def test_compacting_removes_what_is_finished_and_keeps_its_history(ledger: Ledger) -> None:
    archived = in_state(ledger, asked(hours(0, 6)), RequestState.ARCHIVED, attempts=(ATTEMPT,))
    in_state(ledger, asked(hours(6, 12)), RequestState.SPLIT)
    failed = in_state(ledger, asked(hours(12, 18)), RequestState.FAILED)
    opened = in_state(ledger, asked(hours(18, 24)), RequestState.OPEN)
    reopened = in_state(ledger, asked(hours(19, 24)), RequestState.REOPENED, checked_at=1714730400.5)
    never_saved = ledger.acquire(asked(hours(23, 24)), "ann", AT_ONCE)
    ledger.keep_plan("key", [hours(0, 6)])
    ledger.record_volume("selection", hours(0, 6), 5)
    ledger.record_duration(str(ORGANISATION), 5, 60.0)
    assert ledger.compact(ledger.now() + 60) == 2
    assert list(ledger.entries()) == [failed, opened, reopened, as_read(never_saved)]
    assert ledger.entry(archived.request.key) is None
    assert ledger.find(str(ORGANISATION), "job 1") is None
    assert ledger.plan("key") == (hours(0, 6),)
    assert ledger.volumes("selection", 0.0, 1e10) == {hours(0, 6): 5}
    assert ledger.durations(str(ORGANISATION)) == ((5, 60.0),)
    assert ledger.compact(ledger.now() + 60) == 0


def test_compacting_leaves_what_was_written_since_or_is_held(ledger: Ledger) -> None:
    before = ledger.now() - 1
    written = in_state(ledger, asked(hours(0, 6)), RequestState.ARCHIVED)
    entry = ledger.acquire(asked(hours(6, 12)), "ann", 100.0)
    held_still = ledger.save(held(entry), replace(entry, state=RequestState.ARCHIVED))
    assert ledger.compact(before) == 0
    assert ledger.compact(ledger.now() + 60) == 1
    assert ledger.entry(written.request.key) is None
    assert ledger.entry(entry.request.key) == as_read(held_still)
    assert ledger.renew(held(held_still)).fence == 1


def test_compacted_requests_keep_their_fences(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", AT_ONCE)
    entry = ledger.save(held(entry), replace(entry, state=RequestState.ARCHIVED))
    assert ledger.compact(ledger.now() + 60) == 1
    assert held(ledger.acquire(asked(), "ann", 100.0)).fence == 2
    with pytest.raises(LeaseLost):
        ledger.save(held(entry), entry)


ALWAYS = (0.0, 1e10)


def test_standings_are_those_of_windows_that_start_in_the_range(ledger: Ledger) -> None:
    assert ledger.standings(*ALWAYS) == []
    late = in_state(ledger, asked(hours(12, 18)), RequestState.FAILED, attempts=(ATTEMPT,), error="no")
    long = in_state(ledger, asked(hours(0, 12)), RequestState.SPLIT)
    first = in_state(
        ledger, asked(hours(0, 6)), RequestState.ARCHIVED, destinations=("s3://bucket/a",), checked_at=1714521600.25
    )
    filtered = replace(asked(hours(24, 25), queueId="a"), media=("audio", "screen"))
    elsewhere = in_state(ledger, replace(filtered, organisation=Organisation("host", "x")), RequestState.OPEN)
    expected = [
        Standing(first.request, RequestState.ARCHIVED, ("s3://bucket/a",), checked_at=1714521600.25),
        Standing(long.request, RequestState.SPLIT),
        Standing(late.request, RequestState.FAILED, attempts=1, error="no"),
        Standing(elsewhere.request, RequestState.OPEN),
    ]
    assert ledger.standings(*ALWAYS) == expected
    since, until = (DAY.timestamp() + 3600 * hour for hour in (0, 24))
    assert ledger.standings(since, until) == expected[:3]
    assert ledger.standings(since + 0.001, until + 0.001) == expected[2:]


def test_a_standing_follows_every_save(ledger: Ledger) -> None:
    entry = ledger.acquire(asked(), "ann", 100.0)
    assert ledger.standings(*ALWAYS) == [], "it was claimed, and nothing was written yet"
    entry = ledger.save(held(entry), entry)
    assert ledger.standings(*ALWAYS) == [Standing(asked(), RequestState.OPEN)]
    entry = ledger.save(held(entry), replace(entry, attempts=(ATTEMPT,)))
    assert ledger.standings(*ALWAYS) == [Standing(asked(), RequestState.OPEN, attempts=1)]
    ledger.save(held(entry), replace(entry, state=RequestState.ARCHIVED, attempts=(), destinations=("gs://b",)))
    assert ledger.standings(*ALWAYS) == [Standing(asked(), RequestState.ARCHIVED, ("gs://b",), attempts=1)]


def test_a_part_has_no_standing(ledger: Ledger) -> None:
    in_state(ledger, replace(asked(), conversations=("a", "b")), RequestState.ARCHIVED)
    assert ledger.standings(*ALWAYS) == []


def test_what_was_compacted_still_stands_until_it_comes_back(ledger: Ledger) -> None:
    in_state(ledger, asked(), RequestState.ARCHIVED, attempts=(ATTEMPT,), destinations=("s3://bucket/a",))
    in_state(ledger, replace(asked(), conversations=("a", "b")), RequestState.ARCHIVED)
    archived = [Standing(asked(), RequestState.ARCHIVED, ("s3://bucket/a",), attempts=1)]
    assert ledger.compact(ledger.now() + 60) == 2
    assert ledger.standings(*ALWAYS) == archived
    entry = ledger.acquire(asked(), "bob", 100.0)
    assert ledger.standings(*ALWAYS) == archived
    entry = ledger.save(held(entry), replace(entry, state=RequestState.FAILED))
    assert ledger.standings(*ALWAYS) == [Standing(asked(), RequestState.FAILED)]
    ledger.release(held(entry))
    in_state(ledger, asked(), RequestState.SPLIT)
    assert ledger.compact(ledger.now() + 60) == 1
    assert ledger.standings(*ALWAYS) == [Standing(asked(), RequestState.SPLIT)]


def test_what_was_forgotten_stands_nowhere(ledger: Ledger) -> None:
    in_state(ledger, asked(), RequestState.ARCHIVED)
    kept = in_state(ledger, asked(hours(0, 6)), RequestState.FAILED)
    ledger.forget(asked().key)
    assert ledger.standings(*ALWAYS) == [Standing(kept.request, RequestState.FAILED)]


def test_standings_are_all_of_them_however_many(ledger: Ledger) -> None:
    requests = [asked(hours(0, 1), number=number) for number in range(250)]
    for request in requests:
        in_state(ledger, request, RequestState.ARCHIVED)
    standings = ledger.standings(*ALWAYS)
    assert [standing.request for standing in standings] == sorted(requests, key=lambda request: request.key)


def test_a_long_plan_fits(ledger: Ledger) -> None:
    quarter = timedelta(minutes=15)
    windows = tuple(ExportWindow(DAY + n * quarter, DAY + (n + 1) * quarter) for n in range(3000))
    assert ledger.keep_plan("key", windows) == windows
    assert ledger.plan("key") == windows


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


@pytest.mark.parametrize("error", [-3600.0, 3600.0])
def test_clients_whose_clocks_differ_see_one_time(served_address: str, error: float) -> None:
    """A server's clock is asked, so that nobody takes a live lease, or waits an hour for one that has run out."""
    right = open_ledger(served_address, span=100.0)
    wrong = open_ledger(served_address, span=100.0, clock=lambda: time.time() + error)
    assert wrong.now() == pytest.approx(right.now(), abs=1.5)
    lease = held(right.acquire(asked(), "ann", 100.0))
    assert wrong.acquire(asked(), "bob", 100.0).held_by == "ann"
    right.release(lease)
    lease = held(wrong.acquire(asked(), "bob", 100.0))
    assert lease.until == pytest.approx(right.now() + 100, abs=1.5)
    assert right.acquire(asked(), "ann", 100.0).held_by == "bob"
    assert right.reserve("organisation", "polls", 1).granted
    refused = wrong.reserve("organisation", "polls", 1)
    assert not refused.granted
    assert 98 < refused.wait < 102


def test_of_eight_processes_one_gets_the_lease(address: str, racers: Racers) -> None:
    entries = racers.race(racing.acquire, address, asked())
    winners = [entry for entry in entries if entry.lease]
    assert len(winners) == 1
    assert held(winners[0]).fence == 1
    assert {entry.held_by for entry in entries} == {held(winners[0]).owner}
    assert {entry.held_until for entry in entries} == {held(winners[0]).until}


def test_of_eight_processes_one_takes_over_a_lease_that_ran_out(address: str, racers: Racers) -> None:
    open_ledger(address).acquire(asked(), "ann", AT_ONCE)
    winners = [entry for entry in racers.race(racing.acquire, address, asked()) if entry.lease]
    assert [held(entry).fence for entry in winners] == [2]


def test_no_two_acquisitions_have_the_same_fence(address: str, racers: Racers) -> None:
    fences = racers.race(racing.acquire_as_one_owner, address, asked(), 5)
    assert sorted(fence for of_one in fences for fence in of_one) == list(range(1, 8 * 5 + 1))
    assert all(of_one == sorted(of_one) for of_one in fences)


def test_planners_that_race_get_the_same_plan(address: str, racers: Racers) -> None:
    plans = [(hours(0, number + 1), hours(number + 1, 24)) for number in range(racers.number)]
    kept = set(racers.race(racing.keep_plan, address, "key", plans))
    assert len(kept) == 1
    assert kept < set(plans)


def test_volumes_that_are_recorded_at_the_same_moment_are_one(address: str, racers: Racers) -> None:
    racers.race(racing.record_volume, address, hours(0, 24))
    volumes = open_ledger(address).volumes("selection", 0.0, 1e10)
    assert list(volumes) == [hours(0, 24)]
    assert volumes[hours(0, 24)] in range(racers.number)


def test_processes_that_race_share_one_budget(address: str, racers: Racers) -> None:
    per_minute, span = 4, 100.0
    runs = racers.race(racing.reserve, address, per_minute, 5, span)
    reservations = [reservation for run in runs for reservation in run]
    assert all(reservation.granted for _, reservation, _ in reservations)
    earliest = sorted(before + reservation.wait for before, reservation, _ in reservations)
    latest = sorted(reservation.wait + after for _, reservation, after in reservations)
    for slot, next_but_budget in zip(earliest, latest[per_minute:], strict=False):
        assert next_but_budget - slot >= span
    assert latest[-1] - earliest[0] < span * (len(reservations) / per_minute)
