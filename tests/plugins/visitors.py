# SPDX-License-Identifier: Apache-2.0
"""Airflow's real web server in this process, and who comes to it: the API server of 3.x, or the webserver of 2.11."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_genesys.versions import IS_AIRFLOW_3

ROLES = {"viewer": "Viewer", "stranger": None}
"""Who may read DAGs, and who may log in and do nothing."""


@dataclass(frozen=True)
class Page:
    """What a visitor got.

    :param headers: by name in small letters.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ApiServer:
    """Airflow 3's."""

    def __init__(self) -> None:
        from airflow.api_fastapi.app import create_app

        self._app = create_app()

    def get(self, path: str, visitor: str | None, accept: str = "*/*") -> Page:
        from airflow.api_fastapi.app import get_auth_manager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        from fastapi.testclient import TestClient

        client = TestClient(self._app, follow_redirects=False)
        if visitor:
            user = SimpleAuthManagerUser(username=visitor, role=ROLES[visitor])
            client.cookies.set("_token", get_auth_manager().generate_jwt(user))
        answer = client.get(path, headers={"Accept": accept})
        return Page(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content)


class Webserver:
    """Airflow 2.11's."""

    def __init__(self) -> None:
        from airflow.www.app import create_app

        self._clients: dict[str | None, Any] = {}
        self._app = create_app(config={"WTF_CSRF_ENABLED": False, "TESTING": True})
        with self._app.app_context():
            users = self._app.appbuilder.sm
            for visitor, role in ROLES.items():
                if not users.find_user(visitor):
                    found = users.find_role(role) if role else users.add_role("Stranger")
                    assert users.add_user(visitor, "A", "Person", f"{visitor}@localhost", found, visitor)

    def get(self, path: str, visitor: str | None, accept: str = "*/*") -> Page:
        answer = self._client(visitor).get(path, headers={"Accept": accept})
        return Page(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.data)

    def _client(self, visitor: str | None) -> Any:
        """The visitor's browser, logged in once: Airflow bounds the logins of a minute."""
        if visitor not in self._clients:
            client = self._clients[visitor] = self._app.test_client()
            if visitor:
                login = client.post("/login/", data={"username": visitor, "password": visitor})
                assert "/login" not in login.headers["Location"]
        return self._clients[visitor]


def web_server() -> ApiServer | Webserver:
    """The web server of the Airflow that is installed."""
    return ApiServer() if IS_AIRFLOW_3 else Webserver()
