# SPDX-License-Identifier: Apache-2.0
"""Contenders take turns: each in a process of its own, into an empty bucket, over the same wires."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path

from airflow_provider_genesys.archive.archive import DEFAULT_CONCURRENCY
from airflow_provider_genesys.archive.relay import PARTS_AT_A_TIME
from dev.transfer.cases import PIECE, Case, Condition, files, sources
from dev.transfer.contenders import RAW, Contender
from dev.transfer.nginx import Nginx
from dev.transfer.sinks import Sink, Unchecked
from dev.transfer.task import Effort, Piece, Source, Task
from dev.transfer.wire import wire

LONGEST = 150.0
"""Seconds that one process may take."""


@dataclass(frozen=True)
class Run:
    """What one process achieved, or why it did not.

    :param fault: why, where there is no effort.
    :param from_source: requests by method.
    :param to_sink: the same; None where nobody counts them.
    """

    recordings: int
    bytes: int
    effort: Effort | None
    fault: str = ""
    from_source: Counter[str] = field(default_factory=Counter)
    to_sink: Counter[str] | None = None

    @property
    def pace(self) -> float:
        """Bytes a second; 0 for a fault."""
        return self.bytes / self.effort.seconds if self.effort else 0.0


@dataclass(frozen=True)
class Links:
    """Where source and sinks are under a condition."""

    condition: Condition
    source_port: int
    endpoints: dict[str, str]


@contextmanager
def links(bench: Bench, condition: Condition) -> Iterator[Links]:
    """Wires to all servers; none at all where they would add nothing."""
    with ExitStack() as stack:

        def port(of_server: int, cap: float | None = None) -> int:
            if not condition.round_trip:
                return of_server
            return stack.enter_context(wire(of_server, condition.round_trip, cap)).port

        endpoints = {sink.name: f"https://127.0.0.1:{port(sink.port)}" for sink in bench.sinks}
        yield Links(condition, port(bench.nginx.source_port, condition.cap), endpoints)


@dataclass
class Bench:
    """The servers, and where contenders work.

    :param in_flight: recordings at a time for ours and the raw copy; None for our default.
    """

    home: Path
    nginx: Nginx
    sinks: tuple[Sink, ...]
    certificates: Path
    in_flight: int | None
    buckets: Iterator[int] = field(default_factory=count)

    def concurrency(self, contender: Contender, case: Case, condition: Condition) -> int:
        """Recordings, or parts of them, at a time."""
        if contender.sequential:
            return 1
        if contender.tool:
            return (32 if condition.round_trip else 16) if case.small else 8
        return self.in_flight or (DEFAULT_CONCURRENCY if case.small else PARTS_AT_A_TIME)

    @contextmanager
    def bucket(self, sink: Sink) -> Iterator[str]:
        """A new bucket, for as long as the block lasts."""
        name = f"bench-{next(self.buckets):06}"
        sink.make(name)
        try:
            yield name
        finally:
            sink.remove(name)

    def run(
        self, contender: Contender, recordings: list[Source], sink: Sink, endpoint: str, bucket: str, in_flight: int
    ) -> Run:
        """One run of a contender; what it has stored is counted."""
        with tempfile.TemporaryDirectory(dir=self.home) as scratch:
            task = Task(
                recordings,
                endpoint,
                bucket,
                sink.access_key,
                sink.secret_key,
                str(self.certificates),
                in_flight,
                scratch,
                _pieces(recordings, sink, endpoint, bucket) if contender.name == RAW else [],
            )
            self.nginx.requests("source")
            sink.requests()
            effort, fault = _effort(contender, task)
            from_source, to_sink = self.nginx.requests("source"), sink.requests()
        size = sum(recording.size for recording in recordings)
        if effort and sink.size(bucket) < size:
            effort, fault = None, "stored too little"
        return Run(len(recordings), size, effort, fault, from_source, to_sink)


Runs = dict[tuple[str, str], list[Run]]
"""By the names of contender and sink, one a round."""


def compare(bench: Bench, contenders: list[Contender], case: Case, condition: Condition, rounds: int) -> Runs:
    """Let contenders carry the recordings of a case. Each round begins with another one."""
    entries = [
        (contender, sink)
        for contender in contenders
        for sink in bench.sinks
        if isinstance(sink, Unchecked) or not contender.sequential
    ]
    runs: Runs = {(contender.name, sink.name): [] for contender, sink in entries}
    of_sample = case.sample[1 if condition.round_trip else 0]
    with (
        files(bench.nginx.source, "all", case.count, case.size) as ids,
        files(bench.nginx.source, "some", of_sample, case.sample_size) as sample,
        links(bench, condition) as found,
    ):
        whole = sources(found.source_port, ids, case.size)
        some = sources(found.source_port, sample, case.sample_size)
        for number in range(rounds):
            turn = number * 3 % len(entries)
            for contender, sink in entries[turn:] + entries[:turn]:
                if contender.slow and number:
                    continue
                carried = some[: -(-len(some) // 10)] if contender.slow else some if contender.sequential else whole
                in_flight = bench.concurrency(contender, case, condition)
                with bench.bucket(sink) as bucket:
                    done = bench.run(contender, carried, sink, found.endpoints[sink.name], bucket, in_flight)
                runs[contender.name, sink.name].append(done)
                print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return runs


def _pieces(recordings: list[Source], sink: Sink, endpoint: str, bucket: str) -> list[Piece]:
    spans = [
        (recording, start, min(PIECE, recording.size - start))
        for recording in recordings
        for start in range(0, recording.size, PIECE)
    ]
    urls = sink.put_urls(endpoint, bucket, [f"{recording.recording_id}/{start}" for recording, start, _ in spans])
    return [Piece(recording.url, start, size, url) for (recording, start, size), url in zip(spans, urls, strict=True)]


def _effort(contender: Contender, task: Task) -> tuple[Effort | None, str]:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": task.scratch,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "REQUESTS_CA_BUNDLE": task.certificates,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "dev.transfer.contenders", contender.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        answer, errors = process.communicate(json.dumps(asdict(task)).encode(), timeout=LONGEST)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            return None, f"not done in {LONGEST:.0f} s"
        raise
    if process.returncode:
        print(f"\n{contender.name}:\n{errors.decode(errors='replace')[-3000:]}", file=sys.stderr)
        return None, "failed"
    return Effort(**json.loads(answer.splitlines()[-1])), ""
