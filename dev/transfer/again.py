# SPDX-License-Identifier: Apache-2.0
"""Recordings that are archived already: how many requests it takes to find that out, and to fetch what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_genesys.archive.archive import DEFAULT_CONCURRENCY
from dev.transfer.cases import files, sources
from dev.transfer.contenders import CONTENDERS, INCOMPLETE, OURS, Contender
from dev.transfer.rounds import Bench
from dev.transfer.sinks import Counted

SIZE = 2_000
"""Bytes of each recording: they are counted and not timed."""

MISSING = 10


def requests_again(bench: Bench, store: Counted, count: int) -> list[list[str]]:
    """Archive so many recordings of one window in four steps: a line for what each asked of source and store.

    Each step is a process with a ledger of its own, which has forgotten what was before.
    """
    lines = []
    with files(bench.nginx.source, "again", count, SIZE) as ids, bench.bucket(store) as bucket:
        recordings = sources(bench.nginx.source_port, ids, SIZE)

        def step(words: str, contender: Contender = CONTENDERS[OURS]) -> None:
            endpoint = f"https://127.0.0.1:{store.port}"
            run = bench.run(contender, recordings, store, endpoint, bucket, DEFAULT_CONCURRENCY)
            lines.append([words, _listed(run.from_source), _listed(run.to_sink or Counter()), run.fault])

        with _hidden(bench.nginx.source, ids[:MISSING]):
            step(f"{count:,} new, of which {MISSING} cannot be had", INCOMPLETE)
        step(f"the {MISSING} that are missing")
        step("none is missing")
        store.lose(bucket, "receipts/")
        step("none is missing, but the receipt is")
    return lines


@contextmanager
def _hidden(directory: Path, ids: list[str]) -> Iterator[None]:
    """Let a source not have some recordings, for as long as the block lasts."""
    names = [f"{recording_id}.mp3" for recording_id in ids]
    for name in names:
        (directory / name).rename(directory / f".{name}")
    yield
    for name in names:
        (directory / f".{name}").rename(directory / name)


def _listed(requests: Counter[str]) -> str:
    return ", ".join(f"{number:,} {method}" for method, number in requests.most_common()) or "none"
