# SPDX-License-Identifier: Apache-2.0
"""Pins the newest versions that fit together, one file per Airflow line: names, versions and markers only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COMPILE = (
    "uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-annotate --no-header "
    "--no-emit-package airflow-provider-genesys --extra simulator --extra postgres --extra mysql --extra redis "
    "--extra gcs --extra azure --extra parquet --extra openlineage --group test --group sdk --group check "
    "--group bench --group docs --group stack --group browser"
)


def main() -> None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "uv"], check=True)
    for line in ("airflow3", "airflow2"):
        sources = ["pyproject.toml", f"constraints/{line}.in", "--output-file", f"constraints/{line}.txt"]
        subprocess.run([Path(sys.executable).parent / "uv", *COMPILE.split()[1:], *sources], check=True)


if __name__ == "__main__":
    main()
