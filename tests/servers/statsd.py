# SPDX-License-Identifier: Apache-2.0
"""A statsd that only listens: what Airflow sends of an export, as it arrives."""

from __future__ import annotations

import socket
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_BUFFER = 4 * 1024 * 1024


@dataclass
class Statsd:
    """Metrics by name, without Airflow's own prefix.

    :ivar sums: of counters.
    :ivar timings: in milliseconds.
    :ivar gauges: every value, in order.
    :ivar tags: all that a metric came with.
    """

    port: int
    sums: Counter[str] = field(default_factory=Counter)
    timings: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    gauges: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    tags: dict[str, set[tuple[tuple[str, str], ...]]] = field(default_factory=lambda: defaultdict(set))

    @property
    def environment(self) -> dict[str, str]:
        """Airflow's settings that send metrics here, with their tags."""
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self.port),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        }

    def take(self, line: str) -> None:
        """Take in one metric: ``airflow.name,tag=value:1|c``."""
        what, _, rest = line.rpartition(":")
        value, kind = rest.split("|")[:2]
        name, *tags = what.removeprefix("airflow.").split(",")
        self.tags[name].add(tuple(sorted((tag.partition("=")[0], tag.partition("=")[2]) for tag in tags)))
        if kind == "c":
            self.sums[name] += int(value)
        elif kind == "ms":
            self.timings[name].append(float(value))
        elif kind == "g":
            self.gauges[name].append(float(value))


@contextmanager
def statsd_server() -> Iterator[Statsd]:
    """Listen on a free port; at the end, everything that was sent has been taken in."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        listener.bind(("127.0.0.1", 0))
        server = Statsd(listener.getsockname()[1])

        def listen() -> None:
            while datagram := listener.recv(65_536):
                for line in datagram.decode().splitlines():
                    server.take(line)

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", ("127.0.0.1", server.port))
            thread.join(timeout=10)
