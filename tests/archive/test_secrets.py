# SPDX-License-Identifier: Apache-2.0
"""A presigned URL is a secret: its query is looked for wherever this package speaks."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable

import pytest

from airflow_provider_genesys.archive.archive import ObjectArchive
from airflow_provider_genesys.archive.download import Downloader
from airflow_provider_genesys.export.errors import ExportError
from airflow_provider_genesys.export.model import Recording
from tests.archive.process import DAY
from tests.archive.sites import FileSite, S3Site
from tests.archive.source import (
    QUERY,
    Answer,
    Source,
    chunked,
    held,
    ok,
    raw,
    redirect,
    reset,
    status,
    truncated,
    without_length,
)

SECRETS = ("verysecret", "X-Amz-Signature")
ECHO = f"<Error><Code>X</Code><StringToSign>/a?{QUERY}</StringToSign></Error>".encode()

FAULTS: dict[str, Answer] = {
    "fine": ok(b"abc"),
    "truncated": truncated(b"abc"),
    "reset": reset(b"abc" * 100_000),
    "chunks": chunked(b"abc", whole=False),
    "no length": without_length(b"abc"),
    "silent": held(b"abc", threading.Event(), at=1),
    "encoded": ok(b"abc", Content_Encoding=f"x?{QUERY}"),
    "page": ok(f"<html>/?{QUERY}".encode(), Content_Type=f"text/html?{QUERY}"),
    "length": status(200, b"abc", Content_Length=f"3?{QUERY}"),
    "redirects": redirect(f"/redirects?{QUERY}"),
    "redirect elsewhere": redirect(f"ftp://nowhere.invalid/?{QUERY}"),
    "redirect to nothing": redirect(f"http://nowhere.invalid/?{QUERY}"),
    "redirect to garbage": redirect(f"http://[::1/?{QUERY}"),
    "bad header": raw(b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 3\r\n\r\nabc"),
    "no http": raw(b"what\r\n\r\n"),
    **{str(code): status(code, ECHO, Retry_After="0") for code in (400, 403, 404, 429, 500, 503)},
}


def told(act: Callable[[], object]) -> str:
    """What a caller could print of an act: its result, or its error with everything behind it."""
    try:
        return repr(act())
    except ExportError as error:
        return "".join(traceback.format_exception(error)) + repr(error) + repr(error.args)


def assert_no_secret(text: str) -> None:
    assert [secret for secret in SECRETS if secret in text] == []


@pytest.fixture
def at_debug(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_no_url_is_told_whatever_happens(
    fault: str,
    file_site: FileSite,
    source: Source,
    archive_over: Callable[..., ObjectArchive],
    at_debug: pytest.LogCaptureFixture,
) -> None:
    archive = archive_over(file_site.store(), timeout=0.1 if fault == "silent" else 5.0)
    url = source.set("/redirects" if fault == "redirects" else "/a", FAULTS[fault])
    recordings = [Recording("r1", url)]
    assert_no_secret(told(lambda: list(archive.fetch(recordings, DAY, "mp3", overwrite=True, proceed=lambda: None))))
    assert_no_secret(told(lambda: archive.fetch_manifest("j1", url)))
    assert_no_secret(at_debug.text)
    assert "Starting new HTTP connection" in at_debug.text, "urllib3 was not heard"


@pytest.mark.parametrize(
    "url", ["http://nowhere.invalid/a", "http://127.0.0.1:1/a", "ftp://a/b", "http://[::1", "", "http://a b/"]
)
def test_no_url_that_leads_nowhere_is_told(
    url: str, file_site: FileSite, archive_over: Callable[..., ObjectArchive], at_debug: pytest.LogCaptureFixture
) -> None:
    recording = Recording("r1", f"{url}?{QUERY}")
    archive = archive_over(file_site.store())
    assert_no_secret(told(lambda: list(archive.fetch([recording], DAY, "mp3", overwrite=False, proceed=lambda: None))))
    assert_no_secret(told(lambda: archive.fetch_manifest("j1", recording.url or "")))
    assert_no_secret(at_debug.text)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("proxied", [False, True])
def test_no_refused_url_is_told(
    scheme: str, host: str, proxied: bool, file_site: FileSite, source: Source, at_debug: pytest.LogCaptureFixture
) -> None:
    proxy = f"http://me:verysecret@127.0.0.1:{source.port}" if proxied else None
    archive = ObjectArchive(file_site.store(), Downloader(proxy=proxy, timeout=1.0))
    recording = Recording("r1", f"{scheme}://{host}:{source.port}/a?{QUERY}")
    words = told(lambda: list(archive.fetch([recording], DAY, "mp3", overwrite=False, proceed=lambda: None)))
    assert "refused to download" in words
    assert_no_secret(words)
    assert_no_secret(at_debug.text)
    assert source.requests == []


def test_nothing_of_a_url_reaches_the_store(
    s3_site: S3Site, source: Source, archive_over: Callable[..., ObjectArchive], at_debug: pytest.LogCaptureFixture
) -> None:
    recording = Recording("r1", source.set("/a", ok(b"abc", ETag='"e-1"')))
    list(archive_over(s3_site.store()).fetch([recording], DAY, "mp3", overwrite=False, proceed=lambda: None))
    head = s3_site.client.head_object(Bucket=s3_site.bucket, Key=f"{s3_site.prefix}/recordings/r1.mp3")
    assert_no_secret(str(head))
    assert_no_secret(at_debug.text)
    assert_no_secret(repr(recording))


def test_a_log_line_without_a_query_stays_as_it_is(at_debug: pytest.LogCaptureFixture) -> None:
    Downloader()
    logging.getLogger("urllib3.connectionpool").debug("100%% of %s, is it? %d", "it", 1)
    assert at_debug.messages[-1] == "100% of it, is it? 1"
