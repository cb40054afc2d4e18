# SPDX-License-Identifier: Apache-2.0
"""The ledger in Redis: one server, or one with replicas; not a Redis Cluster.

A text is a hash ``genesys:{collection}:{name}`` of its version and its JSON; the names of a collection are a sorted
set ``genesys:names:{collection}``. What has to be atomic is a script, and the time is the server's.

Redis must be told to keep what it is given: ``appendonly yes``, so that a restart loses nothing, and no eviction of
keys without an expiry. The ledger warns where it finds it otherwise. A replica that takes over may lack the last
writes of the one that failed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import uuid4

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import SPAN
from airflow_provider_genesys.ledger.optimistic import Away, Found, OptimisticLedger

logger = logging.getLogger(__name__)

PREFIX = "genesys:"
PAGE = 500

SESSION: dict[str, Any] = {
    "socket_connect_timeout": 10,
    "socket_timeout": 10,
    "socket_keepalive": True,
    "health_check_interval": 30,
    # An operation is repeated as a whole.
    "retry": Retry(NoBackoff(), 0),
}
"""What a client of a ledger is made with."""

PASSING = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.MasterDownError,
    redis.exceptions.TryAgainError,
    redis.exceptions.OutOfMemoryError,
)

# Sent as they are each time: some hundred bytes, and no script is ever missing after SCRIPT FLUSH or a restart.
READ = """
local found = redis.call('HMGET', KEYS[1], 'version', 'text')
local time = redis.call('TIME')
return {found[1], found[2], time[1], time[2]}
"""

WRITE = """
if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'text', ARGV[3])
redis.call('ZADD', KEYS[2], 0, ARGV[4])
return 1
"""

# A page is one answer of a few values, since a client parses tens of thousands of them for seconds. A text is JSON: one
# line. The names of its keys are not declared, which only a cluster would want.
RANGE = """
local names = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
local lines = {}
for _, name in ipairs(names) do
  local found = redis.call('HMGET', ARGV[4] .. name, 'version', 'text')
  if found[2] then lines[#lines + 1] = found[1] .. ' ' .. found[2] end
end
local time = redis.call('TIME')
return {time[1], time[2], names[#names] or '', table.concat(lines, '\\n')}
"""

REMOVE = """
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
"""


def redis_ledger(client: redis.Redis, *, prefix: str = PREFIX, span: float = SPAN) -> OptimisticLedger:
    """A ledger on a Redis server. It may be shared by threads and carried over a fork.

    :param client: made with the options :data:`SESSION`.
    :param prefix: what all keys begin with.
    :param span: as :class:`OptimisticLedger`.
    """
    return OptimisticLedger(RedisTexts(client, prefix), span=span)


@cache
def shared_client(**options: Any) -> redis.Redis:
    """The client of this process for a server: hundreds of triggers have one pool between them.

    :param options: host, port, login and what else :class:`redis.Redis` takes beside :data:`SESSION`.
    """
    return redis.Redis(**{**SESSION, **options})


class RedisTexts:
    """A :class:`~airflow_provider_genesys.ledger.optimistic.Texts` of a Redis server."""

    def __init__(self, client: redis.Redis, prefix: str = PREFIX) -> None:
        self._client = client
        self._prefix = prefix
        self._is_checked = False

    def read(self, collection: str, name: str) -> Found:
        version, text, seconds, microseconds = self._run(READ, [self._key(collection, name)])
        return Found(_str(text), _str(version) or "", _time(seconds, microseconds))

    def write(self, collection: str, name: str, text: str, version: str) -> bool:
        keys = [self._key(collection, name), self._names(collection)]
        return bool(self._run(WRITE, keys, version, uuid4().hex, text, name))

    def remove(self, collection: str, name: str) -> None:
        self._run(REMOVE, [self._key(collection, name), self._names(collection)], name)

    def range(self, collection: str, since: str = "", until: str = "") -> Iterator[Found]:
        first, last = f"[{since}" if since else "-", f"({until}" if until else "+"
        while True:
            keys = [self._names(collection)]
            seconds, microseconds, name, lines = self._run(RANGE, keys, first, last, PAGE, self._key(collection, ""))
            if not name:
                return
            now = _time(seconds, microseconds)
            for line in filter(None, str(_str(lines)).split("\n")):
                version, _, text = line.partition(" ")
                yield Found(text, version, now)
            first = f"({_str(name)}"

    def _run(self, script: str, keys: list[str], *arguments: str | int) -> Any:
        with _told():
            self._check_once()
            return self._client.eval(script, len(keys), *keys, *arguments)

    def _key(self, collection: str, name: str) -> str:
        return f"{self._prefix}{collection}:{name}"

    def _names(self, collection: str) -> str:
        return f"{self._prefix}names:{collection}"

    def _check_once(self) -> None:
        if self._is_checked:
            return
        self._is_checked = True
        try:
            info: Any = self._client.info()
        except redis.exceptions.NoPermissionError:
            return
        if not info.get("aof_enabled"):
            logger.warning("The ledger's Redis forgets its last writes when it restarts: set 'appendonly yes' there")
        if info.get("maxmemory") and str(info.get("maxmemory_policy")).startswith("allkeys-"):
            logger.warning("The ledger's Redis may evict its keys: set 'maxmemory-policy noeviction' there")


@contextmanager
def _told() -> Iterator[None]:
    """Redis's errors in the ledger's words."""
    try:
        yield
    except redis.AuthenticationError:
        raise InvalidInput("the ledger's Redis refuses the login: see the connection's login and password") from None
    except PASSING as error:
        raise Away(type(error).__name__) from error
    except redis.exceptions.NoPermissionError:
        raise InvalidInput(
            "the ledger's Redis user lacks a permission: give it the keys ~genesys:* and the commands EVAL, HGET,"
            " HMGET, HSET, DEL, ZADD, ZREM, ZRANGEBYLEX, TIME and PING"
        ) from None


def _str(value: bytes | str | None) -> str | None:
    """What a client gives that decodes answers, or does not."""
    return value.decode() if isinstance(value, bytes) else value


def _time(seconds: Any, microseconds: Any) -> float:
    return int(seconds) + int(microseconds) / 1e6
