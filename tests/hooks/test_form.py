# SPDX-License-Identifier: Apache-2.0
"""The connection form, which Airflow reads in two ways: from the provider info, and from the hook's widgets."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_provider_genesys.hooks import form
from airflow_provider_genesys.hooks.form import EXPORT_APIS, FIELDS
from airflow_provider_genesys.hooks.genesys import _APIS, GenesysHook
from airflow_provider_genesys.provider_info import get_provider_info
from airflow_provider_genesys.versions import IS_AIRFLOW_3

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


def test_what_is_hidden_is_not_relabeled() -> None:
    assert not set(form.HIDDEN) & (form.RELABELED.keys() | form.PLACEHOLDERS.keys())
    assert form.RELABELED.keys() == form.PLACEHOLDERS.keys() == {"host", "login", "password"}
