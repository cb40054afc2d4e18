# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from base64 import b64decode
from hashlib import sha256
from html.parser import HTMLParser

from airflow_provider_genesys.plugins.page import page, page_headers


class Reader(HTMLParser):
    """What a browser would run, draw or fetch of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self._inside = ""
        self.feed(page().decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.attributes |= {name for name, _ in attrs}
        self.ids += [str(value) for name, value in attrs if name == "id"]
        if tag in self.texts:
            assert attrs == [], "the policy knows inline text by its hash"

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in self.texts:
            self.texts[self._inside].append(data)


def policy() -> dict[str, str]:
    directives = page_headers()["Content-Security-Policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


def test_the_browser_runs_the_pages_own_script_and_style_and_nothing_else() -> None:
    found = policy()
    for kind, texts in Reader().texts.items():
        (source,) = found.pop(f"{kind}-src").split()
        assert b64decode(source.removeprefix("'sha256-").removesuffix("'")) == sha256("".join(texts).encode()).digest()
    assert found == {
        "default-src": "'none'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
    }


def test_nothing_in_it_would_be_stopped_by_its_policy() -> None:
    reader = Reader()
    assert not [name for name in reader.attributes if name == "style" or name.startswith("on")]
    assert not re.search(r"https?://|//cdn", page().decode())


def test_nothing_of_the_ledger_is_read_as_html() -> None:
    (script,) = Reader().texts["script"]
    assert "textContent" in script
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|DOMParser|javascript:", script
    )


def test_its_script_finds_what_it_names() -> None:
    reader = Reader()
    named = set(re.findall(r'byId\("(\w+)"\)', reader.texts["script"][0]))
    assert named
    assert named <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids))


def test_it_asks_beside_itself_so_that_a_prefix_is_no_matter() -> None:
    (script,) = Reader().texts["script"]
    asked = re.findall(r"[\"`](/?\w+\.json)", script)
    assert asked
    assert set(asked) == {"coverage.json", "day.json"}
