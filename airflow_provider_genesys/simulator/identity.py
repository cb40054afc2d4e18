# SPDX-License-Identifier: Apache-2.0
"""Conversation ids that say which conversation they name, so that none need be remembered to be found again.

An id holds a day and a position, scrambled, behind a code that only the seed's own ids carry. To anybody else it is a
UUID like any other.
"""

from __future__ import annotations

import hashlib

_CODE_BYTES = 9
_POSITION_BITS = 24
_PLACES = 1 << 48
_SCRAMBLE = 0x9E3779B97F4B
_UNSCRAMBLE = pow(_SCRAMBLE, -1, _PLACES)


def conversation_id(seed: int, day: int, position: int) -> str:
    """The id of a day's conversation.

    :param day: days since 1970-01-01 UTC.
    :param position: its place among the day's conversations, from 0, below 2 ** 24.
    """
    place = day << _POSITION_BITS | position
    digits = f"{_code(seed, place)}{place * _SCRAMBLE % _PLACES:012x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-a{digits[15:18]}-{digits[18:]}"


def place_of(seed: int, text: str) -> tuple[int, int] | None:
    """``(day, position)`` of the conversation that an id names; None: no id of this seed's."""
    digits = text.replace("-", "")
    try:
        place = int(digits[-12:], 16) * _UNSCRAMBLE % _PLACES
    except ValueError:
        return None
    day, position = place >> _POSITION_BITS, place & (1 << _POSITION_BITS) - 1
    return (day, position) if conversation_id(seed, day, position) == text else None


def uuid(noise: bytes) -> str:
    """A version 4 UUID of 16 random bytes."""
    text = noise.hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def _code(seed: int, place: int) -> str:
    return hashlib.blake2b(b"conversation %d %d" % (seed, place), digest_size=_CODE_BYTES).hexdigest()
