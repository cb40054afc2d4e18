# SPDX-License-Identifier: Apache-2.0
"""The simulator as a process of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
import requests

from .conftest import Caller

COMMAND = (sys.executable, "-m", "airflow_provider_genesys.simulator")


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("simulator listening on http://127.0.0.1:")
            yield process, line.split()[-1]
        finally:
            process.kill()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=10)


def test_it_says_where_it_listens_and_knows_the_default_world(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    with running("--port", "0", "--port-file", str(port_file)) as (_, url):
        assert url == f"http://127.0.0.1:{port_file.read_text().strip()}"
        assert 180 <= Caller(url).volume().json()["total"] <= 220


def test_the_universe_is_a_file_or_json(tmp_path: Path) -> None:
    path = tmp_path / "universe.json"
    path.write_text(json.dumps({"calls_per_day": 4}))
    with running("--universe", str(path)) as (_, url):
        assert Caller(url).volume().json()["total"] == 4
    with running("--universe", '{"volumes": {"2024-05-01": 5}}') as (_, url):
        assert Caller(url).volume().json()["total"] == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_and_well_even_with_somebody_held(number: signal.Signals) -> None:
    with running() as (process, url):
        caller = Caller(url)
        requests.post(f"{url}/_simulator/hold", json={"point": "poll"})

        def poll() -> None:
            with suppress(requests.ConnectionError):
                caller.poll("x")

        held = Thread(target=poll)
        held.start()
        while not requests.get(f"{url}/_simulator/held").json()["held"]:
            time.sleep(0.01)
        began = time.perf_counter()
        process.send_signal(number)
        assert process.wait(5) == 0
        assert time.perf_counter() - began < 2
        held.join(5)
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_taken_port_is_an_error_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run("--port", str(port))
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert "in use" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--universe", '{"call_per_day": 1}'], "unknown setting of a universe: call_per_day"),
        (["--universe", '{"faults": [{"kind": "gremlins"}]}'], "unknown fault kind 'gremlins'"),
        (["--universe", "no-such-file.json"], "cannot read the universe no-such-file.json"),
        (["--port", "eighty"], "invalid int value"),
    ],
)
def test_a_wrong_argument_is_named(arguments: list[str], message: str) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_faults_are_listed() -> None:
    ended = run("--list-faults")
    assert ended.returncode == 0
    assert "truncated_body" in ended.stdout
    assert "half the body" in ended.stdout


def test_nothing_of_airflow_is_imported() -> None:
    program = "import sys, airflow_provider_genesys.simulator; print([m for m in sys.modules if m == 'airflow'])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout.strip() == "[]"
