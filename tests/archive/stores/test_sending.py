# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import pytest

from airflow_provider_genesys.archive.stores.sending import Readable


@pytest.mark.parametrize("count", [1, 2, 3, 5, 100])
def test_pieces_are_read_one_after_the_other(count: int) -> None:
    readable = Readable(b"head", bytearray(b"body" * 3), b"", memoryview(b"tail"))
    blocks = list(iter(lambda: readable.read(count), b""))
    assert b"".join(blocks) == b"headbodybodybodytail"
    assert all(len(block) <= count for block in blocks)


def test_it_begins_anew_where_it_was_read_to_its_end() -> None:
    readable = Readable(b"head", b"tail")
    assert [readable.readall(), readable.readall()] == [b"headtail", b"headtail"]
    assert readable.tell() == 0


def test_it_can_be_sought() -> None:
    readable = Readable(b"head", b"tail")
    assert readable.seekable()
    assert readable.seek(0, io.SEEK_END) == 8
    assert readable.seek(-3, io.SEEK_CUR) == 5
    assert readable.read(2) == b"ai"
    assert readable.seek(3) == readable.tell() == 3
    assert readable.readall() == b"dtail"


def test_closed_it_holds_on_to_nothing() -> None:
    body = bytearray(b"body")
    with Readable(body) as readable:
        assert readable.read(2) == b"bo"
        with pytest.raises(BufferError):
            body.clear()
    body.clear()
