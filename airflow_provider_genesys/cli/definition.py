# SPDX-License-Identifier: Apache-2.0
"""The commands and their arguments, in Airflow's own words for them.

Airflow reads this whenever any of its commands runs, so that it imports nothing more.
"""

from __future__ import annotations

import argparse
import json
import math
from datetime import UTC, datetime
from typing import Any

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand, GroupCommand, lazy_load_command

HELP = "Look inside the ledger of Genesys Cloud exports"
STATES = ("open", "archived", "failed", "split")


def time_of(text: str) -> datetime:
    """An ISO 8601 time or date; UTC where it names no zone."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def days(text: str) -> float:
    """A number of days, more than none."""
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError(text)
    return number


def number(text: str) -> float:
    """A number of at least 0."""
    found = float(text)
    if not 0 <= found < math.inf:
        raise ValueError(text)
    return found


def whole_number(text: str) -> int:
    """A whole number of at least 1."""
    found = int(text)
    if found < 1:
        raise ValueError(text)
    return found


def json_object(text: str) -> dict[str, Any]:
    """A JSON object."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(text)
    return found


_OUTPUT = Arg(
    ("-o", "--output"), help="table for people, json for programs", choices=("table", "json"), default="table"
)
_VERBOSE = Arg(("-v", "--verbose"), help="let Airflow's own log through", action="store_true")
_LEDGER = Arg(("--ledger-conn-id",), help="the ledger's connection (genesys_ledger)", default="genesys_ledger")
_GENESYS = Arg(
    ("--genesys-conn-id",), help="the organisation's connection (genesys_default)", default="genesys_default"
)
_EVERYWHERE = (_LEDGER, _OUTPUT, _VERBOSE)

_STATE = Arg(("--state",), help="only windows in this state; may be repeated", action="append", choices=STATES)
_ORGANISATION = Arg(("--organisation",), help="only this organisation's: client id, @ and API host")
_FROM = Arg(("--from",), help="only windows that end after this ISO 8601 time (UTC)", type=time_of, dest="since")
_TO = Arg(("--to",), help="only windows that start before this ISO 8601 time (UTC)", type=time_of, dest="until")
_WHICH = Arg(("which",), help="a key or 8 of its first digits, a job's id, or a window as start/end")
_KEY = Arg(("key",), help="the request's key, or 8 of its first digits")
_OLDER = Arg(("--older-than",), help="days since the window was last written", type=days, required=True, metavar="DAYS")

_RANGE = (
    Arg(("--from",), help="begin of the range, ISO 8601", type=time_of, required=True, dest="since"),
    Arg(("--to",), help="its end, which is not included", type=time_of, required=True, dest="until"),
)
_SELECTION = (
    Arg(("--timezone",), help="whose calendar days are planned, as the DAG's (UTC)", default="UTC"),
    Arg(
        ("--media-format",),
        help="as the DAG's param (auto)",
        choices=("auto", "mp3", "wav", "original"),
        default="auto",
    ),
    Arg(("--filters",), help="a JSON object, as the DAG's param", type=json_object, default="{}"),
    Arg(
        ("--export-api",),
        help="estimate for this API (the connection's)",
        choices=("guide", "batch", "bulk"),
        default="",
    ),
)
_BOUNDS = (
    Arg(("--max-recordings-per-job",), help="as the DAG's param (5000)", type=whole_number, default=5000),
    Arg(("--max-active-runs",), help="days exported side by side, as the DAG's (2)", type=whole_number, default=2),
    Arg(("--poll-interval",), help="as the DAG's param (15)", type=number, default=15.0),
    Arg(("--max-poll-interval",), help="as the DAG's param (180)", type=number, default=180.0),
)
_ASSUMPTIONS = (
    Arg(
        ("--seconds-per-recording",),
        help="that a job takes, where the ledger remembers none of its size (0.06)",
        type=number,
    ),
    Arg(("--bytes-per-recording",), help="mean size (1000000)", type=number, default=1e6),
    Arg(("--bytes-per-second",), help="that all transfers move together (50000000)", type=number, default=5e7),
    Arg(("--busy-hours",), help="hours of a day over which its calls are spread (24)", type=number, default=24.0),
)


def _command(name: str, text: str, *arguments: Arg, description: str | None = None) -> ActionCommand:
    return ActionCommand(
        name=name,
        help=text,
        description=description,
        func=lazy_load_command(f"airflow_provider_genesys.cli.commands.{name}"),
        args=(*arguments, *_EVERYWHERE),
    )


COMMANDS = (
    _command("windows", "List windows: their state, job and holder", _STATE, _ORGANISATION, _FROM, _TO),
    _command("show", "Show one window with all its attempts", _WHICH),
    _command(
        "release",
        "Take a window from the process that holds it",
        _KEY,
        description="Take a window's lease from whoever holds it, when you know that this process is gone or stuck. "
        "One that still works is fenced off: the ledger refuses its writes, and its transfer ends.",
    ),
    _command(
        "forget",
        "Remove a window from the ledger",
        _KEY,
        description="Remove a window with its attempts and its budget of resubmissions. Asked for again, it is "
        "submitted as if it were new, unless the archive holds its receipt. Refused while somebody holds it.",
    ),
    _command("budget", "Show what is left of the organisation's rate budgets this minute", _GENESYS),
    _command(
        "estimate",
        "Say what a range will take, before anything of it is submitted",
        *_RANGE,
        *_SELECTION,
        *_BOUNDS,
        *_ASSUMPTIONS,
        _GENESYS,
        description="Count the recordings of a range and say how many windows, jobs, requests, bytes and hours its "
        "export will take within the limits. Nothing is submitted; of the ledger only the rate budget is written.",
    ),
    _command(
        "compact",
        "Remove archived and split windows that are older than so many days",
        _OLDER,
        description="Remove archived and split windows that were last written before so many days. Volumes and "
        "durations, which planning and polling learn from, stay. Exports of your own that have finished are forgotten, "
        "too, and would be submitted again.",
    ),
)


def get_genesys_commands() -> list[CLICommand]:
    """What Airflow 3 adds to its command line: ``airflow genesys``."""
    return [GroupCommand(name="genesys", help=HELP, subcommands=COMMANDS)]


def parser(prog: str) -> argparse.ArgumentParser:
    """The same commands as a command line of their own."""
    root = argparse.ArgumentParser(prog=prog, description=HELP)
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        child = commands.add_parser(command.name, help=command.help, description=command.description or command.help)
        child.set_defaults(func=command.func)
        for argument in command.args:
            argument.add_to_parser(child)
    return root
