# SPDX-License-Identifier: Apache-2.0
"""The source side: GETs of a presigned URL, of all of it or of a range, and bodies that are checked while they pass.

Built on urllib3 itself: there is no ``.netrc``, no proxy of the environment and no header that a session adds, and
therefore never an ``Authorization`` header on a presigned URL. No text of an error or a log holds more of a URL than
its host, since the query is its secret.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.client import HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any
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
from urllib3.util import Url, parse_url

from airflow_provider_genesys.archive.checksums import Digest
from airflow_provider_genesys.archive.guard import check_resolved, guarded
from airflow_provider_genesys.archive.redaction import redact_urllib3
from airflow_provider_genesys.archive.turns import take_turns
from airflow_provider_genesys.export.errors import InvalidInput, Passing, Refused, UrlsExpired, WrongBody

MAX_REDIRECTS = 3
_CHUNK = 256 * 1024
_HOSTS = 8
"""Whose pools of connections are at hand."""

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "airflow-provider-genesys"}
_PASSING_STATUSES = {408, 425, 429}
_EXPIRED_CODES = {"ExpiredToken", "TokenRefreshRequired"}
"""S3 answers 400 with one of these, not 403, when the credentials end that a URL was signed with."""

_ERROR_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,80})</Code>")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_MEDIA_TYPE = re.compile(r"\s*[\w.+-]{1,40}/[\w.+-]{1,80}")
_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (NameResolutionError, "its name could not be resolved"),
    (ConnectTimeoutError, "it did not accept a connection in time"),
    (ReadTimeoutError, "it went silent"),
    (ProxyError, "the proxy did not connect to it"),
    (SSLError, "TLS failed: is its certificate known here (connection extra `verify`)?"),
)


class Afresh(WrongBody):
    """What has come of a recording so far is worth nothing: its source has another one now."""


class NoRanges(Afresh):
    """The source serves no ranges after all: the recording is had by one plain GET, or not."""


class Body:
    """One answer's body: what is read of it is counted and held against its length. Closed by whoever opened it.

    :ivar host: whom it comes from.
    :ivar start: the position in the recording of its first byte.
    :ivar size: its length in bytes as declared; None for a chunked one.
    :ivar total: the recording's length in bytes; None where only the body's end will tell.
    :ivar is_range: it was asked for as a range, and came as one: the source serves them.
    :ivar media_type: its declared type in lower case, without parameters; empty where there is none.
    :ivar etag: the source's ETag, where it is one that can be kept.
    :ivar validator: the same as ``If-Match`` takes it; None for a weak one, which never matches there.
    :ivar headers: the answer's.
    :ivar received: the bytes that have passed.
    """

    def __init__(self, response: BaseHTTPResponse, host: str, span: range | None = None) -> None:
        self.host = host
        self.headers = response.headers
        self.media_type = _media_type(response.headers.get("Content-Type", ""))
        self.etag = _kept_etag(response.headers.get("ETag"))
        self.validator = _validator(response.headers.get("ETag"))
        self.is_range = response.status == 206
        self.size = _declared_size(response, host)
        self._is_chunked = response.headers.get("Transfer-Encoding", "").strip().lower() == "chunked"
        self.start, self.total = 0, None if self._is_chunked else self.size
        if self.is_range:
            self.start, stop, self.total = _place(response, self.size, span)
            self.size = stop - self.start
        self.received = 0
        self._response = response
        # urllib3 would make a new object of every chunk: this is the http.client response below it, which reads into
        # memory that is there already
        self._raw: HTTPResponse = response._fp  # type: ignore[attr-defined]

    @property
    def is_partial(self) -> bool:
        """Whether it is less than the recording."""
        return self.start > 0 or self.size != self.total

    def read_into(self, view: memoryview) -> int:
        """Fill ``view``; less comes at the body's end only, which is where it was declared to be.

        :raises WrongBody: for a body that is shorter or longer than declared, or breaks off.
        :raises Passing: for a connection that goes silent.
        """
        try:
            count = self._raw.readinto(view)
        except TimeoutError:
            raise Passing(f"{self.host} went silent after {self.received} bytes") from None
        except IncompleteRead as error:
            self.received += len(error.partial)
            raise self._broken() from None
        except (HTTPException, OSError):
            raise self._broken() from None
        self.received += count
        if self._raw.isclosed():
            self._response.release_conn()
            self._check_length()
        return count

    def __iter__(self) -> Iterator[bytes]:
        """The bytes as they come, for a document that is read in one go.

        :raises WrongBody: as :meth:`read_into`, and for bytes that don't match their declared checksum.
        :raises Passing: as :meth:`read_into`.
        """
        digest = Digest(self.headers)
        buffer = memoryview(bytearray(_CHUNK))
        while count := self.read_into(buffer):
            digest.update(buffer[:count])
            yield bytes(buffer[:count])
        digest.check(self.host)

    def close(self) -> None:
        """Let the connection go: back to its pool where the body was read to its end."""
        self._response.close()

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_length(self) -> None:
        if self.size is None or self.received == self.size:
            return
        if self._is_chunked:
            raise WrongBody(f"{self.host} declared {self.size} bytes and sent {self.received}")
        raise self._broken()

    def _broken(self) -> WrongBody:
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
        take_turns(trust := _trust(verify))
        pool = _pool(proxy, trust, Timeout(connect=timeout, read=timeout), connections)
        self._pools = pool if allow_private or self._proxied else guarded(pool)
        self._pool_of = lru_cache(_HOSTS)(self._pools.connection_from_host)

    def open(self, url: str, span: range | None = None, validator: str | None = None) -> Body:
        """Send one GET, follow up to three redirects, and give the body.

        :param span: positions of the bytes that are wanted. A source may send all of it instead; one that answers oddly
            to the first span is asked again, plainly.
        :param validator: the recording's ETag, for a span that goes on with one that has begun.
        :raises UrlsExpired: for a 403.
        :raises Refused: for another 4xx, and for a host that downloads may not come from.
        :raises Afresh: where ``validator`` is no longer the recording's.
        :raises NoRanges: where a later span can't be had.
        :raises Passing: for 429, 5xx, a connection that fails.
        """
        response, host = self._get(url, span, validator)
        try:
            _check_status(response, host, span, validator)
            return Body(response, host, span)
        except NoRanges:
            response.close()
            if span and span.start:
                raise
            return self.open(url)
        except BaseException:
            response.close()
            raise

    def _get(self, url: str, span: range | None, validator: str | None) -> tuple[BaseHTTPResponse, str]:
        headers = dict(_HEADERS)
        if span:
            headers["Range"] = f"bytes={span.start}-{span.stop - 1}"
        if validator:
            headers["If-Match"] = validator
        for _ in range(MAX_REDIRECTS + 1):
            parts, host = self._checked(url)
            try:
                response = self._asked(parts, headers)
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

    def _asked(self, url: Url, headers: Mapping[str, str]) -> BaseHTTPResponse:
        options: dict[str, Any] = {"headers": headers, "preload_content": False, "redirect": False, "retries": False}
        if self._proxied:  # which may want to be told otherwise
            return self._pools.urlopen("GET", url.url, **options)
        pool = self._pool_of(url.host, url.port, url.scheme)
        return pool.urlopen("GET", url.request_uri, assert_same_host=False, **options)

    def _checked(self, url: str) -> tuple[Url, str]:
        """A URL's parts, and its host in words."""
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
        return parts, host


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


def _check_status(response: BaseHTTPResponse, host: str, span: range | None, validator: str | None) -> None:
    status = response.status
    if status == 200 or (status == 206 and span):
        return
    if status == 412 and validator:
        raise Afresh(f"{host} has another recording under this URL than a moment ago")
    if status == 416 and span:
        raise NoRanges(f"{host} answered 416 to a range of bytes")
    code = _error_code(response)
    answer = f"{host} answered {status}" + (f" ({code})" if code else "")
    if status == 403 or code in _EXPIRED_CODES:
        raise UrlsExpired(answer)
    if status >= 500 or status in _PASSING_STATUSES:
        raise Passing(answer, _retry_after(response.headers.get("Retry-After")))
    raise Refused(answer)


def _place(response: BaseHTTPResponse, size: int | None, span: range | None) -> tuple[int, int, int]:
    """Where in the recording a range begins and stops, and how long the recording is.

    :raises NoRanges: for an answer that is no range, or none of those asked for.
    """
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if found is None or span is None:
        raise NoRanges("the source answered 206 without saying what it sends")
    start, last, total = (int(number) for number in found.groups())
    if start != span.start or not start <= last < min(span.stop, total) or size not in (None, last + 1 - start):
        raise NoRanges("the source sends other bytes than were asked for")
    return start, last + 1, total


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


def _validator(value: str | None) -> str | None:
    etag = (value or "").strip()
    return etag if etag.startswith('"') and _kept_etag(etag) else None


def _in_words(error: Exception) -> str:
    return next((words for kind, words in _FAULTS if isinstance(error, kind)), "the connection failed")
