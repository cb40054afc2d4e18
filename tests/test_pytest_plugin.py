# SPDX-License-Identifier: Apache-2.0
"""The plugin as a user has it: a project of their own, with its own pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

THEIR_TEST = """
import json

import pendulum
import pytest

from airflow_provider_genesys.simulator import Fault, Universe
from airflow_provider_genesys.versions import IS_AIRFLOW_3

if IS_AIRFLOW_3:
    from airflow.dag_processing.dagbag import DagBag
else:
    import airflow.providers.fab.auth_manager.models  # a repeated run deletes the first one by its tables
    from airflow.models.dagbag import DagBag

QUICK = {"poll_interval": 0.1, "max_poll_interval": 0.5, "media_format": "mp3"}


@pytest.fixture
def genesys_universe():
    return Universe(volumes={"2024-05-01": 7}, job_seconds=0.1, audio_bytes=2_000)


def run(archive):
    dag = DagBag("dags").dags["genesys_recordings_export"]
    date = {"logical_date" if IS_AIRFLOW_3 else "execution_date": pendulum.datetime(2024, 5, 2)}
    return dag.test(**date, run_conf={"destination": archive.as_uri(), **QUICK}).state


def report(archive):
    (file,) = (archive / "reports").iterdir()
    return json.loads(file.read_text())


def test_a_day_is_archived(genesys_simulator, tmp_path):
    assert run(tmp_path / "archive") == "success"
    assert report(tmp_path / "archive")["archived"] == len(list((tmp_path / "archive" / "recordings").iterdir())) == 7
    assert len(genesys_simulator.jobs) == 1


def test_a_job_that_fails_is_submitted_again(genesys_simulator, tmp_path):
    genesys_simulator.faults = [Fault("failed_jobs", times=1)]
    assert run(tmp_path / "archive") == "success"
    assert report(tmp_path / "archive")["archived"] == 7
    assert len(genesys_simulator.jobs) == 2
"""


def theirs(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the project's tests as its developers do."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", *options]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300)


def test_a_team_tests_its_dag_without_an_organisation(
    migrated_airflow: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "export.py").write_bytes((ROOT / "dags" / "genesys_recordings_export.py").read_bytes())
    (tmp_path / "test_export.py").write_text(THEIR_TEST)
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path / "dags"))
    done = theirs(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_it_costs_nobody_anything_who_does_not_use_it(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n"
        "def test_nothing_is_imported(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.get_plugin('genesys')\n"
        "    assert {'aiohttp', 'airflow', 'airflow_provider_genesys.simulator'} & sys.modules.keys() == set()\n"
    )
    done = theirs(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import sys\nsys.modules['aiohttp'] = None\n")
    (tmp_path / "test_it.py").write_text("def test_it(genesys_simulator):\n    pass\n")
    done = theirs(tmp_path)
    assert done.returncode == 1
    assert "pip install 'airflow-provider-genesys[simulator]'" in done.stdout


def test_the_connections_end_with_the_test(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import json, os, pytest, socket\n"
        "from urllib.parse import urlsplit\n"
        "@pytest.fixture\n"
        "def genesys_connection_extra():\n"
        "    return {'export_api': 'batch'}\n"
        "def test_during(genesys_simulator):\n"
        "    connection = json.loads(os.environ['AIRFLOW_CONN_GENESYS_DEFAULT'])\n"
        "    assert connection['host'] == genesys_simulator.url\n"
        "    assert connection['extra']['export_api'] == 'batch'\n"
        "    socket.create_connection(('127.0.0.1', urlsplit(genesys_simulator.url).port)).close()\n"
        "def test_after():\n"
        "    assert 'AIRFLOW_CONN_GENESYS_DEFAULT' not in os.environ\n"
        "    assert 'AIRFLOW_CONN_GENESYS_LEDGER' not in os.environ\n"
    )
    done = theirs(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
