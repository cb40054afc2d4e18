# SPDX-License-Identifier: Apache-2.0
"""Opus in Ogg, made on the spot: silence that plays, in pages of one size whose checksums cost no look at their bytes.

An Ogg page's CRC is linear: that of a page is that of an empty one, changed by what each byte of its header adds.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import cache

from airflow_provider_genesys.simulator.audio import Body

# One frame of silence (CELT, 20 ms, mono), padded to 253 bytes: table of contents, frame count, length of padding.
_PACKET = bytes((0xFB, 0x41, 248, 0xFF, 0xFE)) + bytes(248)
_PACKETS = 4
_SAMPLES = _PACKETS * 960
_HEADER = 27
# What follows the checksum: the number of packets, their lengths, and they themselves.
_SOUND = bytes((_PACKETS, *[len(_PACKET)] * _PACKETS)) + _PACKET * _PACKETS
_PAGE = _HEADER - 1 + len(_SOUND)
# Of a header: its kind, granule position, serial and sequence number.
_VARIES = slice(5, 22)
_BEGINS, _ENDS = 2, 4


@dataclass(frozen=True)
class Opus(Body):
    """An Ogg file of Opus: ``head`` is its first pages, and pages of silence follow to the end.

    :param serial: number of its one stream.
    :param pages: number of pages in the head.
    """

    serial: int = 0
    pages: int = 2

    def read(self, start: int, stop: int) -> bytes:
        """The bytes of ``[start, stop)``."""
        head = self.head[start:stop]
        first, last = max(start - len(self.head), 0), max(stop - len(self.head), 0)
        numbers = range(first // _PAGE, -(-last // _PAGE))
        sound = b"".join(self._page(number) for number in numbers)
        return head + sound[first - numbers.start * _PAGE : last - numbers.start * _PAGE]

    def _page(self, number: int) -> bytes:
        """The ``number``-th page of silence."""
        ends = len(self.head) + (number + 1) * _PAGE == self.size
        header = _header(_ENDS if ends else 0, (number + 1) * _SAMPLES, self.serial, number + self.pages)
        checksum = _checksum_of_sound()
        for addition, byte in zip(_additions(), header[_VARIES], strict=True):
            checksum ^= addition[byte]
        return header + struct.pack("<I", checksum) + _SOUND


def opus(recording_id: str, size: int) -> Opus:
    """A recording in the platform's own codec.

    :param recording_id: goes into the bytes, so that no two recordings are equal.
    :param size: length in bytes: even, and 1024 at least.
    """
    serial = int.from_bytes(hashlib.blake2b(recording_id.encode()).digest()[:4], "big")
    about = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, 312, 48_000, 0, 0)
    comment = f"recording={recording_id}".encode()
    tags = struct.pack("<8sIII", b"OpusTags", 0, 1, len(comment)) + comment
    pages = [_whole_page(_BEGINS, serial, 0, about)]
    # The tags take up what is no whole number of pages of sound; zeros behind them mean nothing.
    least = _HEADER + 1 + len(tags)
    room = least + (size - len(pages[0]) - least) % _PAGE
    if (room - _HEADER - 1) % 256 == 255:  # no packet fills such a page: an empty one takes some of it
        room += (0 if room > least + _HEADER else _PAGE) - _HEADER
        pages.append(_whole_page(0, serial, 1, None))
    segments = (room - _HEADER - 1) // 256 + 1
    pages.append(_whole_page(0, serial, len(pages), tags.ljust(room - _HEADER - segments, b"\0")))
    return Opus("audio/ogg", size, b"".join(pages), serial=serial, pages=len(pages))


def _whole_page(kind: int, serial: int, sequence: int, packet: bytes | None) -> bytes:
    """A page of one packet, or of none."""
    lacing = b"" if packet is None else b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255])
    header, rest = _header(kind, 0, serial, sequence), bytes([len(lacing)]) + lacing + (packet or b"")
    return header + struct.pack("<I", _crc(header + bytes(4) + rest)) + rest


def _header(kind: int, granule: int, serial: int, sequence: int) -> bytes:
    """A page's header up to its checksum."""
    return struct.pack("<4sBBQII", b"OggS", 0, kind, granule, serial, sequence)


@cache
def _checksum_of_sound() -> int:
    """The checksum of a page of sound whose header says nothing."""
    return _crc(_header(0, 0, 0, 0) + bytes(4) + _SOUND)


@cache
def _additions() -> tuple[tuple[int, ...], ...]:
    """What each value of each byte of a header that varies adds to the checksum of a page of sound."""
    columns = []
    single = [_crc(bytes([1 << bit]) + bytes(4 + len(_SOUND))) for bit in range(8)]
    for _ in range(*_VARIES.indices(22)):
        columns.append(tuple(_sum(single, byte) for byte in range(256)))
        single = [_crc(b"\0", crc) for crc in single]
    return tuple(reversed(columns))


def _sum(single: list[int], byte: int) -> int:
    total = 0
    for bit, crc in enumerate(single):
        total ^= crc if byte >> bit & 1 else 0
    return total


def _crc(data: bytes, crc: int = 0) -> int:
    """Ogg's checksum: CRC-32 with the polynomial 04c11db7, not reflected, from 0."""
    table = _table()
    for byte in data:
        crc = crc << 8 & 0xFFFFFFFF ^ table[crc >> 24 ^ byte]
    return crc


@cache
def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte << 24
        for _ in range(8):
            crc = crc << 1 ^ (0x104C11DB7 if crc & 0x80000000 else 0)
        table.append(crc)
    return tuple(table)
