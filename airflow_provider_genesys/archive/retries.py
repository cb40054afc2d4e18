# SPDX-License-Identifier: Apache-2.0
"""How often, and after which pauses, a passing fault is tried again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from airflow_provider_genesys.export.errors import Passing

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retries:
    """Bounded tries with exponential, fully jittered waits.

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
        return Retrying(
            stop=stop_after_attempt(self.tries),
            wait=self._wait,
            retry=retry_if_exception(lambda error: isinstance(error, Passing) and not isinstance(error, unless)),
            sleep=sleep,
            before_sleep=lambda state: self._log(what, state),
            reraise=True,
        )(action)

    def _wait(self, state: RetryCallState) -> float:
        longest = min(self.longest_wait, self.first_wait * 2.0 ** (state.attempt_number - 1))
        asked = getattr(_fault(state), "retry_after", None) or 0.0
        return max(random.uniform(0, longest), min(asked, self.longest_wait))  # noqa: S311 - jitter, no secret

    def _log(self, what: str, state: RetryCallState) -> None:
        logger.warning(
            "%s: %s; try %d of %d follows in %.1f s",
            what,
            str(_fault(state)),
            state.attempt_number + 1,
            self.tries,
            state.upcoming_sleep,
        )


def _fault(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
