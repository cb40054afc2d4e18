# SPDX-License-Identifier: Apache-2.0
"""The turns of an organisation's polls: thousands of waits in one process ask the ledger as seldom as a few do."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import cache

from airflow_provider_genesys.export.model import Reservation
from airflow_provider_genesys.export.ports import Ledger

_CROWD = 3
"""So many who are refused for each poll are more than it takes to use them all."""

_KEPT = 1000


@dataclass
class Turns:
    """Reserves polls for the waits of one process.

    No slot is ever given back. So what the ledger refused to one wait it would refuse to the next, until the slot that
    it named comes within reach: nobody asks before.
    """

    _free_at: float = 0.0
    _told_at: float = 0.0
    _refused: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def reserve(self, ledger: Ledger, organisation: str, per_minute: int, *, now: float, within: float) -> Reservation:
        """Reserve a poll as :meth:`~airflow_provider_genesys.export.ports.Ledger.reserve` does.

        :param now: the ledger's clock, epoch seconds; one that was set back makes what it said before worthless.
        """
        if now < self._told_at:
            self._free_at = 0.0
            self._refused.clear()
        if self._free_at - within <= now:
            reserved = ledger.reserve(organisation, "polls", per_minute, within=within)
            if reserved.granted:
                return reserved
            self._free_at, self._told_at = now + reserved.wait, now
        self._refused.append(now)
        return Reservation(granted=False, wait=self._free_at - now)

    def is_crowded(self, per_minute: int, now: float) -> bool:
        """Whether several come by for each poll, so that none goes unused though each of them comes seldom."""
        crowd = min(_CROWD * per_minute, _KEPT)
        return len(self._refused) >= crowd and self._refused[-crowd] > now - 60.0


@cache
def shared_turns(organisation: str, ledger: str) -> Turns:
    """Those of this process for an organisation and a ledger, by name."""
    return Turns()
