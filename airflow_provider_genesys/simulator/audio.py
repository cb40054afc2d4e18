# SPDX-License-Identifier: Apache-2.0
"""Recordings as bytes: playable, different for each call, and never held in memory whole.

A body is a short head of its own and a pattern that repeats to the end, so that any slice of a 2 GB recording is made
on the spot. It plays for as long as its size allows, not for the call's duration: demos stay quick that way.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CHUNK = 256 * 1024
# S3 gives an object that came in parts an ETag that is no MD5.
MULTIPART_FROM = 8 * 1024 * 1024


@dataclass(frozen=True)
class Body:
    """Content of a stored object.

    :param media_type: the Content-Type.
    :param size: length in bytes.
    :param head: its first bytes.
    :param pattern: what repeats after the head until ``size`` is reached.
    """

    media_type: str
    size: int
    head: bytes
    pattern: bytes = b"\0"

    def read(self, start: int, stop: int) -> bytes:
        """The bytes of ``[start, stop)``."""
        head = self.head[start:stop]
        shift = (start + len(head) - len(self.head)) % len(self.pattern)
        rest = stop - start - len(head)
        return head + (self.pattern * ((shift + rest) // len(self.pattern) + 1))[shift : shift + rest]

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes of ``[start, stop)`` in pieces of at most 256 KiB."""
        for at in range(start, stop, CHUNK):
            yield self.read(at, min(at + CHUNK, stop))

    @property
    def etag(self) -> str:
        """The quoted ETag: the body's MD5; from 8 MiB that of a multipart upload, which is none."""
        if self.size < MULTIPART_FROM:
            return f'"{hashlib.md5(self.read(0, self.size), usedforsecurity=False).hexdigest()}"'
        name = hashlib.md5(self.head + self.pattern, usedforsecurity=False).hexdigest()
        return f'"{name}-{-(-self.size // MULTIPART_FROM)}"'


def recording(media_format: str, recording_id: str, size: int) -> Body:
    """The audio of one recording.

    :param media_format: ``mp3`` or ``wav``; ``default`` is the platform's encrypted container, which nothing plays.
    :param recording_id: goes into the bytes, so that no two recordings are equal.
    :param size: length in bytes: even, and 1024 at least.
    """
    return _FORMATS[media_format](recording_id.encode(), size)


# MPEG-2 Layer III, 16 kbit/s, 16 kHz, mono: 72 bytes a frame. Side information of zeros is silence.
_MP3_FRAME = bytes.fromhex("fff328c0").ljust(72, b"\0")


def _mp3(recording_id: bytes, size: int) -> Body:
    comment = b"\0recording\0" + recording_id
    frame = b"TXXX" + struct.pack(">IH", len(comment), 0) + comment
    # Padding of the tag takes up what is no whole number of audio frames.
    tag_size = len(frame) + (size - 10 - len(frame)) % len(_MP3_FRAME)
    syncsafe = bytes(tag_size >> shift & 0x7F for shift in (21, 14, 7, 0))
    head = b"ID3\x03\0\0" + syncsafe + frame.ljust(tag_size, b"\0")
    return Body("audio/mpeg", size, head, _MP3_FRAME)


def _wav(recording_id: bytes, size: int) -> Body:
    comment = recording_id + b"\0" * (2 - len(recording_id) % 2)
    info = b"INFOICMT" + struct.pack("<I", len(comment)) + comment
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    listing = b"LIST" + struct.pack("<I", len(info)) + info
    audio_size = size - 12 - len(form) - len(listing) - 8
    head = (
        b"RIFF" + struct.pack("<I", _u32(size - 8)) + b"WAVE" + form + listing
        + b"data" + struct.pack("<I", _u32(audio_size))
    )  # fmt: skip
    period = 16 + hashlib.blake2b(recording_id).digest()[0] % 24
    tone = bytes(128 + round(6 * math.sin(2 * math.pi * step / period)) for step in range(period))
    return Body("audio/wav", size, head, tone)


def _encrypted(recording_id: bytes, size: int) -> Body:
    return Body("application/octet-stream", size, b"GCENC\x01" + recording_id, hashlib.sha512(recording_id).digest())


def _u32(number: int) -> int:
    """RIFF has no room for more than 4 GiB; players read on to the end of the file."""
    return min(number, 0xFFFFFFFF)


_FORMATS: dict[str, Callable[[bytes, int], Body]] = {"mp3": _mp3, "wav": _wav, "default": _encrypted}
