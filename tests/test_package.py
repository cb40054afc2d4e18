# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from airflow_provider_genesys import __version__
from tests.conftest import ROOT

NAME = "airflow_provider_genesys"
PACKAGE = ROOT / NAME
OURS = f"{NAME}."

FORBIDDEN = {
    "export": ("airflow", "requests", "urllib3", "sqlalchemy", *(f"{NAME}.{room}" for room in ("api", "archive"))),
    "api": ("airflow", "sqlalchemy"),
    "archive": ("airflow", "sqlalchemy"),
    "ledger": ("airflow", "requests"),
    "hooks": ("sqlalchemy",),
    "cli": ("sqlalchemy", "requests"),
    "plugins": ("sqlalchemy", "requests"),
    "simulator": ("airflow", "requests", "sqlalchemy"),
}
"""What a room must not import, besides the rooms of our own that are not in :data:`ALLOWED`."""

ALLOWED = {
    "export": {"export"},
    "api": {"api", "export"},
    "archive": {"archive", "export"},
    "ledger": {"ledger", "export"},
    "hooks": {"hooks", "api", "export"},
    "wiring": {"hooks", "archive", "ledger", "metrics", "export"},
    "metrics": {"export"},
    "lineage": {"export"},
    "triggers": {"triggers", "wiring", "export"},
    "links": set(),
    "operators": {"operators", "links", "lineage", "triggers", "wiring", "hooks", "export", "versions"},
    "sensors": {"sensors", "operators", "links", "triggers", "export"},
    "notifications": {"operators", "wiring", "export"},
    "guardrail": {"operators", "wiring", "hooks", "export"},
    "cli": {"cli", "wiring", "hooks", "export"},
    "plugins": {"plugins", "cli", "params", "wiring", "export", "versions"},
    "__main__": {"cli"},
    "example_dags": {"operators", "sensors", "guardrail", "hooks", "api", "versions"},
    "simulator": {"simulator"},
    "provider_info": {"hooks"},
    "pytest_plugin": {"simulator"},
    "params": {"archive"},
    "versions": set(),
}
"""The rooms of our own that a room may import: design, section 5, from the top floor down."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel as users get it."""
    dist = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (file,) = dist.iterdir()
    assert file.name == f"{NAME}-{__version__}-py3-none-any.whl"
    return ZipFile(file)


def test_the_wheel_holds_the_package_and_nothing_else(wheel: ZipFile) -> None:
    sources = {str(file.relative_to(ROOT)) for file in PACKAGE.rglob("*") if file.suffix in (".py", ".typed", ".html")}
    info = f"{NAME}-{__version__}.dist-info"
    about = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    assert set(wheel.namelist()) == sources | about
    assert {f"{NAME}/py.typed", f"{NAME}/plugins/coverage.html"} <= sources


def test_the_wheel_carries_the_licence(wheel: ZipFile) -> None:
    kept = wheel.read(f"{NAME}-{__version__}.dist-info/licenses/LICENSE")
    assert kept == (ROOT / "LICENSE").read_bytes()
    assert b"Apache License" in kept


def test_the_wheel_has_the_entry_point(wheel: ZipFile) -> None:
    text = wheel.read(f"{NAME}-{__version__}.dist-info/entry_points.txt").decode()
    assert text.split() == [
        "[airflow.plugins]",
        "genesys_coverage",
        "=",
        f"{NAME}.plugins.coverage:CoveragePlugin",
        "[apache_airflow_provider]",
        "provider_info",
        "=",
        f"{NAME}.provider_info:get_provider_info",
        "[pytest11]",
        "genesys",
        "=",
        f"{NAME}.pytest_plugin",
    ]


def test_the_wheel_asks_for_what_the_package_imports(wheel: ZipFile) -> None:
    metadata = wheel.read(f"{NAME}-{__version__}.dist-info/METADATA").decode()
    required = {
        re.split(r"[<>=!~ \[;]", line.removeprefix("Requires-Dist: "))[0]
        for line in metadata.splitlines()
        if line.startswith("Requires-Dist: ")
    }
    distributions = {
        "airflow": "apache-airflow",
        "boto3": "apache-airflow-providers-amazon",
        "botocore": "apache-airflow-providers-amazon",
        "google": "apache-airflow-providers-google",
        "google_crc32c": "apache-airflow-providers-google",
        "azure": "apache-airflow-providers-microsoft-azure",
        "openlineage": "apache-airflow-providers-openlineage",
        "attr": "apache-airflow-providers-openlineage",
        "flask_appbuilder": "apache-airflow",
        "flask": "apache-airflow",
        "werkzeug": "apache-airflow",
        "fastapi": "apache-airflow",
        "wtforms": "apache-airflow",
        "markupsafe": "apache-airflow",
        "urllib3": "requests",
        "pytest": "apache-airflow",  # who loads the plugin has it
    }
    imported = {
        name.partition(".")[0] for file in PACKAGE.rglob("*.py") for name in _imports(file) if not name.startswith(NAME)
    }
    foreign = {distributions.get(name, name) for name in imported - sys.stdlib_module_names}
    assert foreign <= required


@pytest.mark.parametrize("module", [NAME, f"{NAME}.provider_info", f"{NAME}.export.coordinator", f"{NAME}.simulator"])
def test_it_imports_no_airflow(module: str) -> None:
    script = f"import sys, {module}; print([name for name in sys.modules if name.partition('.')[0] == 'airflow'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_room_has_its_rule() -> None:
    rooms = {file.stem for file in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms - {"__init__"} == ALLOWED.keys()


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_imports_point_downwards(room: str) -> None:
    wrong = {
        (str(file.relative_to(PACKAGE)), name)
        for file in _files(room)
        for name in _imports(file)
        if name.startswith(OURS) and name.split(".")[1] not in ALLOWED[room]
    }
    assert wrong == set()


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_a_room_knows_nothing_of_the_others_tools(room: str) -> None:
    wrong = {
        (str(file.relative_to(PACKAGE)), name)
        for file in _files(room)
        for name in _imports(file)
        if any(name == each or name.startswith(f"{each}.") for each in FORBIDDEN[room])
    }
    assert wrong == set()


def test_only_the_api_and_its_simulator_name_a_path_of_the_platform() -> None:
    naming = {file.relative_to(PACKAGE).parts[0] for file in PACKAGE.rglob("*.py") if "api/v2" in file.read_text()}
    assert naming == {"api", "simulator"}


def test_every_source_file_begins_with_its_licence() -> None:
    files = [file for folder in (NAME, "dags", "dev", "tests") for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    first = "# SPDX-License-Identifier: Apache-2.0\n"
    assert [str(file) for file in files if not file.read_text().startswith(first)] == []


@pytest.mark.parametrize("line", ["airflow2", "airflow3"])
def test_constraints_are_names_versions_and_markers_only(line: str) -> None:
    pinned = (ROOT / f"constraints/{line}.txt").read_text().splitlines()
    pattern = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,-]+\])?==[0-9][0-9a-z.+!]*( ; [a-z_]+ [^/@:]+)?")
    assert [requirement for requirement in pinned if not pattern.fullmatch(requirement)] == []
    assert len(pinned) > 100
    (airflow,) = (ROOT / f"constraints/{line}.in").read_text().split()
    assert airflow in pinned
    assert airflow.startswith(f"apache-airflow=={line.removeprefix('airflow')}.")


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert project["dynamic"] == ["version"]


def _files(room: str) -> Iterator[Path]:
    yield from (PACKAGE / room).rglob("*.py") if (PACKAGE / room).is_dir() else [PACKAGE / f"{room}.py"]


def _imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, also within functions and for types only."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            yield node.module or ""
