# SPDX-License-Identifier: Apache-2.0
"""The page itself: one file, and the headers that keep anything else out of it."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

_INLINE = re.compile(rb"<(script|style)>(.*?)</\1>", re.DOTALL)

DATA_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Of its data."""


@cache
def page() -> bytes:
    """The page as UTF-8 HTML, the same for everybody: what it shows it asks for."""
    return files(__package__).joinpath("coverage.html").read_bytes()


@cache
def page_headers() -> dict[str, str]:
    """By its security policy the browser runs the file's own script and style, which it knows by their hashes, and asks
    nobody but this server."""
    hashes = {kind.decode(): _hash(text) for kind, text in _INLINE.findall(page())}
    policy = {
        "default-src": "'none'",
        "script-src": hashes["script"],
        "style-src": hashes["style"],
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _hash(text: bytes) -> str:
    return f"'sha256-{b64encode(sha256(text).digest()).decode()}'"
