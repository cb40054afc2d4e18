# SPDX-License-Identifier: Apache-2.0
"""What the runs say: medians of the rounds, and ratios within a round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from dev.transfer.cases import Case, Condition
from dev.transfer.contenders import CONTENDERS, LOOP, OURS, RAW
from dev.transfer.rounds import Bench, Run, Runs
from dev.transfer.task import Effort

HEADER = (
    "contender",
    "sink",
    "in flight",
    "recordings/s",
    "MB/s",
    "CPU s/GB",
    "peak MB",
    "x loop",
    "x tool",
    "x raw",
    "GET, PUT, other",
    "carried",
)


def rows(bench: Bench, case: Case, condition: Condition, runs: Runs) -> list[list[str]]:
    """A line for each contender and sink."""
    return [
        [
            name,
            sink,
            str(bench.concurrency(CONTENDERS[name], case, condition)),
            *_figures(of_one),
            _ratio(of_one, _loop(bench, runs)),
            _ratio(of_one, list(_tools(runs, sink).values())),
            _ratio(of_one, _raw(runs, sink)),
            _requests(of_one[-1]),
            f"{of_one[0].recordings:,} x {_size(of_one[0])}",
        ]
        for (name, sink), of_one in runs.items()
    ]


SUMMARY = (
    "recordings",
    "wires",
    "sink",
    "in flight",
    "recordings/s",
    "MB/s",
    "CPU s/GB",
    "of the loop's",
    "peak MB",
    "x loop",
    "x fastest tool",
    "x raw copy",
)


def summary(bench: Bench, case: Case, condition: Condition, runs: Runs) -> list[list[str]]:
    """Ours alone: a line for each sink."""
    lines = []
    for (name, sink), of_one in runs.items():
        if name != OURS:
            continue
        tools = _tools(runs, sink)
        fastest = max(tools, key=lambda tool: median(run.pace for run in tools[tool]), default="")
        by_recordings, by_bytes, cpu, memory = _figures(of_one)
        lines.append(
            [
                case.name,
                condition.short,
                sink,
                str(bench.concurrency(CONTENDERS[OURS], case, condition)),
                by_recordings,
                by_bytes,
                cpu,
                _ratio(of_one, _loop(bench, runs), _thrift),
                memory,
                _ratio(of_one, _loop(bench, runs)),
                f"{_ratio(of_one, list(tools.values()))} ({fastest})",
                _ratio(of_one, _raw(runs, sink)),
            ]
        )
    return lines


def _loop(bench: Bench, runs: Runs) -> list[list[Run]]:
    """The loop is measured against the sink that checks nothing, whichever sink it is compared for."""
    return [of_one for key, of_one in runs.items() if key == (LOOP, bench.sinks[0].name)]


def _raw(runs: Runs, sink: str) -> list[list[Run]]:
    return [of_one for key, of_one in runs.items() if key == (RAW, sink)]


def _tools(runs: Runs, sink: str) -> dict[str, list[Run]]:
    return {name: of_one for (name, to), of_one in runs.items() if CONTENDERS[name].tool and to == sink}


def _size(run: Run) -> str:
    size = run.bytes / run.recordings
    return f"{size / 1e3:.0f} kB" if size < 1e6 else f"{size / 1e6:,.0f} MB"


def _figures(runs: list[Run]) -> list[str]:
    faults = [run.fault for run in runs if not run.effort]
    if faults:
        return [faults[0], "", "", ""]

    def middle(figure: Callable[[Run, Effort], float], digits: int) -> str:
        return f"{median(figure(run, run.effort) for run in runs if run.effort):,.{digits}f}"

    return [
        middle(lambda run, effort: run.recordings / effort.seconds, 2),
        middle(lambda run, effort: run.bytes / 1e6 / effort.seconds, 0),
        middle(lambda run, effort: effort.cpu / (run.bytes / 1e9), 2),
        middle(lambda run, effort: effort.memory / 1e6, 0),
    ]


def _pace(run: Run) -> float:
    return run.pace


def _thrift(run: Run) -> float:
    return run.effort.cpu / run.bytes if run.effort else 0.0


def _ratio(runs: list[Run], others: Sequence[list[Run]], figure: Callable[[Run], float] = _pace) -> str:
    """To the greatest of the others, round by round."""
    ratios = []
    for run, *of_round in zip(runs, *others, strict=False):  # a slow one has the first round only
        greatest = max((figure(other) for other in of_round), default=0.0)
        if not (figure(run) and greatest):
            return ""
        ratios.append(figure(run) / greatest)
    middle = median(ratios)
    return f"{middle:.1f}" if middle >= 10 else f"{middle:.2f}"


def _requests(run: Run) -> str:
    """Of one run: GETs from the source, PUTs and all else to the sink."""
    if run.to_sink is None:
        return f"{run.from_source.total():,}"
    puts = run.to_sink["PUT"]
    return f"{run.from_source.total():,}, {puts:,}, {run.to_sink.total() - puts:,}"
