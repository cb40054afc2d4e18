# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_genesys.archive import guard
from airflow_provider_genesys.archive.download import Downloader
from airflow_provider_genesys.archive.guard import is_public
from airflow_provider_genesys.export.errors import Passing, Refused
from tests.archive.certificate import self_signed
from tests.archive.source import QUERY, Source, ok, redirect, source_server

PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "2002:7f00:1::",
    "64:ff9b::a00:1",
]
PUBLIC = ["8.8.8.8", "52.216.1.1", "2600:1f18::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]


class Listener:
    """A port that would serve anything, and keeps what it was sent."""

    def __init__(self, server: socket.socket) -> None:
        self.port = server.getsockname()[1]
        self.received: list[bytes] = []
        self._server = server
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                if data := connection.recv(1000):
                    self.received.append(data)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Listener(server)
        server.shutdown(socket.SHUT_RDWR)


def refused(url: str, **options: Any) -> str:
    with pytest.raises(Refused) as caught, Downloader(timeout=2.0, **options).open(url):
        pass
    assert "verysecret" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.0.0.1", "0", "[::ffff:127.0.0.1]"]
)
def test_loopback_is_refused_however_it_is_spelled(listener: Listener, host: str) -> None:
    words = refused(f"https://{host}:{listener.port}/a?{QUERY}")
    assert "refused to download from a private address" in words
    assert "allow_private_downloads" in words
    assert listener.received == []


def test_a_name_that_resolves_to_loopback_is_refused(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = socket.getaddrinfo("127.0.0.1", listener.port, type=socket.SOCK_STREAM)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: resolved)
    assert "(recordings.example.com, 127.0.0.1)" in refused(f"https://recordings.example.com:{listener.port}/?{QUERY}")
    assert listener.received == []


def test_http_is_refused(listener: Listener) -> None:
    assert "only https" in refused(f"http://127.0.0.1:{listener.port}/a?{QUERY}")
    assert listener.received == []


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "169.254.169.254", "[::1]", "8.8.8.8@127.0.0.1", "127.0.0.1\\@8.8.8.8"]
)
def test_behind_a_proxy_the_host_itself_is_checked(listener: Listener, host: str) -> None:
    words = refused(f"https://{host}/a?{QUERY}", proxy=f"http://127.0.0.1:{listener.port}")
    assert "private address" in words
    assert listener.received == []


def test_a_name_that_only_the_proxy_knows_is_the_proxys_to_judge(listener: Listener) -> None:
    downloader = Downloader(timeout=2.0, proxy=f"http://127.0.0.1:{listener.port}")
    with (
        pytest.raises(Passing, match=r"no answer from recordings\.invalid"),
        downloader.open("https://recordings.invalid/a"),
    ):
        pass
    (sent,) = listener.received
    assert sent.startswith(b"CONNECT recordings.invalid:443 ")


@pytest.fixture
def public_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Source, Downloader]]:
    """A source on 127.0.0.1, which counts as public here, and a downloader that knows its certificate."""
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    monkeypatch.setattr(guard, "is_public", lambda address: address == "127.0.0.1" or is_public(address))
    with source_server(context) as source:
        yield source, Downloader(verify=str(certificate), timeout=2.0)


def test_a_public_host_is_served(public_source: tuple[Source, Downloader]) -> None:
    source, downloader = public_source
    with downloader.open(source.set("/a", ok(b"abc"))) as body:
        assert b"".join(body) == b"abc"


@pytest.mark.parametrize("target", ["https://127.0.0.2:{port}/", "http://127.0.0.1:{port}/", "https://[::1]:{port}/"])
def test_a_redirect_into_the_private_network_is_refused(
    public_source: tuple[Source, Downloader], listener: Listener, target: str
) -> None:
    source, downloader = public_source
    with (
        socket.create_server(("127.0.0.2", listener.port)) as other,
        socket.create_server(("::1", listener.port), family=socket.AF_INET6) as third,
    ):
        url = source.set("/a", redirect(target.format(port=listener.port)))
        with pytest.raises(Refused, match="refused to download"), downloader.open(url):
            pass
        for server in (other, third):
            server.setblocking(False)
            assert_silent(server)
    assert listener.received == []


def assert_silent(server: socket.socket) -> None:
    """Nobody connected, or whoever did sent nothing."""
    try:
        connection, _ = server.accept()
    except BlockingIOError:
        return
    with connection:
        connection.settimeout(2.0)
        assert connection.recv(1000) == b""
