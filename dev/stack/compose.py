# SPDX-License-Identifier: Apache-2.0
"""Reads the part of the Compose specification that ``docker-compose.yaml`` uses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::\?(?P<complaint>[^}]*))?\}")
COMPLETED = "service_completed_successfully"
HEALTHY = "service_healthy"


@dataclass(frozen=True)
class Service:
    """One service, its variables filled in.

    :param command: as it is written: words, or a shell's line.
    :param health: a shell's line that succeeds when the service is ready; None: it has none.
    :param ports: what it listens on, its main port first.
    :param needs: what has to be there before it starts: service to condition.
    :param volumes: named volume to the path at which it is mounted.
    :param restart: when it is started again: ``no``, ``unless-stopped``, ``on-failure``.
    """

    name: str
    command: str
    environment: Mapping[str, str] = field(repr=False)
    health: str | None
    ports: tuple[str, ...]
    needs: Mapping[str, str]
    volumes: Mapping[str, str]
    restart: str


def read(path: Path, variables: Mapping[str, str]) -> list[Service]:
    """The services of a Compose file, each after those that it needs.

    :param variables: what the file says as ``${NAME:?complaint}``.
    :raises ValueError: a variable is not given.
    """
    written = yaml.safe_load(path.read_text())["services"]
    order = TopologicalSorter({name: list(service.get("depends_on", {})) for name, service in written.items()})
    return [_service(name, _filled(written[name], variables)) for name in order.static_order()]


def mapped(service: Service, change: Callable[[str], str]) -> Service:
    """The service with every text in it changed, its name and its volumes' apart."""
    return replace(
        service,
        command=change(service.command),
        environment={name: change(value) for name, value in service.environment.items()},
        health=change(service.health) if service.health else None,
    )


def _service(name: str, written: Mapping[str, Any]) -> Service:
    return Service(
        name=name,
        command=written["command"],
        environment=written.get("environment", {}),
        health=written["healthcheck"].get("test"),
        ports=tuple(written.get("expose", ())),
        needs={needed: how["condition"] for needed, how in written.get("depends_on", {}).items()},
        volumes=dict(volume.split(":", 1) for volume in written.get("volumes", ())),
        restart=written["restart"],
    )


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _value(found, variables), value)
    if isinstance(value, dict):
        return {key: _filled(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, variables) for each in value]
    return value


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name = found["name"]
    if name is None:
        return "$"
    if name not in variables:
        raise ValueError(f"docker-compose.yaml wants {name}: {found['complaint'] or 'it is not set'}")
    return variables[name]
