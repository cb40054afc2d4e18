# SPDX-License-Identifier: Apache-2.0
"""Fits the services of ``docker-compose.yaml`` to one machine: addresses, paths, accounts, Debian's programs."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dev.stack.compose import Service, mapped
from dev.stack.dotenv import ROOT
from tests.servers.local import account_of_servers, free_ports, hand_over

SOURCES = "/opt/genesys"


def on_this_machine(services: Iterable[Service], home: Path) -> list[Service]:
    """The same services on free loopback ports, their volumes as directories below ``home``."""
    services = list(services)
    wanted = [(service.name, port) for service in services for port in service.ports]
    ports = dict(zip(wanted, free_ports(len(wanted)), strict=True))
    return [mapped(service, lambda text, of=service: _fitted(text, of, ports, home)) for service in services]  # type: ignore[misc]


def _fitted(text: str, service: Service, ports: Mapping[tuple[str, str], int], home: Path) -> str:
    for (name, port), free in ports.items():
        text = re.sub(rf"\b{name}:{port}\b", f"127.0.0.1:{free}", text)
    for port in service.ports:
        text = re.sub(rf"(?<![\d.]){port}(?!\d)", str(ports[service.name, port]), text)
    for volume, path in service.volumes.items():
        text = re.sub(rf"(?<![\w/.]){re.escape(path)}(?!\w)", str(home / volume), text)
    return text.replace("0.0.0.0", "127.0.0.1").replace(f"={service.name} ", "=127.0.0.1 ").replace(SOURCES, str(ROOT))  # noqa: S104


def environment(service: Service, home: Path) -> dict[str, str]:
    """What a service finds in its environment: its own, and of this machine's what is foreign to all of them."""
    foreign = ("AIRFLOW", "GENESYS", "AWS_", "PG", "POSTGRES", "REDIS", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {
        **kept,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), *_postgres(), kept["PATH"], "/usr/sbin", "/sbin"]),
        "PYTHONPATH": str(ROOT),
        "HOSTNAME": socket.getfqdn(),
        "AIRFLOW_HOME": str(home / "airflow"),
        "TMPDIR": str(home),
        **service.environment,
    }


def account(service: Service) -> dict[str, Any]:
    """Arguments for ``subprocess``: PostgreSQL refuses to run as root."""
    return account_of_servers() if service.name == "postgres" else {}


def command(service: Service, home: Path) -> list[str]:
    """The command, and what a PostgreSQL without its image's start script has to be told."""
    words = shlex.split(service.command)
    if service.name != "postgres":
        return words
    settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=")
    return [*words, "-D", str(_data(service, home)), *(word for setting in settings for word in ("-c", setting))]


def prepare(service: Service, home: Path) -> None:
    """Make the directories of a service, and PostgreSQL's first database, as its image's start script does.

    :raises RuntimeError: PostgreSQL could not be set up.
    """
    for volume in service.volumes:
        (home / volume).mkdir(exist_ok=True)
    if service.name != "postgres" or any(_data(service, home).iterdir()):
        return
    who, data = account(service), _data(service, home)
    data.chmod(0o700)
    password = home / "password"
    password.touch(mode=0o600)
    password.write_text(service.environment["POSTGRES_PASSWORD"])
    hand_over(data, password)
    names = {**environment(service, home), "LC_ALL": "C.UTF-8"}
    user, database = service.environment["POSTGRES_USER"], service.environment["POSTGRES_DB"]
    steps = [
        (["initdb", "-D", data, "-U", user, "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync"], ""),
        (["postgres", "--single", "-D", data, "postgres"], f"CREATE DATABASE {database};\n"),
    ]
    for words, said in steps:
        done = subprocess.run(
            words, input=said, env=names, cwd=home, capture_output=True, text=True, check=False, **who
        )
        if done.returncode:
            raise RuntimeError(f"{words[0]} failed: {done.stderr[-2000:]}")
    password.unlink()


def _data(service: Service, home: Path) -> Path:
    (volume,) = service.volumes
    return home / volume


def _postgres() -> list[str]:
    """Where Debian keeps PostgreSQL's programs, the newest release's."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    return [str(found[-1])] if found else []
