# SPDX-License-Identifier: Apache-2.0
"""How far every window is, finished ones among them."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_genesys.export.entry import RequestState, Standing
from airflow_provider_genesys.export.model import Organisation
from airflow_provider_genesys.export.ports import Ledger
from tests.ledger.conformance.entries import ATTEMPT, DAY, asked, held, hours, in_state

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
