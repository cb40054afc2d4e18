# SPDX-License-Identifier: Apache-2.0
"""What a contender is given to do, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """One recording where it comes from.

    :param size: bytes.
    """

    recording_id: str
    url: str
    size: int


@dataclass(frozen=True)
class Piece:
    """Some bytes of a recording, and the URL that takes them: what is left of a recording without a store's logic."""

    url: str
    start: int
    size: int
    target: str


@dataclass(frozen=True)
class Task:
    """Bring recordings to ``s3://{bucket}/recordings/{recording_id}.mp3``.

    :param endpoint: the sink's URL.
    :param certificates: the bundle that vouches for both sides.
    :param in_flight: recordings, or parts of them, at a time.
    :param scratch: an empty directory.
    :param pieces: the same bytes for whoever only copies.
    """

    sources: list[Source]
    endpoint: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    certificates: str
    in_flight: int
    scratch: str
    pieces: list[Piece]

    @classmethod
    def read(cls, document: dict) -> Task:  # type: ignore[type-arg]
        """The task from its JSON."""
        sources = [Source(**source) for source in document.pop("sources")]
        pieces = [Piece(**piece) for piece in document.pop("pieces")]
        return cls(sources, pieces=pieces, **document)


@dataclass(frozen=True)
class Effort:
    """What a contender needed.

    :param seconds: from the first request to the last answer. Libraries are loaded before; a program of its own is
        started within.
    :param cpu: seconds of it and of its children.
    :param memory: bytes, the most that was resident, above what was resident before the first request. For a program of
        its own: the most that was resident.
    """

    seconds: float
    cpu: float
    memory: int
