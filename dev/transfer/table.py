# SPDX-License-Identifier: Apache-2.0
"""Tables for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

Row = Sequence[str]


def table(header: Row, rows: Sequence[Row], *, left: int = 1, markdown: bool = False) -> str:
    """Lines of a table.

    :param left: how many columns stand at the left; the others are numbers.
    """
    return _markdown(header, rows, left) if markdown else _plain(header, rows, left)


def _markdown(header: Row, rows: Sequence[Row], left: int) -> str:
    rule = ["---" if number < left else "---:" for number in range(len(header))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


def _plain(header: Row, rows: Sequence[Row], left: int) -> str:
    widths = [max(len(row[number]) for row in (header, *rows)) for number in range(len(header))]
    return "\n".join(
        "  "
        + "  ".join(
            f"{cell:<{width}}" if number < left else f"{cell:>{width}}"
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    )
