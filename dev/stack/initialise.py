# SPDX-License-Identifier: Apache-2.0
"""The service ``airflow-init``: databases, bucket, pool and login, made where they are not there yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2 import sql

from dev.stack.archive import client, place

AIRFLOW = [sys.executable, "-m", "airflow"]
POOL = ("genesys_export", "60", "open export jobs")


def main() -> None:
    create_database(os.environ["AIRFLOW_CONN_GENESYS_LEDGER"])
    create_bucket()
    airflow("db", "migrate")
    airflow("pools", "set", "--include-deferred", *POOL)
    if passwords := os.environ.get("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"):
        write_passwords(Path(passwords))
    else:
        create_admin()


def create_database(url: str) -> None:
    """Make the ledger's own database: on Airflow 3 no task may open Airflow's."""
    server, _, name = url.rpartition("/")
    with closing(psycopg2.connect(f"{server}/postgres")) as connection, closing(connection.cursor()) as cursor:
        connection.autocommit = True
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if not cursor.fetchone():
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def create_bucket() -> None:
    bucket, _ = place()
    store = client()
    if bucket not in [each["Name"] for each in store.list_buckets()["Buckets"]]:
        store.create_bucket(Bucket=bucket)


def write_passwords(path: Path) -> None:
    """Give Airflow's simple auth manager the password, which else it makes and writes into the log."""
    path.touch(mode=0o600)
    path.write_text(json.dumps({"admin": os.environ["ADMIN_PASSWORD"]}))


def create_admin() -> None:
    """Make the login of Airflow 2, by its own code: a command's arguments can be read by everybody on the machine."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        users = builder.sm
        if not users.find_user("admin"):
            role = users.find_role("Admin")
            users.add_user("admin", "The", "Admin", "admin@localhost", role, os.environ["ADMIN_PASSWORD"])


def airflow(*arguments: str) -> None:
    subprocess.run([*AIRFLOW, *arguments], check=True)


if __name__ == "__main__":
    main()
