# SPDX-License-Identifier: Apache-2.0
"""``python -m airflow_provider_genesys.simulator``: a Genesys Cloud, on loopback unless told otherwise."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from airflow_provider_genesys.simulator.faults import SpecError, describe_kinds
from airflow_provider_genesys.simulator.server import HOST, bind, serve_until_signal, url_of
from airflow_provider_genesys.simulator.simulation import Simulation
from airflow_provider_genesys.simulator.universe import Universe, read_universe

PROGRAM = "python -m airflow_provider_genesys.simulator"


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    :return: exit code: 0 stopped by a signal, 1 cannot listen, 2 wrong arguments or universe.
    """
    options = _parser().parse_args(arguments)
    if options.list_faults:
        print(describe_kinds())
        return 0
    try:
        universe = read_universe(options.universe) if options.universe else Universe()
    except SpecError as error:
        return _complain(str(error), 2)
    try:
        listener = bind(options.port, options.host)
    except (OSError, OverflowError) as error:
        return _complain(f"cannot listen on {options.host}:{options.port}: {error}", 1)
    url = url_of(listener)

    def announce() -> None:
        if options.port_file:
            options.port_file.write_text(f"{listener.getsockname()[1]}\n", encoding="utf-8")
        print(f"simulator listening on {url}", flush=True)

    asyncio.run(serve_until_signal(Simulation(universe), listener, announce))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="A simulated Genesys Cloud on loopback.")
    parser.add_argument("--host", default=HOST, help=f"address to listen on ({HOST}); anybody there can control it")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 (the default) picks a free one")
    parser.add_argument("--port-file", type=Path, help="file to write the port to once requests are answered")
    parser.add_argument("--universe", metavar="SPEC", help="JSON file, or JSON itself beginning with {")
    parser.add_argument("--list-faults", action="store_true", help="list the kinds of fault and exit")
    return parser


def _complain(message: str, code: int) -> int:
    print(f"simulator: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
