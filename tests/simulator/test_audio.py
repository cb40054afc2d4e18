# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_genesys.simulator.audio import Body, recording

ID = "6f1d1c1e-3e53-4b9c-a0f5-7b2f7f0f9d11"
OTHER = "0d1d1c1e-3e53-4b9c-a0f5-7b2f7f0f9d12"
SIZES = (1024, 1026, 24_000, 131_070)


def whole(body: Body) -> bytes:
    return body.read(0, body.size)


def mp3_frames(data: bytes) -> list[bytes]:
    """Walk an ID3 tag and the MPEG-2 Layer III frames behind it, strictly to the end."""
    assert data[:5] == b"ID3\x03\0"
    at = 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    frames = []
    while at < len(data):
        header = int.from_bytes(data[at : at + 4], "big")
        assert header >> 21 == 0x7FF, "frame sync"
        assert header >> 19 & 3 == 2, "MPEG-2"
        assert header >> 17 & 3 == 1, "Layer III"
        bit_rate = (None, 8, 16, 24, 32, 40, 48, 56, 64)[header >> 12 & 15]
        sample_rate = (22_050, 24_000, 16_000)[header >> 10 & 3]
        assert bit_rate
        length = 72_000 * bit_rate // sample_rate + (header >> 9 & 1)
        frames.append(data[at : at + length])
        at += length
    assert at == len(data), "no frame is cut off"
    return frames


@pytest.mark.parametrize("size", SIZES)
def test_an_mp3_is_a_tag_and_whole_silent_frames(size: int) -> None:
    body = recording("mp3", ID, size)
    frames = mp3_frames(whole(body))
    assert body.media_type == "audio/mpeg"
    assert body.size == size == len(whole(body))
    assert len(frames) >= 10
    assert all(not any(frame[4:]) for frame in frames)


@pytest.mark.parametrize("size", SIZES)
def test_a_wav_opens_and_plays_a_quiet_tone(size: int) -> None:
    body = recording("wav", ID, size)
    assert body.media_type == "audio/wav"
    with wave.open(io.BytesIO(whole(body))) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 1, 8000)
        samples = sound.readframes(sound.getnframes())
    assert len(samples) == sound.getnframes() > size - 200
    assert min(samples) >= 120
    assert max(samples) <= 136
    assert len(set(samples)) > 4


def test_the_default_format_is_a_container_that_nothing_plays() -> None:
    body = recording("default", ID, 2000)
    assert whole(body).startswith(b"GCENC")
    assert body.media_type == "application/octet-stream"


@pytest.mark.parametrize("media_format", ["mp3", "wav", "default"])
def test_two_recordings_differ(media_format: str) -> None:
    one, other = recording(media_format, ID, 4000), recording(media_format, OTHER, 4000)
    assert whole(one) != whole(other)
    assert one.etag != other.etag


@given(media_format=st.sampled_from(["mp3", "wav", "default"]), start=st.integers(0, 5000), length=st.integers(0, 5000))
def test_any_slice_is_that_of_the_whole(media_format: str, start: int, length: int) -> None:
    body = recording(media_format, ID, 5000)
    stop = min(start + length, 5000)
    assert body.read(start, stop) == whole(body)[start:stop]
    assert b"".join(body.chunks(start, stop)) == whole(body)[start:stop]


def test_a_large_recording_is_made_piece_by_piece_and_its_etag_is_no_md5() -> None:
    body = recording("wav", ID, 2_000_000_000)
    pieces = body.chunks(0, body.size)
    assert len(next(pieces)) == 256 * 1024
    assert len(body.read(body.size - 10, body.size)) == 10
    assert body.etag.endswith('-239"')
