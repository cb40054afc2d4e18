# SPDX-License-Identifier: Apache-2.0
"""A DAG file parsed alone, in a process that has Airflow loaded and forbids sockets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SANDBOX = """
import socket, sys, time

import airflow.timetables.interval, airflow.triggers.base
from airflow.providers.common.compat.sdk import DAG, Asset, BaseHook, BaseSensorOperator, Param, conf, task_group
before = conf.as_dict(display_source=True)

def refuse(*_):
    raise AssertionError("a DAG file opens no connection when it is parsed")
socket.socket.connect = socket.socket.connect_ex = refuse

import importlib.util
spec = importlib.util.spec_from_file_location("parsed", sys.argv[1])
began = time.process_time()
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
seconds = time.process_time() - began

import json
after = conf.as_dict(display_source=True)
changed = [[section, key] for section in after for key in after[section]
           if before.get(section, {}).get(key) != after[section][key]]
print(json.dumps({"seconds": seconds, "changed": changed, "dag": module.plan.dag.dag_id}))
"""


def parsed_alone(file: Path) -> dict[str, Any]:
    """What came of it: CPU ``seconds``, the settings that it ``changed``, and its ``dag``.

    The quickest of three, since a busy machine costs CPU, too.
    """
    return min((_parsed(file) for _ in range(3)), key=lambda found: float(found["seconds"]))


def _parsed(file: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", SANDBOX, str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
