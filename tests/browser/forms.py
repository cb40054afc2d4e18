# SPDX-License-Identifier: Apache-2.0
"""Airflow's forms, as a person opens them."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


def connection_form(page: Page) -> Locator:
    """A new connection of type Genesys Cloud, with all its sections open."""
    page.goto("/connections")
    page.get_by_role("button", name="Add Connection").click()
    dialog = page.get_by_role("dialog").filter(has_text="Connection ID")
    dialog.get_by_role("combobox").first.fill("Genesys")
    page.get_by_role("option", name="Genesys Cloud", exact=True).click()
    return dialog


def trigger_form(page: Page, path: str) -> Locator:
    """The form that triggers the DAG whose page is at the path."""
    page.goto(path)
    page.get_by_role("button", name="Trigger").first.click()
    dialog = page.get_by_role("dialog").filter(has_text="Trigger Dag")
    dialog.get_by_text("Run Parameters").wait_for()
    return dialog


def unfold(form: Locator, section: str) -> None:
    """Open a section of a form."""
    form.get_by_role("button", name=section, exact=True).click()
