# SPDX-License-Identifier: Apache-2.0
"""How bodies go out over ``requests``: without a copy of them, and over as many connections as there are threads."""

from __future__ import annotations

from io import SEEK_CUR, SEEK_END, SEEK_SET, RawIOBase
from typing import Any

from requests import Session
from requests.adapters import HTTPAdapter

from airflow_provider_genesys.archive.stores import Bytes

_BLOCK = 256 * 1024
"""Bytes that are read of a body, and sent, at a time."""


class Readable(RawIOBase):
    """Bytes as a file, one piece after the other. Closed, it holds on to nothing.

    Read to its end it begins anew, since a client whose token is refused sends the same file once more with another.
    """

    def __init__(self, *pieces: Bytes) -> None:
        super().__init__()
        self._pieces = [memoryview(piece) for piece in pieces]
        self._size = sum(len(piece) for piece in self._pieces)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        self._at = offset + {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        start = self._at
        for piece in self._pieces:
            if start < len(piece):
                with piece[start : start + len(buffer)] as taken:
                    buffer[: len(taken)] = taken
                    self._at += len(taken)
                    return len(taken)
            start -= len(piece)
        self._at = 0
        return 0

    def close(self) -> None:
        for piece in self._pieces:
            piece.release()
        super().close()


def widen(session: Session, connections: int) -> Session:
    """Let a session keep as many connections open as there are threads to use them.

    :param connections: threads.
    """
    for scheme in ("https://", "http://"):
        adapter = HTTPAdapter()
        adapter.init_poolmanager(connections=2, maxsize=connections, blocksize=_BLOCK)
        session.mount(scheme, adapter)
    return session
