# SPDX-License-Identifier: Apache-2.0
"""How often, and after which pauses, a passing fault is tried again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from airflow_provider_genesys.export.errors import Passing

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retries:
    """Bounded tries with exponential, fully jittered waits. A plain loop: it is run some times for every recording, and
    what tenacity does for each call would cost more than the call.

    :param tries: how often in all, the first included.
    :param first_wait: seconds, the longest wait after the first try; doubles with each.
    :param longest_wait: seconds; bounds a ``Retry-After`` too.
    """

    tries: int = 4
    first_wait: float = 1.0
    longest_wait: float = 30.0

    def call(
        self,
        what: str,
        action: Callable[[], T],
        sleep: Callable[[float], None] = time.sleep,
        *,
        unless: tuple[type[Passing], ...] = (),
    ) -> T:
        """Run ``action`` until it ends without :class:`Passing`.

        :param what: the action's object, for the log.
        :param unless: kinds that a further try of this action would not mend.
        :raises Passing: the last one, when the tries are used up.
        """
        for tried in range(1, self.tries):
            try:
                return action()
            except unless:
                raise
            except Passing as error:
                wait = self._wait(tried, error)
                logger.warning("%s: %s; try %d of %d follows in %.1f s", what, str(error), tried + 1, self.tries, wait)
                sleep(wait)
        return action()

    def _wait(self, tried: int, fault: Passing) -> float:
        longest = min(self.longest_wait, self.first_wait * 2.0 ** (tried - 1))
        asked = fault.retry_after or 0.0
        return max(random.uniform(0, longest), min(asked, self.longest_wait))  # noqa: S311 - jitter, no secret
