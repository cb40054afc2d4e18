# SPDX-License-Identifier: Apache-2.0
"""What is particular to Redis: restarts, scripts, settings that lose data, logins, clients of both kinds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis as redis_py

from airflow_provider_genesys.export.entry import Attempt, AttemptStatus
from airflow_provider_genesys.export.errors import InvalidInput, Passing
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.ledger.redis import SESSION, redis_ledger, shared_client
from tests.servers.redis import RedisServer, redis_server

REQUEST = ExportRequest(
    Organisation("api.mypurecloud.com", "client"),
    ExportWindow.parse({"start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"}),
    "mp3",
)
JOBS = (Attempt(0, 0, AttemptStatus.SUBMITTED, "job"),)


@pytest.fixture
def mortal() -> Iterator[RedisServer]:
    """A server of the test's own."""
    with redis_server() as server:
        yield server


def client_of(server: RedisServer, **options: Any) -> redis_py.Redis:
    return server.client(**{**SESSION, **options})


def test_what_was_answered_survives_a_kill_of_the_server(mortal: RedisServer) -> None:
    ledger = redis_ledger(client_of(mortal))
    entry = ledger.acquire(REQUEST, "ann", 1000.0)
    saved = ledger.save(entry.lease, replace(entry, attempts=JOBS), exclusive=True)
    ledger.reserve("organisation", "polls", 1)
    mortal.kill()
    mortal.start()
    assert ledger.find(str(REQUEST.organisation), "job") == replace(saved, lease=None)
    assert ledger.acquire(REQUEST, "ann", 1000.0).lease is None
    assert not ledger.reserve("organisation", "polls", 1).granted


def test_an_operation_waits_for_a_server_that_is_restarting(mortal: RedisServer) -> None:
    ledger = redis_ledger(client_of(mortal))
    ledger.acquire(REQUEST, "ann", 0.0)
    mortal.kill()
    back = threading.Timer(0.1, mortal.start)
    back.start()
    lease = ledger.acquire(REQUEST, "bob", 1000.0).lease
    back.join()
    assert lease.fence == 2


def test_forgotten_scripts_are_no_hindrance(redis: RedisServer) -> None:
    ledger = redis_ledger(client_of(redis), prefix="flushed:")
    ledger.acquire(REQUEST, "ann", 0.0)
    redis.client().script_flush()
    assert ledger.acquire(REQUEST, "bob", 1000.0).lease.fence == 2


@pytest.mark.parametrize("decode_responses", [False, True])
def test_a_client_may_decode_answers_or_not(redis: RedisServer, decode_responses: bool) -> None:
    client = client_of(redis, decode_responses=decode_responses)
    ledger = redis_ledger(client, prefix=f"decoded {decode_responses}:")
    entry = ledger.acquire(REQUEST, "änn", 1000.0)
    assert list(ledger.entries()) == [replace(entry, lease=None)]
    assert ledger.renew(entry.lease).fence == 1


def test_all_keys_begin_with_the_prefix(mortal: RedisServer) -> None:
    ledger = redis_ledger(client_of(mortal))
    entry = ledger.acquire(REQUEST, "ann", 1000.0)
    ledger.save(entry.lease, replace(entry, attempts=JOBS))
    ledger.record_volume("selection", REQUEST.window, 5)
    keys = mortal.client().keys()
    assert keys
    assert all(key.startswith(b"genesys:") for key in keys)


def test_compacting_leaves_no_job_behind(mortal: RedisServer) -> None:
    ledger = redis_ledger(client_of(mortal))
    entry = ledger.acquire(REQUEST, "ann", 0.0)
    ledger.save(entry.lease, replace(entry, attempts=JOBS))
    ledger.forget(REQUEST.key)
    assert mortal.client().keys("genesys:job:*") == []
    assert mortal.client().exists("genesys:names:job") == 0


def test_a_server_that_forgets_is_warned_of(mortal: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    admin = mortal.client()
    redis_ledger(client_of(mortal)).now()
    assert caplog.messages == []
    admin.config_set("appendonly", "no")
    admin.config_set("maxmemory", "100mb")
    admin.config_set("maxmemory-policy", "allkeys-lru")
    with caplog.at_level(logging.WARNING):
        ledger = redis_ledger(client_of(mortal))
        ledger.now()
        ledger.now()
    assert [message.rpartition("set ")[2] for message in caplog.messages] == [
        "'appendonly yes' there",
        "'maxmemory-policy noeviction' there",
    ]


def test_a_wrong_password_is_no_passing_fault(redis: RedisServer) -> None:
    with pytest.raises(InvalidInput, match="refuses the login") as refused:
        redis_ledger(client_of(redis, password="top-secret")).now()
    assert "top-secret" not in str(refused.value)


def test_a_user_without_rights_is_told_what_to_allow(redis: RedisServer) -> None:
    redis.client().acl_setuser("guest", enabled=True, passwords=["+guest"], keys=["genesys:*"], commands=["+hget"])
    with pytest.raises(InvalidInput, match="EVAL"):
        redis_ledger(client_of(redis, username="guest", password="guest")).now()


def test_a_user_with_the_rights_that_are_named_needs_no_more(redis: RedisServer) -> None:
    commands = ["+eval", "+hget", "+hmget", "+hset", "+del", "+zadd", "+zrem", "+zrangebylex", "+time", "+ping"]
    redis.client().acl_setuser("worker", enabled=True, passwords=["+worker"], keys=["genesys:*"], commands=commands)
    ledger = redis_ledger(client_of(redis, username="worker", password="worker"))
    entry = ledger.acquire(REQUEST, "ann", 0.0)
    ledger.save(entry.lease, replace(entry, attempts=JOBS))
    assert [entry.request for entry in ledger.entries()] == [REQUEST]
    assert ledger.forget(REQUEST.key)


def test_a_server_that_stays_away_is_a_passing_fault_without_secrets(mortal: RedisServer) -> None:
    ledger = redis_ledger(client_of(mortal))
    mortal.kill()
    with pytest.raises(Passing) as fault:
        ledger.acquire(REQUEST, "ann", 100.0)
    assert "'acquire'" in str(fault.value)
    assert not any(word in str(fault.value) for word in (mortal.password, "127.0.0.1", str(mortal.port)))


def test_a_process_has_one_client_for_a_server() -> None:
    assert shared_client(host="one", port=1) is shared_client(host="one", port=1)
    assert shared_client(host="one", port=1) is not shared_client(host="one", port=2)
