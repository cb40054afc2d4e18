# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import requests

from airflow_provider_genesys.api.errors import (
    ApiPassing,
    ApiRefused,
    Call,
    ErrorBody,
    error_of,
    retry_after,
    without_secrets,
)
from airflow_provider_genesys.export.errors import OutcomeUnknown, Passing, Refused

READ = Call("GET", "/api/v2/recordings", "Recording > Recording > View", "recording:view")
MAKE = Call("POST", "/api/v2/recordings/jobs", "Recording > Job > Create", "recording:job:create", repeatable=False)
SIGNED = "https://bucket.s3.amazonaws.com/a.mp3?X-Amz-Signature=verysecret&X-Amz-Expires=60"


def answered(status: int, body: Any = None, reason: str = "Reason", **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response.reason = status, reason
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return response


BODY = {"message": "The window is too long.", "code": "window.too.long", "status": 400, "contextId": "ctx-1"}


def test_the_platforms_words_code_and_context_are_told() -> None:
    error = error_of(READ, answered(400, BODY))
    assert str(error) == (
        "GET /api/v2/recordings: The window is too long. (status 400, code window.too.long, contextId ctx-1)"
    )
    assert isinstance(error, ApiRefused)
    assert error.body == ErrorBody("The window is too long.", "window.too.long", 400, "ctx-1")


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (
            {"error": "invalid_client", "description": "client not found"},
            {},
            "client not found (status 400, code invalid_client, contextId none)",
        ),
        (b"<html>Bad gateway</html>", {}, "Reason (status 400, code none, contextId none)"),
        (b"\xff\xfe", {"ININ_Correlation_Id": "corr-1"}, "Reason (status 400, code none, contextId corr-1)"),
        (["a", "list"], {}, "Reason (status 400, code none, contextId none)"),
        ({"message": None, "code": None}, {}, "Reason (status 400, code none, contextId none)"),
        ({"message": {"nested": True}}, {}, "{'nested': True} (status 400, code none, contextId none)"),
    ],
)
def test_other_bodies_are_read_for_what_they_say(body: Any, headers: dict[str, str], expected: str) -> None:
    assert str(ErrorBody.of(answered(400, body, **headers))) == expected


def test_an_endless_message_is_cut() -> None:
    assert len(ErrorBody.of(answered(400, {"message": "x" * 10_000})).message) == 500


@pytest.mark.parametrize(
    ("call", "status", "kind"),
    [
        (READ, 429, ApiPassing),
        (READ, 500, ApiPassing),
        (READ, 503, ApiPassing),
        (READ, 400, ApiRefused),
        (READ, 409, ApiRefused),
        (READ, 302, ApiRefused),
        (MAKE, 429, ApiPassing),
        (MAKE, 500, OutcomeUnknown),
        (MAKE, 504, OutcomeUnknown),
        (MAKE, 400, ApiRefused),
    ],
)
def test_a_status_stands_for_an_error(call: Call, status: int, kind: type[Exception]) -> None:
    assert type(error_of(call, answered(status, BODY))) is kind


@pytest.mark.parametrize(
    ("call", "status", "advice"),
    [
        (READ, 401, "check the OAuth client"),
        (READ, 403, "needs the permission Recording > Recording > View and the scope recording:view"),
        (MAKE, 403, "needs the permission Recording > Job > Create and the scope recording:job:create"),
        (READ, 404, "'export_api' names the wrong API"),
        (READ, 429, "over the organisation's rate limit"),
        (MAKE, 504, "the job may exist or not"),
    ],
)
def test_an_error_says_what_to_do(call: Call, status: int, advice: str) -> None:
    assert advice in str(error_of(call, answered(status, BODY)))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        (" 0 ", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("Wed, 01 May 2024 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after(answered(429, Retry_After=value)) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert retry_after(answered(503, Retry_After=date)) == pytest.approx(90, abs=2)
    assert retry_after(answered(503, Retry_After=date.replace("GMT", "-0000"))) == pytest.approx(90, abs=2)


def test_no_retry_after_is_none() -> None:
    assert retry_after(answered(503)) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Cannot write {SIGNED}", "Cannot write https://bucket.s3.amazonaws.com/a.mp3?…"),
        (f"'{SIGNED}', then \"{SIGNED}\".", "'https://bucket.s3.amazonaws.com/a.mp3?…', then "),
        (f"see <{SIGNED}>", "see <https://bucket.s3.amazonaws.com/a.mp3?…>"),
        ("https://example.com/plain stays", "https://example.com/plain stays"),
        ("really? yes", "really? yes"),
    ],
)
def test_the_query_of_every_url_is_cut_off(text: str, expected: str) -> None:
    assert without_secrets(text).startswith(expected)
    assert "verysecret" not in without_secrets(text)


def test_an_error_repeats_no_presigned_url() -> None:
    for call in (READ, MAKE):
        for status in (400, 429, 500):
            error = error_of(call, answered(status, {"message": f"Cannot write {SIGNED}", "code": "x"}))
            assert "verysecret" not in repr(error) + str(error) + repr(vars(error))


@pytest.mark.parametrize("status", [400, 403, 429, 503])
def test_errors_cross_processes(status: int) -> None:
    error = error_of(READ, answered(status, BODY, Retry_After="7"))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.body) == (type(error), str(error), error.body)  # type: ignore[union-attr]
    assert isinstance(again, Passing | Refused)
    if isinstance(again, Passing):
        assert again.retry_after == 7.0
