# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_genesys.archive.download import MAX_REDIRECTS, Downloader
from airflow_provider_genesys.export.errors import ExportError, InvalidInput, Passing, Refused, UrlsExpired, WrongBody
from tests.archive.certificate import self_signed
from tests.archive.source import (
    QUERY,
    Answer,
    Source,
    chunked,
    held,
    ok,
    over_long,
    redirect,
    reset,
    source_server,
    status,
    truncated,
    without_length,
)

BODY = bytes(range(256)) * 4000
MD5 = base64.b64encode(hashlib.md5(BODY).digest()).decode()
ANYWHERE = {
    False: Downloader(allow_private=True, timeout=1.0),
    True: Downloader(proxy="http://127.0.0.1:9", timeout=1.0),
}
SHA256 = base64.b64encode(hashlib.sha256(BODY).digest()).decode()


@pytest.fixture
def downloader() -> Downloader:
    return Downloader(allow_private=True, timeout=5.0)


def download(downloader: Downloader, url: str) -> bytes:
    with downloader.open(url) as body:
        return b"".join(body)


def test_a_body_is_counted_while_it_passes(source: Source, downloader: Downloader) -> None:
    with downloader.open(source.set("/a", ok(BODY, ETag='"e-1"', Content_Type="Audio/MPEG; x=1"))) as body:
        assert (body.size, body.media_type, body.etag) == (len(BODY), "audio/mpeg", "e-1")
        assert b"".join(body) == BODY
        assert body.received == len(BODY)


def test_a_whole_chunked_body_needs_no_length(source: Source, downloader: Downloader) -> None:
    with downloader.open(source.set("/a", chunked(b"abc", b"def"))) as body:
        assert body.size is None
        assert b"".join(body) == b"abcdef"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (truncated(BODY), f"sent {len(BODY)} of {len(BODY) + 1} bytes"),
        (truncated(b"", missing=7), "sent 0 of 7 bytes"),
        (reset(BODY), "the connection broke"),
        (chunked(b"abc", whole=False), "sent 3 bytes, then the connection broke"),
        (chunked(b"abc", b"d", Content_Length="3"), "declared 3 bytes and sent 4"),
        (chunked(b"abc", Content_Length="4"), "declared 4 bytes and sent 3"),
        (without_length(BODY), "unknown length"),
        (ok(BODY, Content_Encoding="gzip"), "encoded"),
        (ok(BODY, Content_MD5=MD5[::-1]), "MD5"),
        (ok(BODY, x_amz_checksum_sha256=SHA256[::-1]), "SHA-256"),
    ],
)
def test_a_body_that_is_not_whole_is_a_wrong_one(
    source: Source, downloader: Downloader, answer: Answer, words: str
) -> None:
    with pytest.raises(WrongBody, match=words):
        download(downloader, source.set("/a", answer))


def test_checksums_that_fit_or_cannot_be_compared_pass(source: Source, downloader: Downloader) -> None:
    for headers in (
        {"Content_MD5": MD5, "x_amz_checksum_sha256": SHA256},
        {"x_amz_checksum_sha256": "b3RoZXI=-2"},
        {"ETag": '"00000000000000000000000000000000"'},
    ):
        assert download(downloader, source.set("/a", ok(BODY, **headers))) == BODY


def test_what_follows_a_body_is_not_taken_for_it_nor_for_the_next_one(source: Source, downloader: Downloader) -> None:
    bad = source.set("/bad", over_long(b"abc", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))
    good = source.set("/good", ok(b"good"))
    for _ in range(3):
        assert download(downloader, bad) == b"abc"
        assert download(downloader, good) == b"good"


def test_silence_is_a_passing_fault(source: Source) -> None:
    release = threading.Event()
    with pytest.raises(Passing, match=r"127\.0\.0\.1 went silent"):
        download(Downloader(allow_private=True, timeout=0.3), source.set("/a", held(b"abcdef", release, at=3)))
    release.set()


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_a_status_that_may_pass(source: Source, downloader: Downloader, code: int) -> None:
    answer = status(code, b"<Error><Code>SlowDown</Code></Error>", Retry_After="7")
    with pytest.raises(Passing, match=rf"127\.0\.0\.1 answered {code} \(SlowDown\)") as caught:
        download(downloader, source.set("/a", answer))
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("value", ["soon", "-", "1e400"])
def test_an_unreadable_retry_after_counts_for_nothing(source: Source, downloader: Downloader, value: str) -> None:
    with pytest.raises(Passing) as caught:
        download(downloader, source.set("/a", status(503, Retry_After=value)))
    assert caught.value.retry_after is None


def test_retry_after_may_be_a_date(source: Source, downloader: Downloader) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    with pytest.raises(Passing) as caught:
        download(downloader, source.set("/a", status(503, Retry_After=moment)))
    assert caught.value.retry_after == pytest.approx(60, abs=3)


@pytest.mark.parametrize("answer", [status(403), status(400, b"<Error><Code>ExpiredToken</Code></Error>")])
def test_an_expired_url(source: Source, downloader: Downloader, answer: Answer) -> None:
    with pytest.raises(UrlsExpired):
        download(downloader, source.set("/a", answer))


@pytest.mark.parametrize("code", [204, 206, 304, 400, 401, 404, 410, 416])
def test_a_final_no(source: Source, downloader: Downloader, code: int) -> None:
    with pytest.raises(Refused, match=f"answered {code}"):
        download(downloader, source.set("/a", status(code)))


def test_redirects_are_followed_within_bounds(source: Source, downloader: Downloader) -> None:
    source.set("/end", ok(b"abc"))
    for number in range(MAX_REDIRECTS + 1):
        source.set(f"/{number}", redirect(f"/{number - 1}" if number else "/end"))
    assert download(downloader, source.url(f"/{MAX_REDIRECTS - 1}")) == b"abc"
    with pytest.raises(Refused, match="more than 3 redirects"):
        download(downloader, source.url(f"/{MAX_REDIRECTS}"))


def test_a_server_that_is_not_there_is_a_passing_fault(downloader: Downloader, unused_port: int) -> None:
    with pytest.raises(Passing, match=r"no answer from 127\.0\.0\.1"):
        download(downloader, f"http://127.0.0.1:{unused_port}/a")


def test_a_name_that_does_not_resolve_is_a_passing_fault(downloader: Downloader) -> None:
    with pytest.raises(Passing, match=r"nowhere\.invalid: its name could not be resolved"):
        download(downloader, "http://nowhere.invalid/a")


@pytest.mark.parametrize(
    "url", ["", "a", "//a/b", "ftp://a/b", "file:///etc/passwd", "http://", "http://[::1", "http://a:x/"]
)
def test_what_is_no_url_is_refused(downloader: Downloader, url: str) -> None:
    with pytest.raises(Refused):
        download(downloader, url)


@given(
    st.sampled_from(["http://", "https://", "http://h:", "//", ""]),
    st.text(st.characters(), max_size=20) | st.sampled_from(["a" * 300, "[::1", "h:99999", "xn--", "é" * 70]),
    st.booleans(),
)
def test_whatever_a_url_is_the_error_is_ours_and_keeps_it(scheme: str, rest: str, proxied: bool) -> None:
    with (
        mock.patch.object(socket, "getaddrinfo", side_effect=socket.gaierror),
        pytest.raises(ExportError) as caught,
    ):
        download(ANYWHERE[proxied], f"{scheme}{rest}?{QUERY}")
    assert "verysecret" not in str(caught.value)


def test_no_header_of_ours_identifies_anyone(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.touch(mode=0o600)
    netrc.write_text("machine 127.0.0.1 login me password verysecret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port}")
    url = source.set("/a", ok(b"abc")).replace("//", "//me:verysecret@", 1)
    assert download(Downloader(allow_private=True), url) == b"abc"
    (request,) = source.requests
    assert set(request.headers) == {"host", "accept-encoding", "user-agent"}
    assert request.headers["accept-encoding"] == "identity"


def test_connections_are_kept_alive(source: Source, downloader: Downloader) -> None:
    url = source.set("/a", lambda handler: ok(b"%d" % handler.client_address[1])(handler))
    assert len({download(downloader, url) for _ in range(5)}) == 1


def test_a_proxy_is_used_with_its_credentials(source: Source) -> None:
    source.set("/a", ok(b"abc"))
    downloader = Downloader(allow_private=True, proxy=f"http://me:p%40ss@127.0.0.1:{source.port}")
    assert download(downloader, "http://recordings.example.com/a") == b"abc"
    (request,) = source.requests
    assert request.headers["host"] == "recordings.example.com"
    assert request.headers["proxy-authorization"] == f"Basic {base64.b64encode(b'me:p@ss').decode()}"


@pytest.mark.parametrize("proxy", ["socks5://verysecret@h", "h:80", "", "http://[verysecret"])
def test_a_proxy_that_is_none_is_told_without_its_credentials(proxy: str) -> None:
    with pytest.raises(InvalidInput, match="proxy") as caught:
        Downloader(proxy=proxy)
    assert "verysecret" not in str(caught.value)


@pytest.fixture
def tls_source(tmp_path: Path) -> Iterator[tuple[Source, Path]]:
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with source_server(context) as source:
        yield source, certificate


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_certificate_has_to_be_known(
    tls_source: tuple[Source, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source, certificate = tls_source
    url = source.set("/a", ok(b"abc"))
    with pytest.raises(Passing, match=r"TLS failed.*verify"):
        download(Downloader(allow_private=True), url)
    assert source.requests == []
    assert download(Downloader(allow_private=True, verify=False), url) == b"abc"
    assert download(Downloader(allow_private=True, verify=str(certificate)), url) == b"abc"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert download(Downloader(allow_private=True), url) == b"abc"
    with pytest.raises(InvalidInput, match="verify"):
        Downloader(verify=str(tmp_path / "missing.pem"))


def test_a_port_that_speaks_no_http_is_a_passing_fault(downloader: Downloader) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def babble() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 smtp ready\r\n\r\n")

        thread = threading.Thread(target=babble)
        thread.start()
        with pytest.raises(Passing, match="the connection failed"):
            download(downloader, f"http://127.0.0.1:{listener.getsockname()[1]}/a")
        thread.join()
