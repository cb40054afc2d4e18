# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager

from airflow_provider_genesys import __version__
from airflow_provider_genesys.cli.definition import get_genesys_commands
from airflow_provider_genesys.hooks.form import FIELDS, HIDDEN, PLACEHOLDERS, RELABELED
from airflow_provider_genesys.hooks.genesys import GenesysHook
from airflow_provider_genesys.notifications.recordings import ExportFailureNotifier
from airflow_provider_genesys.operators.recordings import (
    ReconcileExportOperator,
    RetrieveRecordingsOperator,
    SubmitExportOperator,
)
from airflow_provider_genesys.plugins.coverage import CoveragePlugin
from airflow_provider_genesys.provider_info import get_provider_info
from airflow_provider_genesys.sensors.recordings import ExportJobSensor
from airflow_provider_genesys.versions import IS_AIRFLOW_3

DISTRIBUTION = "airflow-provider-genesys"
PACKAGE = Path(import_module("airflow_provider_genesys").__path__[0])


@pytest.fixture(scope="module")
def manager() -> ProvidersManager:
    """What Airflow itself knows of the providers that are installed."""
    return ProvidersManager()


def test_it_is_what_airflow_reads_of_a_provider() -> None:
    jsonschema.validate(get_provider_info(), _schema("provider_info"))


@pytest.mark.skipif(not IS_AIRFLOW_3, reason="Airflow 2 knows no form fields in the provider info")
def test_its_connection_type_is_what_airflow_documents() -> None:
    connection_types = _schema("provider.yaml")["properties"]["connection-types"]
    assert "conn-fields" in connection_types["items"]["properties"]
    jsonschema.validate(get_provider_info()["connection-types"], connection_types)


def test_it_is_plain_json() -> None:
    assert json.loads(json.dumps(get_provider_info())) == get_provider_info()


def test_airflow_finds_it_by_its_entry_point() -> None:
    (entry_point,) = (each for each in entry_points(group="apache_airflow_provider") if each.dist.name == DISTRIBUTION)
    assert entry_point.load() is get_provider_info


def test_airflow_lists_the_provider(manager: ProvidersManager) -> None:
    provider = manager.providers[DISTRIBUTION]
    assert provider.version == __version__
    assert provider.data["name"] == "Genesys Cloud"


def test_airflow_offers_the_connection_type(manager: ProvidersManager) -> None:
    hook = manager.hooks["genesys"]
    assert hook is not None, "Airflow refused the hook: see its warning"
    assert hook.connection_id_attribute_name == "genesys_conn_id"
    assert (hook.hook_name, hook.package_name, hook.connection_testable) == ("Genesys Cloud", DISTRIBUTION, True)
    assert hook.hook_class_name == f"{GenesysHook.__module__}.{GenesysHook.__qualname__}"


def test_airflow_shows_the_form(manager: ProvidersManager) -> None:
    widgets = manager.connection_form_widgets
    ours = [widget for name, widget in widgets.items() if name.startswith("extra__genesys__")]
    assert [widget.field_name for widget in ours] == list(FIELDS)
    behaviour = manager.field_behaviours["genesys"]
    assert behaviour["hidden_fields"] == HIDDEN
    assert behaviour["relabeling"] == RELABELED
    shown = {name.removeprefix("extra__genesys__"): text for name, text in behaviour["placeholders"].items()}
    assert shown == PLACEHOLDERS


def test_airflow_lists_the_triggers(manager: ProvidersManager) -> None:
    assert "airflow_provider_genesys.triggers.recordings" in {each.trigger_class_name for each in manager.trigger}


@pytest.mark.skipif(not IS_AIRFLOW_3, reason="Airflow 2 takes no commands from providers")
def test_airflow_takes_the_commands(manager: ProvidersManager) -> None:
    assert get_genesys_commands in manager.cli_command_functions


def test_every_command_that_it_names_exists() -> None:
    (name,) = get_provider_info()["cli"]
    module, _, function = name.rpartition(".")
    assert getattr(import_module(module), function) is get_genesys_commands


def test_airflow_lists_the_plugin(manager: ProvidersManager) -> None:
    named = f"{CoveragePlugin.__module__}.{CoveragePlugin.__qualname__}"
    assert (CoveragePlugin.name, named) in {(each.name, each.plugin_class) for each in manager.plugins}


def test_every_module_that_it_names_exists() -> None:
    for module in _named_modules(get_provider_info()):
        assert import_module(module).__name__ == module


def test_every_class_that_it_names_exists() -> None:
    for connection_type in get_provider_info()["connection-types"]:
        module, _, name = connection_type["hook-class-name"].rpartition(".")
        assert getattr(import_module(module), name) is GenesysHook


def test_airflow_lets_through_every_link_of_an_operator(manager: ProvidersManager) -> None:
    """It shows no link from a serialized DAG whose class the provider info doesn't name."""
    tasks = (SubmitExportOperator, ExportJobSensor, RetrieveRecordingsOperator, ReconcileExportOperator)
    links = {f"{type(link).__module__}.{type(link).__name__}" for task in tasks for link in task.operator_extra_links}
    assert links == set(get_provider_info()["extra-links"])
    assert links <= set(manager.extra_links_class_names)


def test_airflow_lists_the_notifier(manager: ProvidersManager) -> None:
    name = f"{ExportFailureNotifier.__module__}.{ExportFailureNotifier.__qualname__}"
    assert get_provider_info()["notifications"] == [name]
    assert name in {str(getattr(each, "notification_class_name", each)) for each in manager.notification}


def test_airflows_command_shows_hook_links_triggers_plugin_and_form() -> None:
    shown = _said("providers", "get", DISTRIBUTION, "--full", "--output", "yaml")
    info = get_provider_info()
    assert f"hook-class-name: {info['connection-types'][0]['hook-class-name']}\n" in shown
    assert f"plugin-class: {info['plugins'][0]['plugin-class']}\n" in shown
    for named in (*info["extra-links"], *_named_modules(info), *info["cli"]):
        assert f"- {named}\n" in shown
    for field in FIELDS:
        assert re.search(rf"^ +{field}:$", shown, re.MULTILINE)


@pytest.mark.parametrize("room", ["hooks", "operators", "sensors", "triggers"])
def test_every_module_that_users_import_is_named(room: str) -> None:
    bases = {"__init__", "base", "form", "arguments", "sharing"}
    there = {f"airflow_provider_genesys.{room}.{file.stem}" for file in (PACKAGE / room).glob("*.py")}
    ours = {module for module in there if module.rpartition(".")[2] not in bases}
    assert set(_named_modules({room: get_provider_info()[room]})) == ours


def _named_modules(info: dict[str, Any]) -> Iterator[str]:
    for room in ("hooks", "operators", "sensors", "triggers"):
        for integration in info.get(room, ()):
            yield from integration["python-modules"]


def _said(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", "airflow", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _schema(name: str) -> dict[str, Any]:
    path = Path(str(airflow.__file__)).parent / f"{name}.schema.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found
