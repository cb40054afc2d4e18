# SPDX-License-Identifier: Apache-2.0
"""Operations that are tried again when the ledger's server is away for a moment."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import tenacity

from airflow_provider_genesys.export.errors import Passing

TRIES = 7
"""With the waits between them some five seconds: a server that restarts is back by then, one that fails over is not."""

SECONDS = 30.0
"""No new try is begun after these: a try that waited for a lock has taken its time already."""

P = ParamSpec("P")
R = TypeVar("R")


def repeatable(
    passing: tuple[type[Exception], ...], reason: Callable[[BaseException], str]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Try an operation again on errors that are likely to pass, within bounds of tries and time.

    Only for operations that may run twice: when a connection breaks during a commit nobody can tell whether it
    happened.

    :param passing: the backend's errors for a lost connection, a lock, a deadlock.
    :param reason: what may be told of such an error: no host, no user, no password.
    :return: a decorator; what it decorates raises ``Passing`` where the fault stays.
    """

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(passing),
        stop=tenacity.stop_after_attempt(TRIES) | tenacity.stop_after_delay(SECONDS),
        wait=tenacity.wait_exponential(multiplier=0.1, max=2) + tenacity.wait_random(0, 0.2),
        reraise=True,
    )

    def decorate(operation: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(operation)
        def repeated(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return retrying(operation, *args, **kwargs)
            except passing as error:
                raise Passing(
                    f"the ledger did not get through with {operation.__name__!r} ({reason(error)}): it was tried again"
                    " without success; is its database up, and reachable from here?"
                ) from error

        return repeated

    return decorate
