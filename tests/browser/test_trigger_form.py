# SPDX-License-Identifier: Apache-2.0
"""The trigger form, and what becomes of a run that it starts: its tasks wait under their windows' names."""

from __future__ import annotations

import re
from urllib.parse import quote

from playwright.sync_api import Page, expect

from airflow_provider_genesys.params import export_params
from airflow_provider_genesys.simulator import Fault
from tests.browser.forms import trigger_form, unfold
from tests.browser.world import QUARTERS, World


def test_every_param_has_a_title_and_help(page: Page, world: World) -> None:
    form = trigger_form(page, world.path())
    section = None
    for param in export_params({}).values():
        if param.schema.get("section") != section:
            section = param.schema["section"]
            unfold(form, section)
        expect(form.get_by_text(re.compile(rf"^{param.schema['title']}\s*\*?$"))).to_be_visible()
        expect(form.get_by_text(param.description, exact=True)).to_be_visible()


def test_choices_are_lists(page: Page, world: World) -> None:
    form = trigger_form(page, world.path())
    form.locator("#element_media_format").click()
    expect(page.get_by_role("option")).to_have_text(
        ["auto: mp3 with guide, original with batch and bulk", "mp3", "wav", "original"]
    )
    page.get_by_role("option", name="wav").click()
    form.locator("#element_media").click()
    expect(page.get_by_role("option")).to_have_text(["screen", "chat", "email", "message"])


def test_tasks_of_a_run_that_the_form_starts_wait_under_their_windows_names(page: Page, world: World) -> None:
    """In front of a scheduler, and without a triggerer: who waits goes on waiting."""
    world.simulator.faults = (Fault("slow_jobs", seconds=3600.0),)
    before = world.runs()
    form = trigger_form(page, world.path())
    form.get_by_role("button", name="Trigger", exact=True).click()
    expect(form).to_have_count(0)
    (run_id,) = world.runs().keys() - before.keys()
    day = world.call(f"/dagRuns/{quote(run_id, safe='')}")["data_interval_start"][:10]
    with world.airflow.service("scheduler"):
        world.wait_until("export_window.wait_for_export", run_id, ["deferred"] * 4)
    page.goto(world.path(run_id, "export_window.wait_for_export/mapped"))
    for quarter in QUARTERS:
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name=f"{day} {quarter}", exact=True))
        expect(row).to_contain_text("Deferred")
    world.simulator.faults = ()
