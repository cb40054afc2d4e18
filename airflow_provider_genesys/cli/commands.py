# SPDX-License-Identifier: Apache-2.0
"""The commands. Each ends with 0, with 1 where nothing was found or the ledger refuses, with 2 for wrong arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from airflow.utils.cli import suppress_logs_and_warning

from airflow_provider_genesys.cli import estimation, views
from airflow_provider_genesys.cli.lookup import hook_of, ledger_of
from airflow_provider_genesys.cli.output import exit_codes, print_json, print_table, say
from airflow_provider_genesys.cli.search import by_anything, by_key
from airflow_provider_genesys.export.entry import AttemptStatus, Entry, RequestState
from airflow_provider_genesys.export.errors import InvalidInput

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow_provider_genesys.export.ports import Ledger

SECONDS_PER_DAY = 86_400.0


def _command(answer: Callable[[Namespace, Ledger], None]) -> Callable[[Namespace], None]:
    """A command over the ledger that the arguments name, without Airflow's log between its lines."""

    @wraps(answer)
    def command(arguments: Namespace) -> None:
        with exit_codes():
            answer(arguments, ledger_of(arguments.ledger_conn_id))

    quiet: Callable[[Namespace], None] = suppress_logs_and_warning(command)
    return quiet


@_command
def windows(arguments: Namespace, ledger: Ledger) -> None:
    """List windows by time."""
    now = ledger.now()
    states = [RequestState(state) for state in arguments.state or ()]
    shown = [
        views.line(entry, now)
        for entry in ledger.entries(arguments.organisation, states)
        if not entry.request.conversations  # of a window in parts the window alone: 'show' has its parts
        and (arguments.since is None or entry.request.window.end > arguments.since)
        and (arguments.until is None or entry.request.window.start < arguments.until)
    ]
    if arguments.output == "json":
        return print_json(shown)
    organisations = {each["organisation"] for each in shown}
    rows = [views.row(each) for each in shown]
    if len(organisations) > 1:
        rows = [{**row, "ORGANISATION": each["organisation"]} for row, each in zip(rows, shown, strict=True)]
    return print_table(rows, "No windows.")


@_command
def show(arguments: Namespace, ledger: Ledger) -> None:
    """Show one window with all its attempts."""
    entry = by_anything(ledger, arguments.which)
    shown = views.whole(entry, _parts(ledger, entry), ledger.now())
    if arguments.output == "json":
        return print_json(shown)
    attempts, children, parts = shown.pop("attempts"), shown.pop("children"), shown.pop("parts")
    facts = {**shown, "children": " ".join(f"{child['start']}/{child['end']}" for child in children) or None}
    print_table([{"FIELD": name, "VALUE": value} for name, value in facts.items() if value not in (None, [], {})], "")
    say("")
    if parts:
        return print_table([views.row(part) for part in parts], "")
    return print_table([views.attempt_row(attempt) for attempt in attempts], "No attempt was made yet.")


@_command
def release(arguments: Namespace, ledger: Ledger) -> None:
    """Break a window's lease."""
    entry = by_key(ledger, arguments.key)
    if not ledger.break_lease(entry.request.key):
        raise InvalidInput(f"nobody holds {_named(entry)}: there is nothing to release")
    if arguments.output == "json":
        return print_json({"key": entry.request.key, "released": True, "held_by": entry.held_by or None})
    say(f"Released {_named(entry)}, which {entry.held_by} held.")
    say(
        "The next task that wants it takes it. If that process still works, the ledger refuses its writes from here on."
    )
    if entry.current is not None and entry.current.status is AttemptStatus.SUBMITTING:
        say("It was in the middle of a submission: its job may exist, and the next attempt may be a second one.")
    return None


@_command
def forget(arguments: Namespace, ledger: Ledger) -> None:
    """Remove a window from the ledger."""
    entry = by_key(ledger, arguments.key)
    for one in (*_parts(ledger, entry), entry):  # its parts first: without their window nobody would find them
        if not ledger.forget(one.request.key):
            held = ledger.entry(one.request.key) or one
            raise InvalidInput(
                f"{_named(one)} is held by {held.held_by} for another {held.held_until - ledger.now():.0f} s: wait, or "
                f"release {one.request.key[: views.SHORT_KEY]} first if that process is gone"
            )
    if arguments.output == "json":
        return print_json({"key": entry.request.key, "forgotten": True})
    return say(f"Forgot {_named(entry)} and its {len(entry.attempts)} attempts. Its job, if it has one, lives on.")


@_command
def budget(arguments: Namespace, ledger: Ledger) -> None:
    """Show what is left of the rate budgets."""
    hook = hook_of(arguments.genesys_conn_id)
    organisation, limits = str(hook.organisation), hook.limits
    per_minute = {"requests": limits.requests_per_minute, "polls": limits.polls_per_minute}
    shown = [
        views.budget(organisation, name, most, ledger.spent(organisation, name)) for name, most in per_minute.items()
    ]
    if arguments.output == "json":
        return print_json(shown)
    return print_table([{name.upper().replace("_", " "): each[name] for name in each} for each in shown], "")


@suppress_logs_and_warning
def estimate(arguments: Namespace) -> None:
    """Say what a range will take."""
    with exit_codes():
        found = estimation.estimated(arguments)
        if arguments.output == "json":
            return print_json(found)
        return print_table([{"OF THE RANGE": name, "": value} for name, value in views.estimate_rows(found)], "")


@_command
def compact(arguments: Namespace, ledger: Ledger) -> None:
    """Remove what is archived and older than so many days."""
    removed = ledger.compact(ledger.now() - arguments.older_than * SECONDS_PER_DAY)
    if arguments.output == "json":
        return print_json({"removed": removed})
    return say(
        f"Removed {removed} windows that were archived or split, and not written for {arguments.older_than:g} days."
    )


def _parts(ledger: Ledger, entry: Entry) -> list[Entry]:
    return [part for part in map(ledger.entry, entry.parts) if part is not None]


def _named(entry: Entry) -> str:
    request: Any = entry.request
    return f"{request.media_format} {request.window} ({request.key[: views.SHORT_KEY]})"
