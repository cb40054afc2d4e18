# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct
import time
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_genesys.simulator.ogg import opus

_PLACES = st.integers(0, 12_000)


@dataclass(frozen=True)
class Page:
    kind: int
    granule: int
    serial: int
    sequence: int
    content: bytes


def pages_of(data: bytes) -> list[Page]:
    """Read a file as RFC 3533 has it, checksums included."""
    pages = []
    while data:
        magic, version, kind, granule, serial, sequence, checksum, segments = struct.unpack("<4sBBQIIIB", data[:27])
        assert (magic, version) == (b"OggS", 0)
        size = 27 + segments + sum(data[27 : 27 + segments])
        assert len(data) >= size
        assert remainder(data[:22] + bytes(4) + data[26:size]) == checksum
        pages.append(Page(kind, granule, serial, sequence, data[27 + segments : size]))
        data = data[size:]
    return pages


def remainder(data: bytes) -> int:
    """The CRC by long division in one go, another way than the simulator's."""
    dividend, divisor = int.from_bytes(data, "big") << 32, 0x104C11DB7
    while (excess := dividend.bit_length() - 33) >= 0:
        dividend ^= divisor << excess
    return dividend


@pytest.mark.parametrize("size", [1024, 1098, 1100, 2140, 2142, 5000, 9998])
def test_a_recording_is_an_ogg_file_of_opus_of_exactly_its_size(size: int) -> None:
    data = opus("a-recording", size).read(0, size)
    assert len(data) == size
    pages = pages_of(data)
    assert [page.sequence for page in pages] == list(range(len(pages)))
    assert len({page.serial for page in pages}) == 1
    assert pages[0].kind == 2
    assert pages[0].content.startswith(b"OpusHead")
    assert b"recording=a-recording" in data
    assert any(page.content.startswith(b"OpusTags") for page in pages)
    sound = [page for page in pages if page.granule]
    assert [page.granule for page in sound] == [3840 * (number + 1) for number in range(len(sound))]
    assert [page.kind for page in sound] == [0] * (len(sound) - 1) + [4] * bool(sound)


@settings(deadline=None)
@given(
    size=st.integers(512, 6000).map(lambda half: 2 * half),
    cuts=st.tuples(st.integers(0, 12_000), st.integers(0, 12_000)),
)
def test_any_slice_is_made_on_the_spot(size: int, cuts: tuple[int, int]) -> None:
    start, stop = sorted(min(cut, size) for cut in cuts)
    body = opus("another", size)
    assert body.read(start, stop) == body.read(0, size)[start:stop]


def test_two_recordings_differ_in_every_page() -> None:
    first, second = (pages_of(opus(name, 8_000).read(0, 8_000)) for name in ("one", "two"))
    assert all(a.serial != b.serial for a, b in zip(first, second, strict=True))


def test_a_page_far_into_a_large_recording_comes_at_once() -> None:
    began = time.process_time()
    assert len(opus("large", 2_000_000_000).read(1_900_000_000, 1_900_001_000)) == 1000
    assert time.process_time() - began < 0.5
