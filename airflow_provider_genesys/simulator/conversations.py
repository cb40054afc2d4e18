# SPDX-License-Identifier: Apache-2.0
"""The conversations behind the calls, as the published Platform API sees them: legs, divisions, several recordings.

Every call of the universe is one conversation, and every ninth is followed by a conversation that is no recorded call:
a call that nobody recorded, a chat, an e-mail, a message, in turn. What an arithmetic rule can say of a conversation
without its day's volume is its *shape*; shapes repeat every 200 positions of a day, so that conversations are counted
and paged by division, not by looking at each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from airflow_provider_genesys.simulator.identity import conversation_id, place_of, uuid
from airflow_provider_genesys.simulator.universe import (
    AGENT_IDS,
    AGENTS,
    CALLS_PER_GROUP,
    DISPOSITIONS,
    MS_PER_DAY,
    QUEUE_IDS,
    QUEUES,
    Universe,
    identity,
    seat_of,
)

DIVISIONS = ("Home", "North", "South")
DIVISION_IDS = tuple(identity(f"division {name}") for name in DIVISIONS)
WRAP_UP_IDS = tuple(identity(f"wrap-up {name}") for name in DISPOSITIONS)

GROUP = CALLS_PER_GROUP + 1
EXTRAS = ("voice", "chat", "email", "message")
# Positions after which shapes repeat: that of a call goes by its index modulo 180, that of an extra by its group.
PERIOD = 200
# Nobody talks for longer: calls end at most so many ms after they start.
LONGEST_MS = 15 * 60_000
_SCREEN_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a conversation before it is made.

    :param media_type: voice, chat, email or message.
    :param recorded: whether a call was recorded.
    :param seats: the agents who spoke, by their seat, in order; two after a transfer.
    :param divisions: positions in :data:`DIVISIONS`, those of the agents' queues.
    :param screen: whether the first agent's screen was recorded as well.
    """

    media_type: str
    recorded: bool
    seats: tuple[int, ...]
    divisions: frozenset[int]
    screen: bool


@dataclass(frozen=True, slots=True)
class Leg:
    """One agent's part of a conversation; times in ms since 1970-01-01 UTC.

    :param end_ms: end of the talk, and start of the wrap-up.
    :param wrapped_ms: end of the wrap-up.
    """

    agent_id: str
    agent_name: str
    queue_id: str
    queue_name: str
    start_ms: int
    end_ms: int
    wrapped_ms: int
    wrap_up_id: str


@dataclass(frozen=True, slots=True)
class Media:
    """One recording of a conversation.

    :param recording_id: its id; that of a call's first recording is the one the guide's API has.
    :param media: audio, screen, chat, email or message.
    :param subtype: Trunk, Consult or Screen; None: not for this media.
    :param start_ms: start in ms since 1970-01-01 UTC.
    :param end_ms: end.
    :param size: bytes of one file of it: even, and 1024 at least.
    :param results: how many files a batch request gives for it.
    :param channels: how the files are keyed that a transcoding gives.
    """

    recording_id: str
    media: str
    subtype: str | None
    start_ms: int
    end_ms: int
    size: int
    results: int
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation.

    :param day: UTC day on which it starts, in days since 1970-01-01.
    :param position: its place among the day's conversations, from 0, in order of start.
    :param index: position among the day's calls of its own call, or of the one before it: faults count by it.
    :param start_ms: start in ms since 1970-01-01 UTC.
    :param end_ms: end, the last wrap-up included; perhaps on the next day.
    :param recordings: its recordings, in order; their ids are unique.
    """

    conversation_id: str
    day: int
    position: int
    index: int
    shape: Shape
    start_ms: int
    end_ms: int
    direction: str
    ani: str
    dnis: str
    legs: tuple[Leg, ...]
    recordings: tuple[Media, ...]

    @property
    def division_ids(self) -> tuple[str, ...]:
        """Ids of its divisions."""
        return tuple(DIVISION_IDS[number] for number in sorted(self.shape.divisions))

    def media(self, recording_id: str) -> Media | None:
        """One of its recordings, by id."""
        return next((media for media in self.recordings if media.recording_id == recording_id), None)


def shape_of(day: int, position: int) -> Shape:
    """The shape of a day's conversation, whatever the day's volume."""
    index, extra = _index_and_extra(position)
    seat = seat_of(day, index)
    transferred = extra is None and index % 12 == 7
    seats = (seat, (seat + 7) % len(AGENTS)) if transferred else (seat,)
    return Shape(
        media_type=extra or "voice",
        recorded=extra is None,
        seats=seats,
        divisions=frozenset(each % len(QUEUES) % len(DIVISIONS) for each in seats),
        screen=extra is None and index % 6 == 1,
    )


class Conversations:
    """The conversations of a universe."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe

    def count(self, day: int) -> int:
        """Number of conversations that start on a UTC day."""
        volume = self._universe.volume(day)
        return volume + volume // CALLS_PER_GROUP

    def before(self, ms: int) -> tuple[int, int]:
        """``(day, position)`` of the first conversation that starts at a time (ms since 1970-01-01 UTC) or later."""
        day, offset = divmod(ms, MS_PER_DAY)
        volume = self._universe.volume(day)
        calls = self._universe.count(day * MS_PER_DAY, ms)
        # The e-th extra starts in the last ms of the slot of call 9 e - 1.
        extras = max((offset + 1) * volume - 1, 0) // (CALLS_PER_GROUP * MS_PER_DAY)
        return day, calls + min(extras, volume // CALLS_PER_GROUP)

    def find(self, text: str) -> Conversation | None:
        """The conversation with an id; None: there is none."""
        place = place_of(self._universe.seed, text)
        return self.at(*place) if place is not None and place[1] < self.count(place[0]) else None

    def at(self, day: int, position: int) -> Conversation:
        """The conversation at a position of a UTC day.

        :raises LookupError: the day has fewer.
        """
        index, extra = _index_and_extra(position)
        shape = shape_of(day, position)
        call = self._universe.call(day, index)
        start = call.start_ms if extra is None else self._universe.slot_end(day, index)
        talk = start + index * 7_919 % 12_000
        end = talk + call.duration_ms
        legs = tuple(_legs(shape, talk, end, DISPOSITIONS.index(call.disposition)))
        noise = hashlib.blake2b(f"{call.recording_id} {position}".encode()).digest()
        recordings: list[Media] = []
        if extra is None:
            results, channels = (2 if index % 7 == 3 else 1), (("0", "1"), ("0",), ("S",))[index % 3]
            recordings.append(
                Media(call.recording_id, "audio", "Trunk", talk, end, call.audio_bytes, results, channels)
            )
        elif extra != "voice":
            recordings.append(Media(uuid(noise[:16]), extra, None, talk, end, 1_024, 1, ("0",)))
        if len(legs) > 1:
            size = max(self._universe.audio_bytes // 2, 1_024) & ~1
            recordings.append(Media(uuid(noise[16:32]), "audio", "Consult", legs[1].start_ms, end, size, 1, ("0", "1")))
        if shape.screen:
            recordings.append(Media(uuid(noise[32:48]), "screen", "Screen", talk, end, _SCREEN_BYTES, 1, ("0",)))
        return Conversation(
            conversation_id=conversation_id(self._universe.seed, day, position),
            day=day,
            position=position,
            index=index,
            shape=shape,
            start_ms=start,
            end_ms=legs[-1].wrapped_ms,
            direction=call.direction,
            ani=call.ani,
            dnis=call.dnis,
            legs=legs,
            recordings=tuple(recordings),
        )


def _index_and_extra(position: int) -> tuple[int, str | None]:
    """Index of a conversation's call, or of the call before an extra; and the extra's media type, else None."""
    group, place = divmod(position, GROUP)
    if place < CALLS_PER_GROUP:
        return group * CALLS_PER_GROUP + place, None
    return group * CALLS_PER_GROUP + CALLS_PER_GROUP - 1, EXTRAS[group % len(EXTRAS)]


def _legs(shape: Shape, start: int, end: int, disposition: int) -> Iterator[Leg]:
    cuts = (start, end) if len(shape.seats) == 1 else (start, start + (end - start) * 2 // 3, end)
    for number, seat in enumerate(shape.seats):
        queue = seat % len(QUEUES)
        yield Leg(
            agent_id=AGENT_IDS[seat],
            agent_name=AGENTS[seat],
            queue_id=QUEUE_IDS[queue],
            queue_name=QUEUES[queue],
            start_ms=cuts[number],
            end_ms=cuts[number + 1],
            wrapped_ms=cuts[number + 1] + 10_000 + seat * 1_000,
            wrap_up_id=WRAP_UP_IDS[(disposition + number) % len(WRAP_UP_IDS)],
        )
