# SPDX-License-Identifier: Apache-2.0
"""What is particular to DynamoDB: its table, permissions, sizes, and the time that its answers tell."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, cycle
from typing import Any

import pytest

from airflow_provider_genesys.export.errors import InvalidInput, Passing
from airflow_provider_genesys.export.model import ExportRequest, ExportWindow, Organisation
from airflow_provider_genesys.ledger.dynamodb import DynamodbTexts, dynamodb_ledger
from tests.ledger import racing
from tests.ledger.racing import Racers
from tests.servers.dynalite import DynaliteServer, dynamodb_client

REQUEST = ExportRequest(
    Organisation("api.mypurecloud.com", "client"),
    ExportWindow.parse({"start": "2024-05-01T00:00:00Z", "end": "2024-05-02T00:00:00Z"}),
    "mp3",
)
_numbers = count()


@pytest.fixture
def client(dynalite: DynaliteServer) -> Any:
    return dynamodb_client(dynalite.endpoint, os.getpid())


@pytest.fixture
def table() -> str:
    return f"dynamodb_{next(_numbers)}"


def test_the_table_is_created_when_it_is_first_used(client: Any, table: str) -> None:
    ledger = dynamodb_ledger(lambda: client, table)
    assert table not in client.list_tables()["TableNames"]
    assert ledger.entry("key") is None
    made = client.describe_table(TableName=table)["Table"]
    assert made["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert made["KeySchema"] == [
        {"AttributeName": "collection", "KeyType": "HASH"},
        {"AttributeName": "name", "KeyType": "RANGE"},
    ]


def test_eight_processes_may_create_the_table_at_the_same_moment(
    dynalite: DynaliteServer, table: str, racers: Racers
) -> None:
    entries = racers.race(racing.acquire, f"dynamodb:{dynalite.endpoint}#{table}", REQUEST)
    assert sum(entry.lease is not None for entry in entries) == 1


def test_threads_may_each_come_upon_another_client(dynalite: DynaliteServer, table: str) -> None:
    """Exceptions of one client are none of another's."""
    clients = cycle([dynamodb_client(dynalite.endpoint, -number) for number in (1, 2)])
    ann, bob = (dynamodb_ledger(lambda: next(clients), table) for _ in range(2))
    assert ann.acquire(REQUEST, "ann", 60.0).lease is not None
    assert bob.acquire(REQUEST, "bob", 60.0).held_by == "ann"
    texts = DynamodbTexts(lambda: next(clients), table)
    assert not texts.write("plan", "of a day", "text", "a version that is not there")


@contextmanager
def denying(client: Any, *denied: str) -> Iterator[None]:
    """Answer these calls as IAM would: dynalite knows no permissions."""
    from botocore.exceptions import ClientError

    def deny(model: Any, **_: Any) -> Any:
        if model.name not in denied:
            return None
        error = {"Error": {"Code": "AccessDeniedException", "Message": f"not authorized to perform: {model.name}"}}
        raise ClientError({**error, "ResponseMetadata": {"HTTPStatusCode": 400}}, model.name)  # type: ignore[arg-type]

    client.meta.events.register("before-call.dynamodb", deny, unique_id="deny")
    try:
        yield
    finally:
        client.meta.events.unregister("before-call.dynamodb", unique_id="deny")


@pytest.mark.parametrize(
    ("operation", "use"),
    [
        ("GetItem", lambda ledger: ledger.entry("key")),
        ("PutItem", lambda ledger: ledger.acquire(REQUEST, "ann", 0.0)),
        ("Query", lambda ledger: list(ledger.entries())),
    ],
)
def test_a_missing_permission_is_named(client: Any, table: str, operation: str, use: Callable[[Any], Any]) -> None:
    ledger = dynamodb_ledger(lambda: client, table)
    ledger.entry("key")
    with denying(client, operation), pytest.raises(InvalidInput, match=rf"{table}: allow dynamodb:{operation};"):
        use(ledger)


def test_who_may_not_create_the_table_is_told_how_to(client: Any, table: str) -> None:
    with denying(client, "CreateTable"), pytest.raises(InvalidInput, match=r"dynamodb:CreateTable.*'collection'"):
        dynamodb_ledger(lambda: client, table).entry("key")


def test_short_texts_can_be_read_in_the_console_and_long_ones_are_compressed(client: Any, table: str) -> None:
    texts = DynamodbTexts(lambda: client, table)
    for name, text in (("short", '{"a": "ä"}'), ("long", "0123456789" * 100_000)):
        assert texts.write("plan", name, text, "")
        assert texts.read("plan", name).text == text
    stored = [item["text"] for item in client.scan(TableName=table)["Items"]]
    assert {"S": '{"a": "ä"}'} in stored
    assert max(len(text.get("B", b"")) for text in stored) < 5000


def test_what_is_too_large_even_so_is_told(client: Any, table: str) -> None:
    with pytest.raises(InvalidInput, match="400 kB"):
        DynamodbTexts(lambda: client, table).write("plan", "random", os.urandom(600_000).hex(), "")


@pytest.mark.parametrize("error", [-3600.0, -2.5, 0.0, 2.5, 3600.0])
def test_a_clock_is_put_right_by_the_answers_to_the_second(client: Any, table: str, error: float) -> None:
    ledger = dynamodb_ledger(lambda: client, table, clock=lambda: time.time() + error)
    ledger.now()
    before = time.time()
    assert before - 1.1 <= ledger.now() <= time.time() + 1.1


def test_a_clock_that_agrees_with_the_answers_is_left_alone(client: Any, table: str) -> None:
    ledger = dynamodb_ledger(lambda: client, table)
    ledger.now()
    before = time.time()
    assert before <= ledger.now() <= time.time()


def test_a_server_that_is_away_is_a_passing_fault() -> None:
    nobody = dynamodb_client("http://127.0.0.1:1", os.getpid())
    with pytest.raises(Passing, match=r"'entry' \(EndpointConnectionError\)") as fault:
        dynamodb_ledger(lambda: nobody, "ledger").entry("key")
    assert "127.0.0.1" not in str(fault.value)
