# SPDX-License-Identifier: Apache-2.0
"""The connection form, which Airflow reads in two ways: from the provider info, and from the hook's widgets."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Connection
from sqlalchemy import delete

from airflow_provider_genesys.hooks import form
from airflow_provider_genesys.hooks.form import EXPORT_APIS, FIELDS
from airflow_provider_genesys.hooks.genesys import _APIS, GenesysHook
from airflow_provider_genesys.provider_info import get_provider_info
from airflow_provider_genesys.versions import IS_AIRFLOW_3

STANDARD = {"host", "login", "password"}
needs_airflow_3 = pytest.mark.skipif(not IS_AIRFLOW_3, reason="Airflow 2 knows no form fields in the provider info")
needs_widgets = pytest.mark.skipif(IS_AIRFLOW_3, reason="Airflow 3 has no Flask forms: it reads the provider info")


@pytest.fixture
def connection_type() -> dict[str, Any]:
    (connection_type,) = get_provider_info()["connection-types"]
    assert isinstance(connection_type, dict)
    return connection_type


def test_the_provider_info_names_the_hook(connection_type: dict[str, Any]) -> None:
    hook = f"{GenesysHook.__module__}.{GenesysHook.__qualname__}"
    assert connection_type["hook-class-name"] == hook
    assert connection_type["connection-type"] == GenesysHook.conn_type
    assert connection_type["hook-name"] == GenesysHook.hook_name


def test_both_descriptions_of_the_standard_fields_agree(connection_type: dict[str, Any]) -> None:
    told = connection_type["ui-field-behaviour"]
    behaviour = GenesysHook.get_ui_field_behaviour()
    assert told["hidden-fields"] == behaviour["hidden_fields"]
    assert told["relabeling"] == behaviour["relabeling"]
    assert told["placeholders"] == behaviour["placeholders"]


def test_the_extras_of_the_provider_info_are_those_that_the_hook_reads(connection_type: dict[str, Any]) -> None:
    assert connection_type["conn-fields"] == FIELDS
    assert set(FIELDS) == {
        "login_url",
        "proxy",
        "verify",
        "timeout",
        "export_api",
        "requests_per_minute",
        "polls_per_minute",
        "integration_id",
        "include_numbers",
        "allow_private_downloads",
    }


@needs_widgets
def test_the_widgets_are_the_fields_of_the_provider_info_with_their_defaults() -> None:
    from flask import Flask
    from wtforms import Form

    widgets = GenesysHook.get_connection_form_widgets()
    assert list(widgets) == list(FIELDS)
    with Flask(__name__).test_request_context():
        fields = type("ExtraFields", (Form,), widgets)()
        for name, field in FIELDS.items():
            assert fields[name].label.text == field["label"]
            assert fields[name].description == field["description"]
            assert fields[name].default == field["schema"].get("default")


@needs_widgets
def test_a_form_that_is_left_empty_is_valid() -> None:
    from werkzeug.datastructures import MultiDict
    from wtforms import Form

    form = type("ExtraFields", (Form,), GenesysHook.get_connection_form_widgets())(MultiDict())
    assert form.validate(), form.errors


@pytest.fixture
def webserver(migrated_airflow: None) -> Iterator[Any]:
    """A client of the webserver of Airflow 2 that is let in as an admin."""
    from airflow.configuration import conf
    from airflow.utils.session import create_session
    from airflow.www.app import create_app

    app = create_app(
        config={"AUTH_ROLE_PUBLIC": "Admin", "SECRET_KEY": conf.get("webserver", "secret_key")}, testing=True
    )
    app.config["WTF_CSRF_ENABLED"] = False
    yield app.test_client()
    with create_session() as session:
        session.execute(delete(Connection).where(Connection.conn_id == "genesys_by_form"))


def saved() -> Any:
    """The connection that was added by the form; None where the form refused it."""
    from airflow.utils.session import create_session

    with create_session() as session:
        made = session.query(Connection).filter_by(conn_id="genesys_by_form").one_or_none()
        session.expunge_all()
        return made


def saved_extra(webserver: Any, **extras: str) -> dict[str, Any]:
    """The extra of a connection that was added by the form, with these fields filled in and the others left empty."""
    texts = {name: "" for name, field in FIELDS.items() if field["schema"]["type"][0] != "boolean"}
    typed = {f"extra__genesys__{name}": value for name, value in {**texts, **extras}.items()}
    answer = webserver.post(
        "/connection/add",
        data={"conn_id": "genesys_by_form", "conn_type": "genesys", "host": "api.mypurecloud.com", **typed},
    )
    made = saved()
    assert made is not None, re.findall(r'class="[^"]*(?:error|danger)[^"]*">([^<]+)', answer.text)
    return dict(made.extra_dejson)


def the_choice(page: str) -> str:
    (select,) = re.findall(r'<select[^>]*name="extra__genesys__export_api".*?</select>', page, re.DOTALL)
    return str(select)


@needs_widgets
def test_the_api_is_a_choice_on_the_page_of_airflow_2(webserver: Any) -> None:
    select = the_choice(webserver.get("/connection/add").text)
    assert re.findall(r'<option[^>]*value="(\w+)"', select) == list(EXPORT_APIS)
    assert re.findall(r'<option selected value="(\w+)"', select) == ["guide"]
    assert 'class="form-control"' in select  # by which the page's script finds it


@needs_widgets
def test_what_the_form_of_airflow_2_saves_is_what_the_hook_reads_and_the_form_shows(webserver: Any) -> None:
    extra = saved_extra(
        webserver, export_api="bulk", timeout="2.5", polls_per_minute="7", integration_id="abc", include_numbers="y"
    )
    assert {name: value for name, value in extra.items() if value is not None} == {
        "export_api": "bulk",
        "timeout": "2.5",
        "polls_per_minute": 7,
        "integration_id": "abc",
        "include_numbers": True,
        "allow_private_downloads": False,
    }

    hook = GenesysHook("shown", Connection(conn_id="shown", host="api.mypurecloud.com", extra=json.dumps(extra)))
    assert (hook.export_api, hook.limits.polls_per_minute, hook.integration_id) == ("bulk", 7, "abc")

    select = the_choice(webserver.get(f"/connection/edit/{saved().id}").text)
    assert re.findall(r'<option selected value="(\w+)"', select) == ["bulk"]


@needs_widgets
def test_the_form_of_airflow_2_takes_no_api_that_there_is_not(webserver: Any) -> None:
    with pytest.raises(AssertionError, match="Invalid value, must be one of: guide, batch, bulk"):
        saved_extra(webserver, export_api="smoke signals")


@needs_widgets
def test_an_api_that_was_set_elsewhere_and_does_not_exist_is_shown_as_it_is() -> None:
    from flask import Flask
    from werkzeug.datastructures import MultiDict
    from wtforms import Form

    with Flask(__name__).test_request_context():
        form = type("ExtraFields", (Form,), GenesysHook.get_connection_form_widgets())(
            MultiDict({"export_api": "<smoke>"})
        )
        options = re.findall(r'<option( selected)? value="([^"]+)"', str(form["export_api"]()))
    assert [(bool(chosen), html.unescape(value)) for chosen, value in options] == [
        (True, "<smoke>"),
        *((False, name) for name in EXPORT_APIS),
    ]


@needs_airflow_3
def test_airflow_3_hands_its_form_names_help_defaults_and_the_choice() -> None:
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    (ours,) = (each for each in HookMetaService.hook_meta_data() if each.connection_type == "genesys")
    assert ours.extra_fields is not None
    assert list(ours.extra_fields) == list(FIELDS)
    for name, field in FIELDS.items():
        shown = ours.extra_fields[name]
        assert (shown["schema"]["title"], shown["description"]) == (field["label"], field["description"])
        assert shown["value"] == field["schema"].get("default")
    assert ours.extra_fields["export_api"]["schema"]["enum"] == list(EXPORT_APIS)
    standard = ours.standard_fields
    assert standard is not None
    for name in STANDARD:
        field = getattr(standard, name)
        assert (field.title, field.placeholder) == (form.RELABELED[name], form.PLACEHOLDERS[name])


def test_every_field_may_be_left_empty_and_has_a_default_of_its_own_type() -> None:
    kinds = {"string": str, "number": (int, float), "integer": int, "boolean": bool}
    for name, field in FIELDS.items():
        kind, null = field["schema"]["type"]
        assert null == "null", name
        default = field["schema"].get("default")
        assert default is None or isinstance(default, kinds[kind]), name  # type: ignore[arg-type]


def test_the_form_offers_no_api_that_nobody_has_heard_of() -> None:
    assert FIELDS["export_api"]["schema"]["enum"] == list(EXPORT_APIS)
    assert set(_APIS) <= set(EXPORT_APIS)
    for name in EXPORT_APIS:
        assert re.search(rf"\b{name}\b", FIELDS["export_api"]["description"])


def test_every_field_has_help_and_every_text_a_placeholder() -> None:
    assert all(field["label"] and field["description"] for field in FIELDS.values())
    typed = {name for name, field in FIELDS.items() if field["schema"]["type"][0] != "boolean"} - {"export_api"}
    assert form.PLACEHOLDERS.keys() == STANDARD | typed
    for name in typed:
        default = FIELDS[name]["schema"].get("default")
        assert default is None or form.PLACEHOLDERS[name] == str(default)


def test_what_is_hidden_is_not_relabeled() -> None:
    assert not set(form.HIDDEN) & (form.RELABELED.keys() | form.PLACEHOLDERS.keys())
    assert form.RELABELED.keys() == STANDARD
