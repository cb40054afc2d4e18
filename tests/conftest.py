# SPDX-License-Identifier: Apache-2.0
"""Airflow's environment for the whole run, set before anything imports Airflow."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="genesys-tests-"))
atexit.register(shutil.rmtree, AIRFLOW_HOME, ignore_errors=True)

for name in [name for name in os.environ if name.startswith(("AIRFLOW", "GENESYS_EXPORT_"))]:
    del os.environ[name]
os.environ.update(
    AIRFLOW_HOME=str(AIRFLOW_HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
)
