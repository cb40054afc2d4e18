# SPDX-License-Identifier: Apache-2.0
"""The coverage page in the webserver of Airflow 2.11, behind its login."""

from __future__ import annotations

from collections.abc import Callable

from airflow.auth.managers.models.resource_details import DagDetails  # type: ignore[import-not-found]
from airflow.www.extensions.init_auth_manager import get_auth_manager  # type: ignore[import-not-found]
from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from airflow_provider_genesys.plugins import answers
from airflow_provider_genesys.plugins.page import DATA_HEADERS, page, page_headers

PAGE = "page"


def coverage_blueprint(name: str, prefix: str, dag_id: str) -> Blueprint:
    """The page and its data, for who may read the DAG: 401 or the login without one, 403 without the permission."""
    blueprint = Blueprint(name, __name__, url_prefix=prefix)
    blueprint.before_request(_permission(f"{name}.{PAGE}", dag_id))
    blueprint.add_url_rule("/", PAGE, _page)
    blueprint.add_url_rule("/coverage.json", "coverage", _data(answers.coverage))
    blueprint.add_url_rule("/day.json", "day", _data(answers.day))
    return blueprint


def _permission(page_endpoint: str, dag_id: str) -> Callable[[], BaseResponse | None]:
    def check() -> BaseResponse | None:
        manager = get_auth_manager()
        if manager.is_authorized_dag(method="GET", details=DagDetails(id=dag_id)):
            return None
        if manager.is_logged_in():
            return Response("You may not read the DAG that this page is about.", 403, mimetype="text/plain")
        if request.endpoint == page_endpoint:
            return redirect(manager.get_url_login(next_url=request.url))
        return Response(status=401)

    return check


def _page() -> Response:
    return Response(page(), mimetype="text/html", headers=page_headers())


def _data(ask: Callable[[answers.Query], answers.Answer]) -> Callable[[], Response]:
    def data() -> Response:
        answer = ask(request.args)
        return Response(answer.body, answer.status, DATA_HEADERS, mimetype="application/json")

    return data
