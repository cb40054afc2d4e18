# SPDX-License-Identifier: Apache-2.0
"""The connection form: one table, from which the provider info (3.2 and later) and the widgets (2.11 to 3.1) are made.

Imports no Airflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXPORT_APIS = ("guide", "batch", "bulk")

FIELDS: dict[str, dict[str, Any]] = {
    "export_api": {
        "label": "Export API",
        "description": "Which API exports recordings: guide, batch or bulk; organisations have the latter two, and the "
        "Test button says what yours answers",
        "schema": {"type": ["string", "null"], "enum": list(EXPORT_APIS), "default": "guide"},
    },
    "login_url": {
        "label": "Login URL",
        "description": "Base URL of the OAuth login; derived from the host where it is empty",
        "schema": {"type": ["string", "null"]},
    },
    "proxy": {
        "label": "HTTPS proxy",
        "description": "URL of a proxy for the API and for downloads",
        "schema": {"type": ["string", "null"]},
    },
    "verify": {
        "label": "TLS verification",
        "description": "true, or the path of a CA bundle on the workers; false only against a simulator",
        "schema": {"type": ["string", "null"], "default": "true"},
    },
    "timeout": {
        "label": "Timeout",
        "description": "Seconds to wait for an answer's next byte",
        "schema": {"type": ["number", "null"], "default": 60},
    },
    "requests_per_minute": {
        "label": "Requests per minute",
        "description": "The organisation's budget of API requests",
        "schema": {"type": ["integer", "null"], "default": 300},
    },
    "polls_per_minute": {
        "label": "Polls per minute",
        "description": "The organisation's budget of job status requests",
        "schema": {"type": ["integer", "null"], "default": 20},
    },
    "integration_id": {
        "label": "Integration id",
        "description": "Of the AWS S3 Recording Bulk Actions integration whose bucket receives the recordings (bulk)",
        "schema": {"type": ["string", "null"]},
    },
    "include_numbers": {
        "label": "Include numbers",
        "description": "Write callers' and called numbers in full; masked otherwise (batch, bulk)",
        "schema": {"type": ["boolean", "null"], "default": False},
    },
    "allow_private_downloads": {
        "label": "Allow private downloads",
        "description": "Download from http and private addresses too; for simulators only",
        "schema": {"type": ["boolean", "null"], "default": False},
    },
}
"""The connection's extras by name, as Airflow's provider info describes ``conn-fields``."""

HIDDEN = ["port", "schema"]
RELABELED = {"host": "API host", "login": "OAuth client id", "password": "OAuth client secret"}
PLACEHOLDERS = {
    "host": "api.mypurecloud.com",
    "login": "client id",
    "password": "client secret",
    # Airflow from 3.0 on shows those of standard fields only
    "login_url": "https://login.mypurecloud.com",
    "proxy": "http://proxy.example.com:3128",
    "verify": "true",
    "timeout": "60",
    "requests_per_minute": "300",
    "polls_per_minute": "20",
    "integration_id": "needed with bulk only",
}


def widgets() -> dict[str, Any]:
    """:data:`FIELDS` as fields of WTForms, for Airflow before 3.2.

    Its provider manager takes text, passwords, integers and booleans only: other numbers are read from their text, and
    a choice is a text that is shown as one. Airflow 3.0 and 3.1 put stand-ins in place of what is imported here.
    """
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from wtforms import BooleanField, IntegerField, StringField
    from wtforms.validators import Optional, any_of

    def field(described: Mapping[str, Any]) -> Any:
        schema = described["schema"]
        kind, default = schema["type"][0], schema.get("default")
        shown = {"description": described["description"], "default": default}
        if kind == "boolean":
            return BooleanField(described["label"], **shown)
        if "enum" in schema:
            choice = _Choice(schema["enum"])
            return StringField(
                described["label"], widget=choice, validators=[Optional(), any_of(schema["enum"])], **shown
            )
        make = IntegerField if kind == "integer" else StringField
        return make(described["label"], widget=BS3TextFieldWidget(), validators=[Optional()], **shown)

    return {name: field(described) for name, described in FIELDS.items()}


class _Choice:
    """Shows a text field as a list to choose from."""

    def __init__(self, choices: list[str]) -> None:
        self.choices = choices

    def __call__(self, field: Any, **_: Any) -> Any:
        from markupsafe import Markup

        chosen = field.data or self.choices[0]
        # what was set elsewhere stays, to be refused by name instead of being changed unseen
        choices = self.choices if chosen in self.choices else [chosen, *self.choices]
        option = Markup('<option value="{0}">{0}</option>')
        selected = Markup('<option selected value="{0}">{0}</option>')
        options = Markup().join((selected if choice == chosen else option).format(choice) for choice in choices)
        select = Markup('<select class="form-control" id="{}" name="{}">{}</select>')
        return select.format(field.id, field.name, options)
