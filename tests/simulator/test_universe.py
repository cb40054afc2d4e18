# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import time
import tracemalloc
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_genesys.simulator import Fault, Selection, SpecError, Universe
from airflow_provider_genesys.simulator.universe import (
    AGENT_IDS,
    EPOCH_ORDINAL,
    MS_PER_DAY,
    QUEUE_IDS,
    read_universe,
    universe_from,
)

MAY_1 = date(2024, 5, 1).toordinal() - EPOCH_ORDINAL
MIDNIGHT = MAY_1 * MS_PER_DAY


def test_a_day_has_some_two_hundred_calls_and_weekends_fewer() -> None:
    year = [date(2024, 1, 1) + timedelta(days=n) for n in range(366)]
    volumes = {day: Universe().volume(day.toordinal() - EPOCH_ORDINAL) for day in year}
    working = {volume for day, volume in volumes.items() if day.weekday() < 5}
    weekend = {volume for day, volume in volumes.items() if day.weekday() >= 5}
    assert min(working) >= 200
    assert max(working) <= 220
    assert len(working) > 10
    assert min(weekend) >= 180
    assert max(weekend) <= 199
    assert len(weekend) > 10


def test_a_volume_of_its_own_wins_over_calls_per_day() -> None:
    universe = Universe(calls_per_day=5, volumes={"2024-05-01": 2000})
    assert [universe.volume(MAY_1 + n) for n in (-1, 0, 1)] == [5, 2000, 5]


def test_calls_are_a_function_of_the_seed() -> None:
    first, again, other = Universe(), Universe(), Universe(seed=1)
    assert first.call(MAY_1, 3) == again.call(MAY_1, 3)
    assert first.call(MAY_1, 3).recording_id != other.call(MAY_1, 3).recording_id


def test_calls_of_a_day_are_in_order_within_it_and_have_ids_of_their_own() -> None:
    universe = Universe(calls_per_day=3000)
    calls = list(universe.calls(MIDNIGHT, MIDNIGHT + MS_PER_DAY))
    starts = [call.start_ms for call in calls]
    assert [call.index for call in calls] == list(range(3000))
    assert starts == sorted(starts)
    assert starts[0] >= MIDNIGHT
    assert starts[-1] < MIDNIGHT + MS_PER_DAY
    assert len({call.recording_id for call in calls} | {call.conversation_id for call in calls}) == 6000


def test_numbers_are_fictional() -> None:
    numbers = [number for call in Universe().calls(MIDNIGHT, MIDNIGHT + MS_PER_DAY) for number in (call.ani, call.dnis)]
    assert all(number[5:8] == "555" and len(number) == 12 for number in numbers)


@settings(deadline=None)
@given(
    volume=st.sampled_from([0, 1, 2, 7, 60, 997]),
    start=st.integers(-MS_PER_DAY, 2 * MS_PER_DAY),
    length=st.integers(0, 2 * MS_PER_DAY),
    queue=st.sampled_from([None, frozenset(), frozenset(QUEUE_IDS[:2])]),
    agent=st.sampled_from([None, frozenset(AGENT_IDS[3:9])]),
)
def test_the_size_of_a_window_is_what_it_lists(
    volume: int, start: int, length: int, queue: frozenset[str] | None, agent: frozenset[str] | None
) -> None:
    universe, selection = Universe(calls_per_day=volume), Selection(queue, agent)
    start_ms, end_ms = MIDNIGHT + start, MIDNIGHT + start + length
    around = universe.calls(MIDNIGHT - 3 * MS_PER_DAY, MIDNIGHT + 6 * MS_PER_DAY)
    expected = [
        call
        for call in around
        if start_ms <= call.start_ms < end_ms
        and (queue is None or call.queue_id in queue)
        and (agent is None or call.agent_id in agent)
    ]
    assert list(universe.calls(start_ms, end_ms, selection)) == expected
    assert universe.count(start_ms, end_ms, selection) == len(expected)


@pytest.mark.parametrize("offset", [0, 1, -1])
def test_a_window_is_cut_to_the_millisecond(offset: int) -> None:
    universe = Universe()
    call = universe.call(MAY_1, 9)
    assert universe.count(MIDNIGHT, call.start_ms + offset) == (10 if offset == 1 else 9)


def test_a_day_of_a_million_is_counted_at_once_and_costs_no_memory() -> None:
    universe = Universe(calls_per_day=1_000_000)
    tracemalloc.start()
    began = time.process_time()
    hours = [universe.count(MIDNIGHT + n * 3_600_000, MIDNIGHT + (n + 1) * 3_600_000) for n in range(24)]
    first = list(islice(universe.calls(MIDNIGHT, MIDNIGHT + MS_PER_DAY), 10))
    took, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(hours) == 1_000_000
    assert len(first) == 10
    assert took < 0.2
    assert peak < 200_000


def test_no_call_beyond_the_days_volume() -> None:
    with pytest.raises(LookupError, match="has 5 calls"):
        Universe(calls_per_day=5).call(MAY_1, 5)


def test_recordings_have_about_the_size_that_is_asked_for_and_single_ones_their_own() -> None:
    universe = Universe(audio_bytes=10_000, large_recordings={"2024-05-01/2": 2_000_000_001})
    sizes = [call.audio_bytes for call in universe.calls(MIDNIGHT, MIDNIGHT + MS_PER_DAY)]
    assert sizes.pop(2) == 2_000_000_000
    assert all(5_000 <= size <= 15_000 and size % 2 == 0 for size in sizes)
    assert 9_000 < sum(sizes) / len(sizes) < 11_000


def test_a_universe_is_read_from_json_and_from_a_file(tmp_path: Path) -> None:
    spec = {
        "clients": {"a": "b"},
        "volumes": {"2024-05-01": 3},
        "polls_per_minute": None,
        "faults": [{"kind": "truncated_body", "every": 7, "times": None}],
    }
    path = tmp_path / "universe.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    expected = Universe(
        clients={"a": "b"},
        volumes={"2024-05-01": 3},
        polls_per_minute=None,
        faults=(Fault("truncated_body", every=7, times=None),),
    )
    assert read_universe(json.dumps(spec)) == read_universe(str(path)) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"call_per_day": 1}, "unknown setting of a universe: call_per_day"),
        ({"calls_per_day": "many"}, "calls_per_day must be a whole number"),
        ({"calls_per_day": True}, "calls_per_day must be a whole number"),
        ({"volumes": {"1 May": 1}}, "volumes must be"),
        ({"volumes": {"2024-05-01": -1}}, "volumes must be"),
        ({"clients": ["demo"]}, "clients must be"),
        ({"url_seconds": float("inf")}, "url_seconds must be"),
        ({"job_seconds": -1}, "job_seconds must be"),
        ({"requests_per_minute": 0}, "requests_per_minute must be"),
        ({"audio_bytes": 10}, "audio_bytes must be"),
        ({"large_recordings": {"7": 5000}}, "large_recordings must be"),
        ({"apis": []}, "apis must be"),
        ({"apis": ["guide", "cloud"]}, "apis must be"),
        ({"batch_url_minutes": 1}, "batch_url_minutes must be a whole number from 2 to 60"),
        ({"integration_active": "yes"}, "integration_active must be true or false"),
        ({"foreign_bulk_jobs": 3}, "foreign_bulk_jobs must be"),
        ({"deliver_to": {"bucket": "b"}}, "deliver_to must be a directory"),
        ({"faults": {"kind": "html_body"}}, "faults must be a list"),
        ({"faults": ["html_body"]}, "a fault must be an object"),
        ({"faults": [{"kind": "gremlins"}]}, "unknown fault kind 'gremlins'"),
        ([], "a universe must be a JSON object"),
    ],
)
def test_a_wrong_setting_is_named(settings: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        universe_from(settings)


def test_a_missing_file_and_broken_json_are_named() -> None:
    with pytest.raises(SpecError, match=r"cannot read the universe /nowhere\.json"):
        read_universe("/nowhere.json")
    with pytest.raises(SpecError, match="not JSON"):
        read_universe("{,}")


def test_secrets_stay_out_of_the_repr_and_out_of_errors() -> None:
    assert "s3cret" not in repr(Universe(clients={"a": "s3cret"}))
    for wrong in ({"clients": {"a": "s3cret", "b": 7}}, {"deliver_to": {"secret_key": "s3cret"}}):
        with pytest.raises(SpecError) as error:
            universe_from(wrong)
        assert "s3cret" not in str(error.value)
