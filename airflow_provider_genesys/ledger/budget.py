# SPDX-License-Identifier: Apache-2.0
"""An exact sliding window, as arithmetic: no 60 seconds hold more calls than a rate budget allows."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import SPAN, Reservation


@dataclass(frozen=True)
class Budget:
    """The calls that an organisation reserved of one budget.

    :param slots: when each reserved call may be made, ascending epoch seconds; only those that still count.
    :param read_at: the clock's time at the latest reservation.
    """

    slots: tuple[float, ...] = ()
    read_at: float = 0.0

    def reserve(
        self, now: float, per_minute: int, *, within: float = 0.0, span: float = SPAN
    ) -> tuple[Budget, Reservation]:
        """Reserve the earliest slot that keeps the budget, unless it is more than ``within`` seconds away.

        The slot is ``span`` after the ``per_minute``-th newest one. Whatever window of ``span`` seconds holds it, holds
        only slots newer than that one beside it: at most ``per_minute - 1``, also after ``per_minute`` was changed.

        :param now: the ledger's clock, epoch seconds.
        :return: the budget to keep, whether a slot was granted or not, and the answer.
        :raises InvalidInput: where ``per_minute`` is less than 1.
        """
        if per_minute < 1:
            raise InvalidInput(f"a budget of {per_minute} calls per minute lets no call through: give 1 or more")
        budget = self._at(now, span)
        full = len(budget.slots) >= per_minute
        slot = max(now, budget.slots[-per_minute] + span) if full else now
        if slot - now > within:
            return budget, Reservation(granted=False, wait=slot - now, left=max(0, per_minute - len(budget.slots)))
        left = max(0, per_minute - len(budget.slots) - 1)
        return Budget(tuple(sorted((*budget.slots, slot))), now), Reservation(True, slot - now, left)

    def spent(self, now: float, *, span: float = SPAN) -> int:
        """How many calls count at ``now``: those of the last ``span`` seconds, and those to come."""
        return len(self._at(now, span).slots)

    def _at(self, now: float, span: float) -> Budget:
        """The budget as it stands at ``now``.

        A clock that was set back takes the slots back with it, as if no time had passed since the last reading: kept
        where they were they would block for as long as the step was, dropped they would be granted twice.
        """
        step_back = max(0.0, self.read_at - now)
        return Budget(tuple(slot - step_back for slot in self.slots if slot - step_back > now - span), now)
