# SPDX-License-Identifier: Apache-2.0
"""The plugin by which Airflow finds the coverage page: the entry point ``airflow.plugins``."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import AirflowPlugin, conf

from airflow_provider_genesys.plugins.deployment import dag_id
from airflow_provider_genesys.versions import IS_AIRFLOW_3

TITLE = "Recordings coverage"
ROUTE = "genesys-coverage"


class CoveragePlugin(AirflowPlugin):
    """A page in the menu *Browse*: which days of recordings are archived, and where the gaps are.

    Every process of Airflow loads its plugins: what a web server alone needs is imported when that asks for it.
    """

    name = "genesys_coverage"

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The page, on Airflow 3."""
        if not IS_AIRFLOW_3:
            return []
        from airflow_provider_genesys.plugins.airflow3 import coverage_app

        return [{"name": TITLE, "app": coverage_app(dag_id()), "url_prefix": f"/{ROUTE}"}]

    @cached_property
    def external_views(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Its place in the navigation, on Airflow 3."""
        if not IS_AIRFLOW_3:
            return []
        prefix = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
        view = {"name": TITLE, "href": f"{prefix}/{ROUTE}/", "url_route": ROUTE}
        return [{**view, "destination": "nav", "category": "browse"}]

    @cached_property
    def flask_blueprints(self) -> list[Any]:  # type: ignore[override]
        """The page, on Airflow 2.11."""
        if IS_AIRFLOW_3:
            return []
        from airflow_provider_genesys.plugins.airflow2 import coverage_blueprint

        return [coverage_blueprint(self.name, f"/{ROUTE}", dag_id())]

    @cached_property
    def appbuilder_menu_items(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Its place in the menu, on Airflow 2.11."""
        if IS_AIRFLOW_3:
            return []
        return [{"name": TITLE, "category": "Browse", "href": f"{self.name}.page"}]
