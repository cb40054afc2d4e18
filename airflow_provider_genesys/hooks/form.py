# SPDX-License-Identifier: Apache-2.0
"""The connection form: one table, from which the provider info (3.2 and later) and the widgets (2.11 to 3.1) are made.

Imports no Airflow.
"""

from __future__ import annotations

from typing import Any

EXPORT_APIS = ("guide", "batch", "bulk")

FIELDS: dict[str, dict[str, Any]] = {
    "export_api": {
        "label": "Export API",
        "description": "Which API exports recordings: guide, batch or bulk; organisations have the latter two",
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
PLACEHOLDERS = {"host": "api.mypurecloud.com", "login": "client id", "password": "client secret"}
