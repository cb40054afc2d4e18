# SPDX-License-Identifier: Apache-2.0
"""The HTTP client of the Genesys Cloud API: one session, OAuth client credentials, bounded retries."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests
import tenacity
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from airflow_provider_genesys.api.errors import Call, ErrorBody, error_of
from airflow_provider_genesys.api.hosts import Hosts
from airflow_provider_genesys.export.errors import NoAccess, OutcomeUnknown, Passing

logger = logging.getLogger(__name__)

LONGEST_SLEEP = 180.0
"""Seconds that a retry may sleep inside a task; told to wait longer, it should defer (platform-api: daily limits)."""

_TOKEN = Call("POST", "/oauth/token", permission="a client with the grant Client Credentials", scope="none")


@dataclass(frozen=True)
class ClientSettings:
    """What a connection says of its organisation.

    :param proxy: URL of an HTTPS proxy, for API and login.
    :param verify: whether TLS certificates are verified, or the path of a CA bundle.
    :param timeout: seconds to wait for an answer's next byte.
    """

    hosts: Hosts
    client_id: str
    client_secret: str = field(repr=False)
    proxy: str | None = field(default=None, repr=False)
    verify: bool | str = True
    timeout: float = 60.0


@dataclass(frozen=True)
class _Token:
    value: str = field(repr=False)
    expires_at: float


class _Bearer(requests.auth.AuthBase):
    """The token as requests' own kind of authentication: a plain header would give way to a ``.netrc``."""

    def __init__(self, token: _Token) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token.value}"
        return request


_Kind = type[dict[Any, Any] | list[Any] | None]
"""What an answer's JSON is; none at all is of no interest."""

_sessions: dict[tuple[str, int], requests.Session] = {}
_tokens: dict[str, _Token] = {}
_login = threading.Lock()


class GenesysClient:
    """Speaks JSON to one organisation. Safe to use from several threads.

    :param settings: host, client and transport.
    :param tries: how often a request whose fault may pass is made in all; 1 leaves waiting to the caller.
    :param before_request: called before every request, for the organisation's rate budget.
    :param on_token: told of every new token, so that logs can mask it.
    :param sleep: waits between tries.
    :param session: whose connections are used; one's own without.
    """

    def __init__(
        self,
        settings: ClientSettings,
        *,
        tries: int = 5,
        before_request: Callable[[], None] = lambda: None,
        on_token: Callable[[str], None] = lambda token: None,
        sleep: Callable[[float], None] = time.sleep,
        session: requests.Session | None = None,
    ) -> None:
        self.settings = settings
        self._before_request = before_request
        self._on_token = on_token
        self._session = session or requests.Session()
        # Given with each request, since the environment's REQUESTS_CA_BUNDLE and HTTPS_PROXY win over a session's.
        self._transport: dict[str, Any] = {
            "timeout": (min(10.0, settings.timeout), settings.timeout),
            "verify": settings.verify,
            "proxies": {"https": settings.proxy, "http": settings.proxy} if settings.proxy else None,
        }
        self._retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(tries),
            wait=_wait,
            retry=tenacity.retry_if_exception(_is_worth_a_retry),
            before_sleep=_log_retry,
            sleep=sleep,
            reraise=True,
        )

    def call(
        self,
        call: Call,
        *,
        ids: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Make a call and return its JSON object.

        :param ids: values for the path's fields, which they are made safe for.
        :raises NoAccess: where the login is refused or TLS fails.
        :raises Refused: for a 4xx other than 429.
        :raises OutcomeUnknown: where a call that must not be repeated lost its answer.
        :raises Passing: for what didn't pass within the bounded retries; at once for a call that must not be repeated.
        """
        answer: dict[str, Any] = self._made(call, ids, params, body, dict)
        return answer

    def entries(
        self, call: Call, *, ids: Mapping[str, str] | None = None, params: Mapping[str, Any] | None = None
    ) -> list[Any] | None:
        """Make a call whose answer is a JSON list; errors are those of :meth:`call`.

        :return: None for a 202, with or without a body: the platform is still at work on it.
        """
        answer: list[Any] | None = self._made(call, ids, params, None, list)
        return answer

    def tell(self, call: Call, *, ids: Mapping[str, str], body: Mapping[str, Any] | None = None) -> None:
        """Make a call whose answer is of no interest, and may be empty; errors are those of :meth:`call`."""
        self._made(call, ids, None, body, type(None))

    def login(self) -> None:
        """Get a token, kept for its life and shared by all clients of this process.

        :raises NoAccess: where the login refuses the client.
        """
        self._retrying.copy()(self._token)

    def _made(self, call: Call, ids: Mapping[str, str] | None, params: Any, body: Any, kind: _Kind) -> Any:
        safe = {name: quote(value, safe="") for name, value in (ids or {}).items()}
        url = self.settings.hosts.api_url + call.path.format(**safe)
        if not call.repeatable:
            return self._once(call, url, params, body, kind)
        return self._retrying.copy()(self._once, call, url, params, body, kind)

    def _once(self, call: Call, url: str, params: Any, body: Any, kind: _Kind) -> Any:
        token = self._token()
        self._before_request()
        response = self._send(call, url, token, params, body)
        if response.status_code == 401:
            self._before_request()
            response = self._send(call, url, self._token(refused=token), params, body)
        if response.status_code >= 300:
            raise error_of(call, response)
        if kind is type(None) or (response.status_code == 202 and kind is list):
            return None
        try:
            answer = response.json()
        except requests.exceptions.JSONDecodeError:
            answer = None
        if not isinstance(answer, kind):
            raise _lost(call, f"the answer is no JSON {'object' if kind is dict else 'list'}")
        return answer

    def _send(self, call: Call, url: str, token: _Token, params: Any, body: Any) -> requests.Response:
        return self._exchange(
            call, url, auth=_Bearer(token), headers={"Accept": "application/json"}, params=params, json=body
        )

    def _exchange(self, call: Call, url: str, **options: Any) -> requests.Response:
        try:
            return self._session.request(call.method, url, allow_redirects=False, **self._transport, **options)
        except requests.exceptions.SSLError as error:
            raise NoAccess(f"{call}: TLS with {_host(url)} failed: {_cause(error)}; see the extra 'verify'") from None
        except requests.exceptions.RequestException as error:
            if _never_left(error):
                raise Passing(f"{call}: no connection to {_host(url)}: {_cause(error)}") from None
            raise _lost(call, f"the connection to {_host(url)} was lost: {_cause(error)}") from None

    def _token(self, refused: _Token | None = None) -> _Token:
        """The process's token for this client; a new one where it ran out or is the one that was ``refused``."""
        key = _token_key(self.settings)
        with _login:
            token = _tokens.get(key)
            if token is None or token is refused or token.expires_at <= time.time():
                token = _tokens[key] = self._request_token()
            return token

    def _request_token(self) -> _Token:
        settings = self.settings
        response = self._exchange(
            _TOKEN,
            f"{settings.hosts.login_url}{_TOKEN.path}",
            auth=(settings.client_id, settings.client_secret),
            data={"grant_type": "client_credentials"},
        )
        if response.status_code in (400, 401, 403):
            raise NoAccess(
                f"login at {_host(settings.hosts.login_url)} was refused: {ErrorBody.of(response)}. "
                "Check the connection's login (client id), password (client secret) and region"
            )
        if not response.ok:
            raise error_of(_TOKEN, response)
        try:
            answer = response.json()
            token, life = str(answer["access_token"]), float(answer.get("expires_in", 3600))
        except (requests.exceptions.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
            raise Passing(
                f"{_TOKEN}: the answer holds no token; is {_host(settings.hosts.login_url)} the login host?"
            ) from None
        self._on_token(token)
        return _Token(token, time.time() + life - min(120.0, life / 10))


def shared_session(settings: ClientSettings) -> requests.Session:
    """The session of this process for a client: thousands of waits have a few connections between them."""
    return _sessions.setdefault((_token_key(settings), os.getpid()), requests.Session())


def _token_key(settings: ClientSettings) -> str:
    parts = (settings.hosts.login_url, settings.client_id, settings.client_secret)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _is_worth_a_retry(error: BaseException) -> bool:
    return isinstance(error, Passing) and (error.retry_after or 0.0) <= LONGEST_SLEEP


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, Passing) else None
    backoff = tenacity.wait_random_exponential(multiplier=0.5, max=20)(state)
    return backoff if asked is None else asked + backoff / 10


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logger.warning("Try %d failed, next in %.1f s: %s", state.attempt_number, state.upcoming_sleep, error)


def _lost(call: Call, what: str) -> Passing:
    return (
        Passing(f"{call}: {what}") if call.repeatable else OutcomeUnknown(f"{call}: {what}; the job may exist or not")
    )


def _never_left(error: requests.exceptions.RequestException) -> bool:
    """Whether the request surely never reached the other side."""
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError | ConnectTimeoutError)


def _cause(error: requests.exceptions.RequestException) -> str:
    """The kind of a transport error. Its text may hold a URL with secrets, so only the type's name is told."""
    cause: Any = error.args[0] if error.args else error
    return type(getattr(cause, "reason", None) or cause).__name__


def _host(url: str) -> str:
    return url.split("://", 1)[-1].split("/", 1)[0]
