# SPDX-License-Identifier: Apache-2.0
"""What every server of the tests needs of this machine: an account without rights, and a port."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Any

NOBODY = 65534


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
