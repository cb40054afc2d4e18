# SPDX-License-Identifier: Apache-2.0
"""What every server of the tests needs of this machine: an account without rights, and a port."""

from __future__ import annotations

import os
import random
import shutil
import socket
from pathlib import Path
from typing import Any

NOBODY = 65534
GRPC_OFFSET = 10_000
"""What SeaweedFS adds to each of its ports for another one, on which it speaks gRPC."""

_PORTS = range(10_000, 22_000)
"""Below the ephemeral ports, those of gRPC included, so that no outgoing connection takes one meanwhile."""


def account_of_servers() -> dict[str, Any]:
    """Arguments for ``subprocess``: database servers refuse to run as root, or had better."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def hand_over(*paths: Path) -> None:
    """Give files and directories to the account that the servers run under."""
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, NOBODY, NOBODY)


def program(name: str, package: str) -> str:
    """The path of a server's program.

    :param package: the Debian package that brings it.
    :raises RuntimeError: where there is none.
    """
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        raise RuntimeError(f"no {name} for the tests: run dev/servers.sh, or apt-get install {package}")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_ports(count: int) -> list[int]:
    """Ports that are free together with the one that gRPC takes for each.

    :raises RuntimeError: there are not so many.
    """
    free: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        if len(free) == count:
            break
        if _is_free(port) and _is_free(port + GRPC_OFFSET):
            free.append(port)
    if len(free) < count:
        raise RuntimeError(f"there are no {count} free ports")
    return free


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
