# SPDX-License-Identifier: Apache-2.0
"""The page in Airflow's real web server, behind its login."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from typing import Any

import pytest
from airflow import plugins_manager

from airflow_provider_genesys.export.entry import RequestState
from airflow_provider_genesys.plugins.coverage import CoveragePlugin
from airflow_provider_genesys.plugins.page import page, page_headers
from airflow_provider_genesys.versions import IS_AIRFLOW_3
from tests.plugins.conftest import Records, asked

PATH = "/genesys-coverage/"
DATA = [f"{PATH}coverage.json", f"{PATH}day.json?day=2024-05-01&selection=x"]


def test_a_viewer_gets_the_page(server: Any) -> None:
    answer = server.get(PATH, "viewer", accept="text/html")
    assert (answer.status, answer.body) == (200, page())
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers.items() >= {name.lower(): value for name, value in page_headers().items()}.items()


def test_a_viewer_gets_the_days_of_the_ledger(server: Any, records: Records) -> None:
    records.put(asked(3), RequestState.ARCHIVED)
    answer = server.get(f"{DATA[0]}?since=2024", "viewer")
    assert answer.status == 200
    assert [list(each["days"]) for each in answer.json["selections"]] == [["2024-05-03"]]
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")
    day = server.get(f"{PATH}day.json?day=2024-05-03&selection={asked(3).selection_key}", "viewer")
    assert [each["state"] for each in day.json["windows"]] == ["archived"]


@pytest.mark.parametrize("path", DATA)
def test_who_is_not_logged_in_gets_no_data(server: Any, records: Records, path: str) -> None:
    records.put(asked(3), RequestState.ARCHIVED)
    answer = server.get(path, None)
    assert answer.status == 401
    assert b"2024" not in answer.body


def test_who_is_not_logged_in_is_led_to_the_login(server: Any) -> None:
    answer = server.get(PATH, None, accept="text/html,*/*")
    assert answer.status in (302, 307)
    assert "/login" in answer.headers["location"]
    assert "genesys-coverage" in answer.headers["location"]


@pytest.mark.parametrize("path", [PATH, *DATA])
def test_who_may_not_read_the_dag_gets_nothing(server: Any, records: Records, path: str) -> None:
    records.put(asked(3), RequestState.ARCHIVED)
    answer = server.get(path, "stranger", accept="text/html")
    assert answer.status == 403
    assert len(answer.body) < 200


def test_what_is_wrong_is_told(server: Any, records: Records) -> None:
    answer = server.get(f"{PATH}day.json?day=never", "viewer")
    assert (answer.status, answer.json["error"][:6]) == (400, "day is")


def test_airflow_finds_it_by_its_entry_point() -> None:
    (found,) = (each for each in entry_points(group="airflow.plugins") if each.name == CoveragePlugin.name)
    assert found.load() is CoveragePlugin


def test_airflow_lists_it_in_the_menu() -> None:
    (info,) = (each for each in plugins_manager.get_plugin_info() if each["name"] == CoveragePlugin.name)
    views = info["external_views" if IS_AIRFLOW_3 else "appbuilder_menu_items"]
    assert [(view["name"], view["category"].lower()) for view in views] == [("Recordings coverage", "browse")]


@pytest.mark.skipif(not IS_AIRFLOW_3, reason="Airflow 2.11 makes links of its own")
def test_its_place_in_the_navigation_knows_airflows_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://host/airflow/")
    (view,) = CoveragePlugin().external_views
    assert view["href"] == "/airflow/genesys-coverage/"


def test_a_process_that_serves_nothing_imports_nothing_of_the_web_servers() -> None:
    script = (
        "import sys; from airflow_provider_genesys.plugins.coverage import CoveragePlugin; CoveragePlugin();"
        "print(sorted(name for name in sys.modules if name.startswith('airflow_provider_genesys.plugins.')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = [f"airflow_provider_genesys.plugins.{name}" for name in ("coverage", "deployment")]
    assert done.stdout.splitlines()[-1] == str(loaded)
