# SPDX-License-Identifier: Apache-2.0
"""``docker-compose.yaml``: what the specification says of it, and what is promised of every service."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from dev.stack import dotenv
from dev.stack.compose import Service, read
from tests.conftest import ROOT

FILE = ROOT / "docker-compose.yaml"
SECRET = re.compile(r"password|secret|_key\b|fernet", re.IGNORECASE)


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    return {service.name: service for service in read(FILE, dotenv.fresh())}


def test_it_is_valid_by_the_specification() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", FILE],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout


def test_every_image_is_pinned(written: dict[str, Any]) -> None:
    built = {service["image"] for service in written["services"].values() if "build" in service}
    for name, service in written["services"].items():
        assert service["image"] in built or re.search(r":v?\d+\.\d+", service["image"]), name
        base = re.findall(r"^FROM (\S+)", service.get("build", {}).get("dockerfile_inline", ""), re.MULTILINE)
        assert all(re.search(r":\d+\.\d+\.\d+", image) for image in base)
    line = (ROOT / "constraints" / "airflow3.in").read_text().strip().partition("==")[2]
    assert f"apache/airflow:{line}-" in FILE.read_text()


def test_nothing_but_the_ui_is_published_and_that_on_loopback(written: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in written["services"].items() if "ports" in service}

    assert published == {"airflow-api-server": ["127.0.0.1:8080:8080"]}
    assert not any("network_mode" in service for service in written["services"].values())


def test_no_secret_is_written_into_it(written: dict[str, Any]) -> None:
    for name, service in written["services"].items():
        for variable, value in service.get("environment", {}).items():
            if SECRET.search(variable) and not variable.endswith(("PASSWORDS_FILE", "KEY_ID")):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), f"{name}: {variable}"
    passwords = re.findall(r'"password": "([^"]*)"|://\w*:(\$\{[^}]*\}|[^@\s"$]*)@', FILE.read_text())
    assert passwords
    assert all(re.fullmatch(r"\$\{\w+:\?[^}]+\}", one or other) for one, other in passwords)


def test_it_says_what_to_do_where_a_secret_is_missing() -> None:
    with pytest.raises(ValueError, match=r"run python3 dev/stack/dotenv\.py first"):
        read(FILE, {})


def test_every_service_tells_its_health_but_the_one_that_ends(services: dict[str, Service]) -> None:
    assert [name for name, service in services.items() if not service.health] == ["airflow-init"]
    assert [name for name, service in services.items() if service.restart == "no"] == ["airflow-init"]


def test_there_are_all_parts_of_airflow_and_two_workers(services: dict[str, Service]) -> None:
    commands = {name: service.command for name, service in services.items()}

    for part in ("api-server", "scheduler", "dag-processor", "triggerer"):
        assert commands[f"airflow-{part}"].startswith(f"airflow {part}")
    assert [name for name in commands if commands[name].startswith("airflow celery worker")] == [
        "airflow-worker-1",
        "airflow-worker-2",
    ]
    assert services["airflow-scheduler"].environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"


def test_no_shell_stands_between_a_service_and_its_signals(services: dict[str, Service]) -> None:
    scripts = {name: re.findall(r"^\w*sh -c '(.*)'$", service.command) for name, service in services.items()}

    assert {name for name, script in scripts.items() if script} == {"redis", "simulator"}
    assert all(script.startswith("exec ") and "|" not in script for (script,) in filter(None, scripts.values()))
