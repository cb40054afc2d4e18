# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from itertools import count

import pytest

from airflow_provider_genesys.triggers.sharing import Shared


def shared(seconds: float = 60.0, failures: int = 0) -> Shared[str]:
    """Answers a name with the number of the look-up, the first of which fail."""
    numbers = count(1)

    async def look_up(name: str) -> str:
        number = next(numbers)
        await asyncio.sleep(0.01)
        if number <= failures:
            raise LookupError(name)
        return f"{name} {number}"

    return Shared(look_up, seconds)


def test_who_asks_together_shares_an_answer() -> None:
    names = shared()

    async def scene() -> list[str]:
        return await asyncio.gather(*[names.get(name) for name in ("a", "b", "a", "b", "a")])

    assert asyncio.run(scene()) == ["a 1", "b 2", "a 1", "b 2", "a 1"]


def test_an_answer_is_looked_up_anew_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    names = shared(seconds=60.0)

    async def scene() -> list[str]:
        early = [await names.get("a"), await names.get("a")]
        loop = asyncio.get_running_loop()
        before = loop.time
        monkeypatch.setattr(loop, "time", lambda: before() + 60.0)
        return [*early, await names.get("a")]

    assert asyncio.run(scene()) == ["a 1", "a 1", "a 2"]


def test_an_error_is_for_those_who_wait_for_it() -> None:
    names = shared(failures=1)

    async def scene() -> str:
        outcomes = await asyncio.gather(names.get("a"), names.get("a"), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [LookupError] * 2
        return await names.get("a")

    assert asyncio.run(scene()) == "a 2"


def test_who_is_cancelled_leaves_the_answer_to_the_others() -> None:
    names = shared()

    async def scene() -> str:
        first, second = (asyncio.create_task(names.get("a")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(scene()) == "a 1"


def test_loops_share_nothing() -> None:
    names = shared()
    assert [asyncio.run(names.get("a")), asyncio.run(names.get("a"))] == ["a 1", "a 2"]
