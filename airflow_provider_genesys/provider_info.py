# SPDX-License-Identifier: Apache-2.0
"""What Airflow's provider manager reads of this package. Imports no Airflow."""

from __future__ import annotations

from typing import Any

from airflow_provider_genesys import __version__
from airflow_provider_genesys.hooks.form import FIELDS, HIDDEN, PLACEHOLDERS, RELABELED

_INTEGRATION = "Genesys Cloud"
_PACKAGE = "airflow_provider_genesys"


def get_provider_info() -> dict[str, Any]:
    """The entry point ``apache_airflow_provider``."""
    return {
        "package-name": "airflow-provider-genesys",
        "name": _INTEGRATION,
        "description": "Exports every call recording out of Genesys Cloud into your own object storage.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://developer.genesys.cloud/",
                "tags": ["service"],
            }
        ],
        "hooks": [_modules("hooks.genesys")],
        "operators": [_modules("operators.recordings", "operators.recheck")],
        "sensors": [_modules("sensors.recordings")],
        "triggers": [_modules("triggers.recordings")],
        "notifications": [f"{_PACKAGE}.notifications.recordings.ExportFailureNotifier"],
        "extra-links": [
            f"{_PACKAGE}.links.recordings.{name}" for name in ("JobLink", "ManifestLink", "ReceiptLink", "ReportLink")
        ],
        "cli": [f"{_PACKAGE}.cli.definition.get_genesys_commands"],
        "plugins": [
            {"name": "genesys_coverage", "plugin-class": f"{_PACKAGE}.plugins.coverage.CoveragePlugin"},
        ],
        "connection-types": [
            {
                "connection-type": "genesys",
                "hook-class-name": f"{_PACKAGE}.hooks.genesys.GenesysHook",
                "hook-name": _INTEGRATION,
                "conn-fields": FIELDS,
                "ui-field-behaviour": {
                    "hidden-fields": HIDDEN,
                    "relabeling": RELABELED,
                    "placeholders": PLACEHOLDERS,
                },
            }
        ],
    }


def _modules(*modules: str) -> dict[str, Any]:
    return {"integration-name": _INTEGRATION, "python-modules": [f"{_PACKAGE}.{module}" for module in modules]}
