# SPDX-License-Identifier: Apache-2.0
"""What thousands of coroutines of one event loop want to know at once is looked up once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


@dataclass(frozen=True)
class Shared(Generic[T]):
    """Answers by name, each shared by those who ask on the same loop.

    :param look_up: finds an answer.
    :param seconds: how long it is good for. An error is for those who wait for it, and whoever asks next looks anew.
    """

    look_up: Callable[..., Coroutine[Any, Any, T]]
    seconds: float
    _asked: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, ...], tuple[float, asyncio.Task[T]]]] = field(
        default_factory=WeakKeyDictionary
    )

    async def get(self, *name: str) -> T:
        """The answer by that name; ``look_up`` is called with it."""
        loop = asyncio.get_running_loop()
        asked = self._asked.setdefault(loop, {})
        until, task = asked.get(name, (0.0, None))
        if task is None or loop.time() >= until or _has_failed(task):
            task = loop.create_task(self.look_up(*name))
            asked[name] = (loop.time() + self.seconds, task)
        return await asyncio.shield(task)  # whoever is cancelled doesn't take the answer from the others


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
