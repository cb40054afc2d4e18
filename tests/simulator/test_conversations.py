# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_genesys.simulator import Universe
from airflow_provider_genesys.simulator.conversations import LONGEST_MS, PERIOD, Conversations, shape_of
from airflow_provider_genesys.simulator.identity import conversation_id, place_of
from airflow_provider_genesys.simulator.universe import EPOCH_ORDINAL, MS_PER_DAY

MAY_1 = date(2024, 5, 1).toordinal() - EPOCH_ORDINAL
MIDNIGHT = MAY_1 * MS_PER_DAY


@given(seed=st.integers(-5, 5), day=st.integers(0, 84_000), position=st.integers(0, 2**24 - 1))
def test_an_id_says_which_conversation_it_names_to_its_own_seed_only(seed: int, day: int, position: int) -> None:
    text = conversation_id(seed, day, position)
    assert str(UUID(text)) == text
    assert UUID(text).version == 4
    assert place_of(seed, text) == (day, position)
    assert place_of(seed + 1, text) is None


@pytest.mark.parametrize("text", ["", "nobody", "b0a7c9d2-6a55-4f6e-ad0d-0c5d1b2f3a01", "x" * 32, "4" * 36])
def test_an_id_that_was_never_given_names_nobody(text: str) -> None:
    assert place_of(0, text) is None
    assert Conversations(Universe()).find(text) is None


def test_an_id_beyond_its_days_conversations_names_nobody() -> None:
    conversations = Conversations(Universe(calls_per_day=9))
    assert conversations.count(MAY_1) == 10
    assert conversations.find(conversation_id(0, MAY_1, 9)) is not None
    assert conversations.find(conversation_id(0, MAY_1, 10)) is None


def test_every_call_is_one_conversation_and_every_ninth_is_followed_by_another() -> None:
    universe = Universe(calls_per_day=90)
    conversations = Conversations(universe)
    day = [conversations.at(MAY_1, position) for position in range(conversations.count(MAY_1))]
    calls = list(universe.calls(MIDNIGHT, MIDNIGHT + MS_PER_DAY))
    recorded = [each for each in day if each.shape.recorded]
    assert [each.conversation_id for each in recorded] == [call.conversation_id for call in calls]
    assert [each.recordings[0].recording_id for each in recorded] == [call.recording_id for call in calls]
    others = [each.shape.media_type for each in day if not each.shape.recorded]
    assert others == (["voice", "chat", "email", "message"] * 3)[:10]
    starts = [each.start_ms for each in day]
    assert starts == sorted(starts)
    assert all(conversations.find(each.conversation_id) == each for each in day)


def test_the_guides_calls_are_what_they_always_were() -> None:
    calls = Universe().calls(MIDNIGHT, MIDNIGHT + MS_PER_DAY)
    facts = [(call.recording_id, call.start_ms, call.duration_ms, call.agent_id, call.audio_bytes) for call in calls]
    assert len(facts) == 202
    assert hashlib.sha256(repr(facts).encode()).hexdigest().startswith("2c0210aa01b0b32d")


def test_a_day_has_transfers_screens_several_recordings_and_calls_across_midnight() -> None:
    conversations = Conversations(Universe())
    week = [
        conversations.at(day, position)
        for day in range(MAY_1, MAY_1 + 7)
        for position in range(conversations.count(day))
    ]
    assert any(len(each.legs) == 2 and len(each.division_ids) == 2 for each in week)
    assert any(media.media == "screen" for each in week for media in each.recordings)
    assert {len(each.recordings) for each in week} >= {0, 1, 2}
    assert {media.results for each in week for media in each.recordings} == {1, 2}
    assert {media.channels for each in week for media in each.recordings} == {("0", "1"), ("0",), ("S",)}
    assert any(each.end_ms // MS_PER_DAY > each.start_ms // MS_PER_DAY for each in week)
    assert all(each.end_ms - each.start_ms < LONGEST_MS for each in week)
    ids = [media.recording_id for each in week for media in each.recordings]
    assert len(ids) == len(set(ids))


@given(day=st.integers(0, 84_000), position=st.integers(0, 10_000))
def test_shapes_repeat(day: int, position: int) -> None:
    assert shape_of(day, position) == shape_of(day, position + PERIOD)


@settings(deadline=None)
@given(volume=st.sampled_from([1, 8, 9, 10, 60, 997]), offset=st.integers(0, MS_PER_DAY - 1))
def test_what_starts_before_a_time_is_counted_without_looking(volume: int, offset: int) -> None:
    conversations = Conversations(Universe(calls_per_day=volume))
    starts = [conversations.at(MAY_1, position).start_ms for position in range(conversations.count(MAY_1))]
    near = min(starts, key=lambda start: abs(start - MIDNIGHT - offset))
    for ms in (MIDNIGHT + offset, near, near + 1, near - 1):
        if MIDNIGHT <= ms < MIDNIGHT + MS_PER_DAY:
            assert conversations.before(ms) == (MAY_1, sum(start < ms for start in starts))
