# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_genesys.archive.archive import ObjectArchive
from airflow_provider_genesys.archive.download import Downloader
from airflow_provider_genesys.archive.retries import Retries
from airflow_provider_genesys.archive.stores import Store
from tests.archive.sites import SITES, FileSite, S3Site, Site
from tests.archive.source import Source, source_server
from tests.servers.seaweedfs import SeaweedServer

AT_ONCE = Retries(tries=4, first_wait=0.0, longest_wait=0.0)


@pytest.fixture(params=sorted(SITES))
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    return SITES[request.param](request, tmp_path)


@pytest.fixture
def file_site(tmp_path: Path) -> FileSite:
    return FileSite(tmp_path / "archive")


@pytest.fixture
def s3_site(seaweed: SeaweedServer, tmp_path: Path) -> S3Site:
    return S3Site(seaweed, "calls", tmp_path.name)


@pytest.fixture
def source() -> Iterator[Source]:
    with source_server() as server:
        yield server


@pytest.fixture
def archive_over() -> Callable[..., ObjectArchive]:
    """An archive that may download from loopback and tries again at once."""

    def build(store: Store, *, concurrency: int = 8, timeout: float = 5.0, retries: Retries = AT_ONCE) -> ObjectArchive:
        downloader = Downloader(allow_private=True, timeout=timeout)
        return ObjectArchive(store, downloader, concurrency=concurrency, retries=retries)

    return build


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
