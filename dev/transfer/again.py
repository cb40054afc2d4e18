# SPDX-License-Identifier: Apache-2.0
"""Recordings that are archived already: how many requests it takes to find that out, and to fetch what is missing."""

from __future__ import annotations

from collections import Counter

from dev.transfer.cases import files, sources
from dev.transfer.contenders import AGAIN, CONTENDERS, OURS, our_concurrency
from dev.transfer.rounds import Bench
from dev.transfer.sinks import Counted

SIZE = 2_000
"""Bytes of each recording: they are counted and not timed."""

MISSING = 10


def requests_again(bench: Bench, store: Counted, count: int) -> list[list[str]]:
    """Archive so many recordings, and then again, and once more when some are gone: a line for each."""
    lines = []
    with files(bench.nginx.source, "again", count, SIZE) as ids, bench.bucket(store) as bucket:
        recordings = sources(bench.nginx.source_port, ids, SIZE)
        for words, contender, lost in (
            (f"{count:,} new", CONTENDERS[OURS], 0),
            (f"{count:,} that are archived", AGAIN, 0),
            (f"the same, of which {MISSING} were lost", AGAIN, MISSING),
        ):
            store.lose(bucket, lost)
            run = bench.run(contender, recordings, store, f"https://127.0.0.1:{store.port}", bucket, our_concurrency())
            lines.append([words, _listed(run.from_source), _listed(run.to_sink or Counter()), run.fault])
    return lines


def _listed(requests: Counter[str]) -> str:
    return ", ".join(f"{number:,} {method}" for method, number in requests.most_common()) or "none"
