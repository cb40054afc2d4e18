# SPDX-License-Identifier: Apache-2.0
"""Whoever is interrupted leaves no process and no directory behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT

SERVERS = {"postgres", "redis-server", "weed"}
SECONDS = 60


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory for temporary ones, which the servers' account can enter."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (("pytest", "tests/stack/test_backfill.py"), signal.SIGTERM),
        (("pytest", "tests/stack/test_backfill.py"), signal.SIGINT),
        (("dev.stack",), signal.SIGTERM),
    ],
)
def test_nothing_is_left(place: Path, words: tuple[str, ...], number: int) -> None:
    interrupted = subprocess.Popen(
        [sys.executable, "-m", *words],
        env={**os.environ, "TMPDIR": str(place)},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        sessions = _sessions_of_servers(interrupted)
        interrupted.send_signal(number)
        interrupted.wait(SECONDS)
    finally:
        interrupted.kill()

    assert not [process for process in psutil.process_iter() if _session(process) in sessions]
    assert not list(place.glob("genesys-stack-*"))


def _sessions_of_servers(process: subprocess.Popen[bytes]) -> set[int]:
    """The sessions that a process has made, once its servers are running."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        children = psutil.Process(process.pid).children(recursive=True)
        if {_name(child) for child in children} >= SERVERS:
            return {_session(child) for child in children} - {os.getsid(0)}
        time.sleep(0.2)
    raise TimeoutError("its servers did not start")


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.name()
    return ""


def _session(process: psutil.Process) -> int:
    """The session of a process; 0 where it has ended, though init may still have to hear of it."""
    with suppress(psutil.Error, ProcessLookupError):
        if process.status() != psutil.STATUS_ZOMBIE:
            return os.getsid(process.pid)
    return 0
