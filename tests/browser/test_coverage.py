# SPDX-License-Identifier: Apache-2.0
"""The coverage page, beside a ledger in which one day is archived: 1 May 2024."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from airflow_provider_genesys.plugins.coverage import ROUTE, TITLE
from tests.browser.world import QUARTERS, World


@pytest.fixture
def calendar(page: Page) -> Page:
    """The page itself, with its calendar drawn."""
    page.goto(f"/{ROUTE}/")
    expect(page.get_by_role("region", name="2024")).to_be_visible()
    return page


def test_airflows_navigation_leads_to_it(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name=TITLE).click()
    framed = page.frame_locator("iframe")
    expect(framed.get_by_role("heading", name=TITLE)).to_be_visible()


def test_an_archived_day_opens_into_its_windows(calendar: Page) -> None:
    archived = day(calendar, "1 May 2024")
    expect(archived).to_have_attribute(
        "aria-label", "Wednesday, 1 May 2024: archived, 4 of 4 windows archived, 72 recordings"
    )
    archived.click()
    opened = panel(calendar)
    expect(opened).to_contain_text("4 of 4 archived")
    for quarter in QUARTERS:
        expect(opened.get_by_text(quarter)).to_be_visible()


def test_days_are_walked_by_the_arrows_and_opened_by_the_enter_key(calendar: Page) -> None:
    day(calendar, "1 May 2024").focus()
    calendar.keyboard.press("ArrowDown")
    expect(day(calendar, "2 May 2024")).to_be_focused()
    calendar.keyboard.press("ArrowRight")
    expect(day(calendar, "9 May 2024")).to_be_focused()
    calendar.keyboard.press("Enter")
    expect(panel(calendar)).to_contain_text("never exported")


def test_a_button_copies_the_command_that_fills_a_gap(browser: BrowserContext, world: World, calendar: Page) -> None:
    browser.grant_permissions(["clipboard-read", "clipboard-write"], origin=world.airflow.url)
    day(calendar, "2 January 2024").click()
    button = panel(calendar).get_by_role("button", name="Copy the command")
    button.click()
    expect(panel(calendar).get_by_role("button", name="Copied")).to_be_visible()
    copied = calendar.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("airflow backfill create --dag-id genesys_recordings_export --from-date 2024-01-01 ")
    assert "--to-date 2024-04-30" in copied


def day(page: Page, date: str) -> Locator:
    return page.get_by_role("button", name=f", {date}:")


def panel(page: Page) -> Locator:
    return page.get_by_role("region", name="Gaps, or the day that is open")
