# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium without a screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import BrowserContext, sync_playwright

from tests.servers.local import program

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MS = 60_000
"""How long a page may take for anything: the machine may be busy."""


@contextmanager
def chromium(base_url: str, width: int = 1280, height: int = 800) -> Iterator[BrowserContext]:
    """A browser with a profile of its own, which lives in UTC.

    :param base_url: what paths are below.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium", "chromium"), args=[*FLAGS])
        try:
            context = browser.new_context(
                base_url=base_url,
                viewport={"width": width, "height": height},
                locale="en-GB",
                timezone_id="UTC",
                color_scheme="light",
                reduced_motion="reduce",
            )
            context.set_default_timeout(WAIT_MS)
            yield context
        finally:
            browser.close()
