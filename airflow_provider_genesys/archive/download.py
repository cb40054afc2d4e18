# SPDX-License-Identifier: Apache-2.0
"""The source side: one GET of a presigned URL, and a body that is checked while it passes.

Built on urllib3 itself: there is no ``.netrc``, no proxy of the environment and no header that a session adds, and
therefore never an ``Authorization`` header on a presigned URL. No text of an error or a log holds more of a URL than
its host, since the query is its secret.
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from urllib.parse import unquote, urljoin

import certifi
from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout, make_headers
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NameResolutionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import parse_url

from airflow_provider_genesys.archive.checksums import declared_md5, declared_sha256
from airflow_provider_genesys.archive.guard import check_resolved, guarded
from airflow_provider_genesys.archive.redaction import redact_urllib3
from airflow_provider_genesys.export.errors import InvalidInput, Passing, Refused, UrlsExpired, WrongBody

MAX_REDIRECTS = 3
_CHUNK = 256 * 1024
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "airflow-provider-genesys"}
_PASSING_STATUSES = {408, 425, 429}
_EXPIRED_CODES = {"ExpiredToken", "TokenRefreshRequired"}
"""S3 answers 400 with one of these, not 403, when the credentials end that a URL was signed with."""

_ERROR_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,80})</Code>")
_MEDIA_TYPE = re.compile(r"\s*[\w.+-]{1,40}/[\w.+-]{1,80}")
_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (NameResolutionError, "its name could not be resolved"),
    (ConnectTimeoutError, "it did not accept a connection in time"),
    (ReadTimeoutError, "it went silent"),
    (ProxyError, "the proxy did not connect to it"),
    (SSLError, "TLS failed: is its certificate known here (connection extra `verify`)?"),
)


class Body:
    """One response's body: iterate it once. The end is reached only if it is whole.

    :ivar host: whom it comes from.
    :ivar size: its length in bytes as declared; None for a chunked one.
    :ivar media_type: its declared type in lower case, without parameters; empty where there is none.
    :ivar etag: the source's ETag, where it is one that can be kept.
    :ivar received: the bytes that have passed.
    """

    def __init__(self, response: BaseHTTPResponse, host: str) -> None:
        self.host = host
        self.media_type = _media_type(response.headers.get("Content-Type", ""))
        self.etag = _kept_etag(response.headers.get("ETag"))
        self.size = _declared_size(response, host)
        self.received = 0
        self._response = response
        self._sha256 = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Hexadecimal, of the bytes that have passed."""
        return self._sha256.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        """The bytes as they come.

        :raises WrongBody: for a body that is shorter or longer than declared, or not the one of its checksum.
        :raises Passing: for a connection that breaks or goes silent.
        """
        expected_md5 = declared_md5(self._response.headers)
        md5 = hashlib.md5(usedforsecurity=False) if expected_md5 else None
        try:
            for chunk in self._response.stream(_CHUNK, decode_content=False):
                self.received += len(chunk)
                self._sha256.update(chunk)
                if md5:
                    md5.update(chunk)
                yield chunk
        except (HTTPError, HTTPException, OSError) as error:
            raise self._broken(error) from None
        if self.size is not None and self.received != self.size:
            raise WrongBody(f"{self.host} declared {self.size} bytes and sent {self.received}")
        if md5 and md5.hexdigest() != expected_md5:
            raise WrongBody(f"{self.host} sent bytes that don't match their MD5")
        if declared_sha256(self._response.headers) not in (None, self.sha256):
            raise WrongBody(f"{self.host} sent bytes that don't match their SHA-256")

    def _broken(self, error: Exception) -> Passing:
        if isinstance(error, ReadTimeoutError):
            return Passing(f"{self.host} went silent after {self.received} bytes")
        declared = "" if self.size is None else f" of {self.size}"
        return WrongBody(f"{self.host} sent {self.received}{declared} bytes, then the connection broke")


class Downloader:
    """Opens presigned URLs. One serves all threads and keeps their connections alive.

    :param allow_private: take http and private addresses too: a simulator, a storage inside the own network.
    :param proxy: URL of an HTTP proxy, with credentials where it needs them. The environment's proxies are not used.
    :param verify: check certificates against the bundle that ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE`` names, else
        certifi's; or the path of a bundle or a directory; or False for no check.
    :param timeout: seconds, for a connection to be made and for each silence.
    :param connections: how many to keep alive per host.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        proxy: str | None = None,
        verify: bool | str = True,
        timeout: float = 60.0,
        connections: int = 32,
    ) -> None:
        redact_urllib3()
        self._allow_private = allow_private
        self._proxied = proxy is not None
        pool = _pool(proxy, _trust(verify), Timeout(connect=timeout, read=timeout), connections)
        self._pool = pool if allow_private or self._proxied else guarded(pool)

    @contextmanager
    def open(self, url: str) -> Iterator[Body]:
        """Send one GET, follow up to three redirects, and give the body.

        :raises UrlsExpired: for a 403.
        :raises Refused: for another 4xx, and for a host that downloads may not come from.
        :raises Passing: for 429, 5xx, a connection that fails.
        """
        response, host = self._get(url)
        try:
            _check_status(response, host)
            yield Body(response, host)
        finally:
            response.close()

    def _get(self, url: str) -> tuple[BaseHTTPResponse, str]:
        for _ in range(MAX_REDIRECTS + 1):
            host = self._checked_host(url)
            try:
                response = self._pool.request(
                    "GET", url, headers=_HEADERS, preload_content=False, redirect=False, retries=False
                )
            except LocationValueError:
                raise Refused(f"the recording's URL ({host}) can't be read") from None
            except (HTTPError, HTTPException, OSError) as error:
                raise Passing(f"no answer from {host}: {_in_words(error)}") from None
            location = response.get_redirect_location()
            if not location:
                return response, host
            response.close()
            url = _redirected(url, location, host)
        raise Refused(f"more than {MAX_REDIRECTS} redirects, the last one from {host}")

    def _checked_host(self, url: str) -> str:
        try:
            parts = parse_url(url)  # as the pool will read it: two parsers can be made to see two hosts
        except LocationValueError:
            raise Refused("the recording's URL can't be read") from None
        host = (parts.host or "").strip("[]")
        if parts.scheme not in ({"http", "https"} if self._allow_private else {"https"}):
            raise Refused(
                f"refused to download over {parts.scheme or 'no scheme'} from {host or 'no host'}: only https is safe; "
                "set allow_private_downloads in the connection's extra if this storage is your own"
            )
        if not host:
            raise Refused("the recording's URL names no host")
        if self._proxied and not self._allow_private:
            check_resolved(host, parts.port or 443)
        return host


def _redirected(url: str, location: str, host: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise Refused(f"{host} redirects to what is no URL") from None


def _pool(proxy: str | None, trust: ssl.SSLContext, timeout: Timeout, connections: int) -> PoolManager:
    if proxy is None:
        return PoolManager(timeout=timeout, maxsize=connections, ssl_context=trust)
    try:
        url = parse_url(proxy)
        return ProxyManager(
            url._replace(auth=None).url,
            proxy_headers=make_headers(proxy_basic_auth=unquote(url.auth)) if url.auth else None,
            timeout=timeout,
            maxsize=connections,
            ssl_context=trust,
        )
    except (HTTPError, ValueError):
        raise InvalidInput("the proxy for downloads must be a URL such as http://proxy.example.com:3128") from None


def _trust(verify: bool | str) -> ssl.SSLContext:
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    bundle = Path(verify if isinstance(verify, str) else _default_bundle())
    try:
        return (
            ssl.create_default_context(capath=bundle) if bundle.is_dir() else ssl.create_default_context(cafile=bundle)
        )
    except OSError as error:
        raise InvalidInput(f"the certificates in {bundle}, which `verify` names, can't be read: {error}") from error


def _default_bundle() -> str:
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()


def _check_status(response: BaseHTTPResponse, host: str) -> None:
    status = response.status
    if status == 200:
        return
    code = _error_code(response)
    answer = f"{host} answered {status}" + (f" ({code})" if code else "")
    if status == 403 or code in _EXPIRED_CODES:
        raise UrlsExpired(answer)
    if status >= 500 or status in _PASSING_STATUSES:
        raise Passing(answer, _retry_after(response.headers.get("Retry-After")))
    raise Refused(answer)


def _error_code(response: BaseHTTPResponse) -> str | None:
    """The storage's word for the error. Its other words may repeat the signed request, and are not read."""
    try:
        found = _ERROR_CODE.search(response.read(4096, decode_content=False))
    except (HTTPError, HTTPException, OSError):
        return None
    return found[1].decode() if found else None


def _retry_after(value: str | None) -> float | None:
    """``Retry-After`` in seconds, which may come as a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _declared_size(response: BaseHTTPResponse, host: str) -> int | None:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "aws-chunked"):
        raise WrongBody(f"{host} sent an encoded body, which nobody asked for")
    declared = response.headers.get("Content-Length")
    if declared is not None and declared.strip().isdigit():
        return int(declared)
    if declared is None and response.headers.get("Transfer-Encoding", "").strip().lower() == "chunked":
        return None
    raise WrongBody(f"{host} sent a body of unknown length: nobody could tell whether it is whole")


def _media_type(value: str) -> str:
    """The type without its parameters, and without whatever else a header can hold: it goes into messages."""
    found = _MEDIA_TYPE.match(value)
    return found[0].strip().lower() if found else ""


def _kept_etag(value: str | None) -> str | None:
    etag = (value or "").strip().removeprefix("W/").strip('"')
    return etag if etag and len(etag) <= 200 and etag.isascii() and etag.isprintable() else None


def _in_words(error: Exception) -> str:
    return next((words for kind, words in _FAULTS if isinstance(error, kind)), "the connection failed")
