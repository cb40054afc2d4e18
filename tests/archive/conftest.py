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
from tests.archive.sites import SITES, AzureSite, FileSite, GcsSite, S3Site, ServedSite, Site
from tests.archive.source import Source, source_server
from tests.servers.azurite import AzuriteServer
from tests.servers.gcs import GcsServer
from tests.servers.holding_proxy import HoldingProxy, holding_proxy
from tests.servers.seaweedfs import SeaweedServer

AT_ONCE = Retries(tries=4, first_wait=0.0, longest_wait=0.0)


@pytest.fixture(params=sorted(SITES))
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    return SITES[request.param](request, tmp_path)


@pytest.fixture(params=sorted(SITES.keys() - {"file"}))
def served(request: pytest.FixtureRequest, tmp_path: Path) -> ServedSite:
    site = SITES[request.param](request, tmp_path)
    assert isinstance(site, ServedSite)
    return site


@pytest.fixture
def proxy(served: ServedSite) -> Iterator[HoldingProxy]:
    """Between a store of ``served`` and its server."""
    with holding_proxy(served.port) as running:
        yield running


@pytest.fixture
def gcs_site(gcs: GcsServer, tmp_path: Path) -> GcsSite:
    return GcsSite(gcs, "calls", tmp_path.name)


@pytest.fixture
def azure_site(azurite: AzuriteServer, tmp_path: Path) -> AzureSite:
    return AzureSite(azurite, "calls", tmp_path.name)


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
