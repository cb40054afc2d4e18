# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from urllib.request import Request, urlopen

from playwright.sync_api import Page, expect

from airflow_provider_genesys.hooks.form import EXPORT_APIS, FIELDS, PLACEHOLDERS, RELABELED
from tests.browser.forms import connection_form, unfold
from tests.browser.world import World


def test_the_standard_fields_have_the_words_of_genesys_cloud(page: Page) -> None:
    form = connection_form(page)
    for name, label in RELABELED.items():
        expect(form.get_by_text(label, exact=True)).to_be_visible()
        expect(form.locator(f"[name={name}]")).to_have_attribute("placeholder", PLACEHOLDERS[name])
    for hidden in ("port", "schema"):
        expect(form.locator(f"[name={hidden}]")).to_have_count(0)


def test_every_extra_has_a_field_with_its_default_and_help(page: Page) -> None:
    form = connection_form(page)
    unfold(form, "Extra Fields")
    for name, field in FIELDS.items():
        expect(form.get_by_text(field["label"], exact=True)).to_be_visible()
        expect(form.get_by_text(field["description"], exact=True)).to_be_visible()
        kind, default = field["schema"]["type"][0], field["schema"].get("default")
        if kind != "boolean" and "enum" not in field["schema"]:
            shown = "" if default is None else str(default)
            expect(form.locator(f"input[name=element_{name}]")).to_have_value(shown)


def test_the_api_is_chosen_from_a_list(page: Page) -> None:
    form = connection_form(page)
    unfold(form, "Extra Fields")
    choice = form.locator("#element_export_api")
    expect(choice).to_contain_text("guide")
    choice.click()
    expect(page.get_by_role("option")).to_have_text([*EXPORT_APIS])


def test_what_the_form_saves_is_what_the_connection_has(page: Page, world: World) -> None:
    form = connection_form(page)
    form.locator("[name=connection_id]").fill("genesys_by_form")
    form.locator("[name=host]").fill("api.usw2.pure.cloud")
    form.locator("[name=login]").fill("a-client")
    form.locator("[name=password]").fill("a-secret-of-a-client")
    unfold(form, "Extra Fields")
    form.locator("#element_export_api").click()
    page.get_by_role("option", name="bulk").click()
    form.locator("#element_integration_id").fill("an-integration")
    form.get_by_role("button", name="Save").click()
    try:
        expect(page.get_by_role("row").filter(has_text="genesys_by_form")).to_contain_text("genesys")
        with urlopen(f"{world.airflow.url}/api/v2/connections/genesys_by_form") as answer:
            saved = json.load(answer)
        assert (saved["conn_type"], saved["host"], saved["login"]) == ("genesys", "api.usw2.pure.cloud", "a-client")
        extra = json.loads(saved["extra"])
        assert (extra["export_api"], extra["integration_id"]) == ("bulk", "an-integration")
        assert "a-secret-of-a-client" not in json.dumps(saved)
    finally:
        with urlopen(Request(f"{world.airflow.url}/api/v2/connections/genesys_by_form", method="DELETE")):
            pass
