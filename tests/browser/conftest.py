# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.chromium import WAIT_MS, chromium
from tests.browser.world import World
from tests.browser.world import world as started
from tests.servers.postgres import PostgresServer
from tests.servers.seaweedfs import SeaweedServer


@pytest.fixture(scope="session")
def world(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, seaweed: SeaweedServer
) -> Iterator[World]:
    """One Airflow for the run, with a day exported."""
    with started(tmp_path_factory.mktemp("airflow"), postgres, seaweed) as running:
        yield running


@pytest.fixture(scope="session")
def browser(world: World) -> Iterator[BrowserContext]:
    with chromium(world.airflow.url) as context:
        yield context


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    """An empty page, which a test has for itself."""
    from playwright.sync_api import expect

    expect.set_options(timeout=WAIT_MS)
    page = browser.new_page()
    yield page
    page.close()
