# SPDX-License-Identifier: Apache-2.0
"""Answers on the standard output, and what went wrong on the other one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tabulate import tabulate

from airflow_provider_genesys.export.errors import ExportError


def say(text: str) -> None:
    """A sentence for people."""
    print(text)


def note(text: str) -> None:
    """A sentence that is no part of the answer."""
    print(text, file=sys.stderr)


def print_json(value: Any) -> None:
    """A document for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(rows: Sequence[Mapping[str, Any]], when_empty: str) -> None:
    """Rows under their headings, aligned; nothing is cut, whatever the terminal's width.

    :param when_empty: what is said where there is none.
    """
    if not rows:
        return say(when_empty)
    cells = [["-" if value is None else str(value) for value in row.values()] for row in rows]
    return say(tabulate(cells, headers=list(rows[0]), tablefmt="plain", disable_numparse=True))


@contextmanager
def exit_codes() -> Iterator[None]:
    """End the command with 1 and the error's own words where an answer can't be given."""
    try:
        yield
    except ExportError as error:
        note(f"genesys: {error}")
        raise SystemExit(1) from None
