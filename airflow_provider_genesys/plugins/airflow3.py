# SPDX-License-Identifier: Apache-2.0
"""The coverage page in the API server of Airflow 3, behind its login."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import RedirectResponse

from airflow_provider_genesys.plugins import answers
from airflow_provider_genesys.plugins.page import DATA_HEADERS, page, page_headers


def coverage_app(dag_id: str) -> FastAPI:
    """The page and its data, for who may read the DAG: 401 without a login, 403 without the permission."""
    app = FastAPI(
        title="Genesys recordings coverage",
        openapi_url=None,
        dependencies=[Depends(requires_access_dag("GET", param_dag_id=dag_id))],
    )
    app.add_api_route("/", _page, response_class=Response)
    app.add_api_route("/coverage.json", _data(answers.coverage), response_class=Response)
    app.add_api_route("/day.json", _data(answers.day), response_class=Response)
    app.add_exception_handler(HTTPException, _login_first)
    return app


def _page() -> Response:
    return Response(page(), media_type="text/html", headers=page_headers())


def _data(ask: Callable[[answers.Query], answers.Answer]) -> Callable[[Request], Response]:
    def data(request: Request) -> Response:
        answer = ask(request.query_params)
        return Response(answer.body, answer.status, DATA_HEADERS, media_type="application/json")

    return data


async def _login_first(request: Request, error: Any) -> Response:
    """Lead a person to the login, and back here; tell a program that it needs one."""
    if error.status_code == 401 and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(get_auth_manager().get_url_login(next_url=str(request.url)))
    return await http_exception_handler(request, error)
