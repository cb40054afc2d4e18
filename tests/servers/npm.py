# SPDX-License-Identifier: Apache-2.0
"""Servers that come from npm: installed once, in a pinned version, into this account's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.servers.local import free_port, program

PINNED = {"dynalite": "4.0.0", "azurite": "3.37.0"}


def installed(package: str) -> Path:
    """The directory that npm has put a package into.

    :raises RuntimeError: where there is no npm, or no registry.
    """
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache_home / "airflow-provider-genesys" / f"{package}-{PINNED[package]}"
    if not (home / "complete").exists():
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError(f"no npm for the tests, which run {package}: install Node.js")
        command = [npm, "install", "--prefix", str(home), "--no-audit", "--no-fund", "--ignore-scripts"]
        home.mkdir(parents=True, exist_ok=True)
        made = subprocess.run([*command, f"{package}@{PINNED[package]}"], capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(f"npm could not install {package} {PINNED[package]}: {made.stderr[-2000:]}")
        (home / "complete").touch()
    return home / "node_modules" / package


def started(
    package: str, script: str, port_option: str, options: list[str], environment: dict[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], int]:
    """Start a package's server on a free loopback port.

    :param script: the program, below the package.
    :param port_option: the option that takes the port.
    :return: the process and its port.
    :raises RuntimeError: where it doesn't start.
    """
    command = [program("node", "nodejs"), str(installed(package) / script), *options]
    for _ in range(3):
        port = free_port()
        log = tempfile.TemporaryFile()  # noqa: SIM115 the process keeps it
        process = subprocess.Popen(
            [*command, port_option, str(port)],
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **(environment or {})},
        )
        # It says so once it listens, and ends where the port is taken: then it is another's.
        if process.stdout is not None and any(b"listen" in line for line in process.stdout):
            return process, port
        process.kill()
        process.wait()
    log.seek(0)
    raise RuntimeError(f"{package} did not start: {log.read().decode(errors='replace')[-2000:]}")


def main() -> None:
    """Install all of them: ``python -m tests.servers.npm``."""
    for package in PINNED:
        installed(package)


if __name__ == "__main__":
    main()
