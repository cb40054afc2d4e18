# SPDX-License-Identifier: Apache-2.0
"""From an answer of Genesys Cloud to an error that says what to do, in the platform's words and without its secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from airflow_provider_genesys.export.errors import OutcomeUnknown, Passing, Refused

_URL_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]+")


@dataclass(frozen=True)
class Call:
    """One endpoint, and what a caller must be allowed to do to use it.

    :param path: below the API's base URL, with ``{}`` fields for ids.
    :param permission: the role permission, as the admin pages name it.
    :param scope: the OAuth scope; empty where roles and divisions alone decide.
    :param repeatable: whether a lost answer may be asked for again; False for a ``POST`` that makes something.
    """

    method: str
    path: str
    permission: str
    scope: str = ""
    repeatable: bool = True

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class ErrorBody:
    """What every error of Genesys Cloud carries; ``context_id`` is what its support asks for."""

    message: str
    code: str
    status: int
    context_id: str

    @classmethod
    def of(cls, response: requests.Response) -> ErrorBody:
        """Read an answer's body; one that is no ErrorBody (a gateway's page) gives its HTTP status and reason."""
        try:
            body: Any = response.json()
        except requests.exceptions.JSONDecodeError:
            body = None
        body = body if isinstance(body, dict) else {}
        message = body.get("message") or body.get("description") or body.get("error") or response.reason or "no message"
        return cls(
            message=without_secrets(str(message))[:500],
            code=str(body.get("code") or body.get("error") or "none"),
            status=response.status_code,
            context_id=str(body.get("contextId") or response.headers.get("ININ-Correlation-Id") or "none"),
        )

    def __str__(self) -> str:
        return f"{self.message} (status {self.status}, code {self.code}, contextId {self.context_id})"


class ApiRefused(Refused):
    """Genesys Cloud's final no, with its words in ``body``."""

    def __init__(self, message: str, body: ErrorBody) -> None:
        super().__init__(message)
        self.body = body

    def __reduce__(self) -> tuple[type[ApiRefused], tuple[str, ErrorBody]]:
        return (type(self), (str(self), self.body))


class ApiPassing(Passing):
    """A fault of Genesys Cloud that is likely to pass, with its words in ``body``."""

    def __init__(self, message: str, body: ErrorBody, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.body = body

    def __reduce__(self) -> tuple[type[ApiPassing], tuple[str, ErrorBody, float | None]]:  # type: ignore[override]
        return (type(self), (str(self), self.body, self.retry_after))


def error_of(call: Call, response: requests.Response) -> Passing | Refused:
    """The error that an unsuccessful answer to ``call`` stands for."""
    body = ErrorBody.of(response)
    said = f"{call}: {body}"
    if response.status_code == 429:
        return ApiPassing(f"{said}: over the organisation's rate limit", body, retry_after(response))
    if response.status_code >= 500:
        if not call.repeatable:
            return OutcomeUnknown(f"{said}: the job may exist or not", retry_after(response))
        return ApiPassing(said, body, retry_after(response))
    return ApiRefused(said + _advice(call, response.status_code), body)


def retry_after(response: requests.Response) -> float | None:
    """How long to wait, in seconds: ``Retry-After``, as seconds or as a date (RFC 9110, 10.2.3), else the time until
    ``inin-ratelimit-reset``; None without either.
    """
    value = response.headers.get("Retry-After", "").strip() or response.headers.get("inin-ratelimit-reset", "").strip()
    if not value:
        return None
    if value.isdecimal():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def without_secrets(text: str) -> str:
    """Cut the query off every URL in a foreign text: a presigned URL's secret is there."""
    return _URL_QUERY.sub(r"\1?…", text)


def _advice(call: Call, status: int) -> str:
    if status == 401:
        return ". The token was refused twice: check the OAuth client of the connection"
    if status == 403:
        scope = f" and the scope {call.scope}" if call.scope else ", in the divisions that are exported"
        return f". The OAuth client needs the permission {call.permission}{scope}"
    if status == 404:
        return ". If your organisation has no such endpoint, the connection's extra 'export_api' names the wrong API"
    return ""
