# SPDX-License-Identifier: Apache-2.0
"""The ledger in one DynamoDB table.

An item is a text with its version, under the partition key ``collection`` and the sort key ``name``. Writes are
conditional on the version, reads strongly consistent. An item may have 400 kB: a text of some length is compressed,
which makes a plan of 3,000 windows 15 kB and one of 50,000 fit.

DynamoDB has no clock that can be asked, but says the time of day, to the second, with every answer. Where a worker's
clock is surely off by that, it is put right for the decision that the answer is about. So leases and budgets bear any
clock; two workers may differ by a second, and by the time that an answer was under way. Should a lease be taken over
by as much too early, its holder is fenced off as ever: every write compares the version.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from airflow_provider_genesys.export.errors import InvalidInput
from airflow_provider_genesys.export.model import SPAN
from airflow_provider_genesys.ledger.optimistic import Away, Found, OptimisticLedger

logger = logging.getLogger(__name__)

COMPRESSED_FROM = 4096
"""Bytes: what is shorter can be read in the console."""

PASSING = {
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
}

NO_ACCESS = {"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"}

KEY = {"collection": "HASH", "name": "RANGE"}
NAMES = {"#collection": "collection", "#name": "name"}


def dynamodb_ledger(
    connect: Callable[[], Any], table: str, *, clock: Callable[[], float] = time.time, span: float = SPAN
) -> OptimisticLedger:
    """A ledger on a DynamoDB table, which is created at the first operation if it is missing and that is allowed.

    It may be shared by threads, and carried over a fork where ``connect`` then makes another client.

    :param connect: gives the process's boto3 client of ``dynamodb``; called at every operation, and not before.
    :param clock: epoch seconds, this machine's.
    :param span: as :class:`OptimisticLedger`.
    """
    return OptimisticLedger(DynamodbTexts(connect, table, clock), span=span)


class DynamodbTexts:
    """A :class:`~airflow_provider_genesys.ledger.optimistic.Texts` of a DynamoDB table."""

    def __init__(self, connect: Callable[[], Any], table: str, clock: Callable[[], float] = time.time) -> None:
        self._connect = connect
        self._table = table
        self._clock = clock

    def read(self, collection: str, name: str) -> Found:
        sent = self._clock()
        answer = self._call("get_item", Key=_key(collection, name), ConsistentRead=True)
        return _found(answer.get("Item"), self._now(sent, answer))

    def write(self, collection: str, name: str, text: str, version: str) -> bool:
        item = {**_key(collection, name), "version": {"S": uuid4().hex}, "text": _packed(text)}
        condition = {
            "ConditionExpression": "#version = :version",
            "ExpressionAttributeValues": {":version": {"S": version}},
        }
        if not version:
            condition = {"ConditionExpression": "attribute_not_exists(#version)"}
        try:
            self._call("put_item", Item=item, ExpressionAttributeNames={"#version": "version"}, **condition)
        except _OtherVersion:
            return False
        return True

    def remove(self, collection: str, name: str) -> None:
        self._call("delete_item", Key=_key(collection, name))

    def range(self, collection: str, since: str = "", until: str = "") -> Iterator[Found]:
        conditions = {"#collection = :collection": {":collection": collection}}
        if since:
            conditions["#name >= :since"] = {":since": since}
        names = {name: NAMES[name] for name in NAMES if any(name in condition for condition in conditions)}
        values = {name: {"S": value} for bound in conditions.values() for name, value in bound.items()}
        query: dict[str, Any] = {
            "KeyConditionExpression": " AND ".join(conditions),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
        }
        while True:
            sent = self._clock()
            answer = self._call("query", **query)
            now = self._now(sent, answer)
            for item in answer["Items"]:
                if until and item["name"]["S"] >= until:
                    return
                yield _found(item, now)
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _now(self, sent: float, answer: Any) -> float:
        """This machine's time, moved by as little as makes it agree with an answer that was made since ``sent``."""
        received = self._clock()
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if date is None:
            return received
        second = parsedate_to_datetime(date).timestamp()
        return received + max(0.0, second - received) + min(0.0, second + 1 - sent)

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return self._told(operation, **arguments)
        except _NoTable:
            self._create()
            return self._told(operation, **arguments)

    def _create(self) -> None:
        logger.info("Creating the ledger's DynamoDB table %s", self._table)
        with suppress(_TableExists):  # another process was first
            self._told(
                "create_table",
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in KEY],
                KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in KEY.items()],
                BillingMode="PAY_PER_REQUEST",
            )
        deadline = time.monotonic() + 60
        while self._told("describe_table")["Table"]["TableStatus"] != "ACTIVE":
            if time.monotonic() > deadline:
                raise Away(f"the table {self._table} is still being created")
            time.sleep(0.5)

    def _told(self, operation: str, **arguments: Any) -> Any:
        """Call DynamoDB, and tell its errors in the ledger's words."""
        try:
            return getattr(self._connect(), operation)(TableName=self._table, **arguments)
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            if code in _ANSWERS:
                raise _ANSWERS[code](code) from error
            if code in PASSING or status >= 500:
                raise Away(code) from error
            if code in NO_ACCESS:
                raise InvalidInput(_missing_permission(error.operation_name, self._table)) from error
            if code == "ValidationException" and "size" in str(error):
                raise InvalidInput("what the ledger has to write is larger than DynamoDB's 400 kB an item") from error
            raise
        except (HTTPClientError, BotoConnectionError) as error:
            raise Away(type(error).__name__) from error
        except BotoCoreError as error:
            raise InvalidInput(
                f"the ledger's AWS connection can't be used: {type(error).__name__}; see its credentials and region"
            ) from error


class _OtherVersion(Exception):
    """There is another version of an item than a write is for. Never leaves this file."""


class _NoTable(Away):
    """The table does not exist, or not everywhere yet: a new one may be missed for a moment."""


class _TableExists(Exception):
    """The table is there already. Never leaves this file."""


_ANSWERS: dict[str, type[Exception]] = {
    "ConditionalCheckFailedException": _OtherVersion,
    "ResourceNotFoundException": _NoTable,
    "ResourceInUseException": _TableExists,
}
"""Known by their codes: each client has exception classes of its own, and threads may have another one in a moment."""


def _missing_permission(operation: str, table: str) -> str:
    needs = "dynamodb:GetItem, PutItem, DeleteItem and Query"
    if operation in ("CreateTable", "DescribeTable"):
        return (
            f"the ledger's table {table} does not exist, or not in this region, and may not be created: allow"
            f" dynamodb:CreateTable and DescribeTable beside {needs}, or create it with the partition key 'collection'"
            " and the sort key 'name', both strings"
        )
    return f"the ledger may not use its table {table}: allow dynamodb:{operation}; it needs {needs}"


def _key(collection: str, name: str) -> dict[str, Any]:
    return {"collection": {"S": collection}, "name": {"S": name}}


def _found(item: Any, now: float) -> Found:
    if item is None:
        return Found(None, "", now)
    return Found(_unpacked(item["text"]), item["version"]["S"], now)


def _packed(text: str) -> dict[str, Any]:
    return {"S": text} if len(text) < COMPRESSED_FROM else {"B": zlib.compress(text.encode())}


def _unpacked(attribute: Any) -> str:
    return attribute["S"] if "S" in attribute else zlib.decompress(attribute["B"]).decode()
