# SPDX-License-Identifier: Apache-2.0
"""The pictures of the README and the docs are those that ``make screenshots`` takes."""

from __future__ import annotations

import re

from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "screenshots"
TAKEN = set(re.findall(r'Picture\("(\w+)"', (ROOT / "dev" / "screenshots.py").read_text()))


def test_every_picture_that_is_taken_is_there_and_no_other() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {f"{name}.png" for name in TAKEN}


def test_every_picture_is_small() -> None:
    assert [file.name for file in FOLDER.iterdir() if file.stat().st_size > 100_000] == []


def test_every_picture_is_shown_by_the_docs() -> None:
    shown = {
        name
        for page in (ROOT / "docs").glob("*.md")
        for name in re.findall(r"\(screenshots/(\w+)\.png\)", page.read_text())
    }
    assert shown == TAKEN


def test_the_readme_shows_no_picture_that_is_not_there() -> None:
    shown = re.findall(r"\((docs/screenshots/\w+\.png)\)", (ROOT / "README.md").read_text())
    assert len(shown) >= 4
    assert [path for path in shown if not (ROOT / path).is_file()] == []
