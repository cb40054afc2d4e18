# SPDX-License-Identifier: Apache-2.0
"""What is different where the system of ``docker-compose.yaml`` runs on Airflow 2.11, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dev.stack.compose import Service

WEBSERVER = "airflow webserver --hostname 0.0.0.0 --port 8080 --workers 1"
WEBSERVER_HEALTH = "curl --fail --silent --output /dev/null http://localhost:8080/health"
RENAMED = {
    "AIRFLOW__API__SECRET_KEY": "AIRFLOW__WEBSERVER__SECRET_KEY",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD",
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "AIRFLOW__CORE__DAG_FILE_PROCESSOR_TIMEOUT",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL",
}
UNKNOWN = (
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
    "AIRFLOW__API_AUTH__JWT_SECRET",
)
OWN = {
    "AIRFLOW__SCHEDULER__STANDALONE_DAG_PROCESSOR": "true",
    "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "30",
    "AIRFLOW__WEBSERVER__EXPOSE_CONFIG": "false",
}


def on_airflow_2(service: Service) -> Service:
    """The same service as Airflow 2.11 has it: its login is kept in the database, its API in the web server."""
    if not service.name.startswith("airflow-"):
        return service
    changed = replace(service, environment=_environment(service.environment))
    if service.name == "airflow-api-server":
        return replace(changed, command=WEBSERVER, health=WEBSERVER_HEALTH)
    return changed


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    return {RENAMED.get(name, name): value for name, value in given.items() if name not in UNKNOWN} | OWN
