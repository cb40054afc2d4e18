# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_provider_genesys.api.hosts import REGIONS, Hosts, resolve_hosts
from airflow_provider_genesys.export.errors import InvalidInput

US_WEST = Hosts("https://api.usw2.pure.cloud", "https://login.usw2.pure.cloud")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("api.usw2.pure.cloud", US_WEST),
        ("usw2.pure.cloud", US_WEST),
        ("https://api.usw2.pure.cloud", US_WEST),
        ("https://api.usw2.pure.cloud/", US_WEST),
        (" HTTPS://API.USW2.Pure.Cloud ", US_WEST),
        ("https://usw2.pure.cloud", US_WEST),
        ("mypurecloud.com", Hosts("https://api.mypurecloud.com", "https://login.mypurecloud.com")),
        ("api.mypurecloud.com:8443", Hosts("https://api.mypurecloud.com:8443", "https://login.mypurecloud.com:8443")),
        ("genesys.corp.example", Hosts("https://genesys.corp.example", "https://genesys.corp.example")),
        ("https://gate.example/genesys/", Hosts("https://gate.example/genesys", "https://gate.example/genesys")),
        ("http://127.0.0.1:8080", Hosts("http://127.0.0.1:8080", "http://127.0.0.1:8080")),
        ("127.0.0.1:8080", Hosts("http://127.0.0.1:8080", "http://127.0.0.1:8080")),
        ("localhost", Hosts("http://localhost", "http://localhost")),
        ("http://[::1]:8080", Hosts("http://[::1]:8080", "http://[::1]:8080")),
        ("https://127.0.0.1", Hosts("https://127.0.0.1", "https://127.0.0.1")),
    ],
)
def test_a_host_gives_the_urls_of_api_and_login(host: str, expected: Hosts) -> None:
    assert resolve_hosts(host) == expected


@pytest.mark.parametrize("region", sorted(REGIONS))
def test_every_region_stands_for_its_api_and_login_hosts(region: str) -> None:
    assert resolve_hosts(region) == Hosts(f"https://api.{region}", f"https://login.{region}")
    assert resolve_hosts(f"api.{region}") == resolve_hosts(region)


@pytest.mark.parametrize(
    ("login_url", "expected"),
    [
        ("https://sso.example", "https://sso.example"),
        ("login.mypurecloud.de/", "https://login.mypurecloud.de"),
        ("mypurecloud.de", "https://mypurecloud.de"),
        (None, "https://login.usw2.pure.cloud"),
        ("", "https://login.usw2.pure.cloud"),
    ],
)
def test_a_login_url_wins_over_the_derived_one(login_url: str | None, expected: str) -> None:
    assert resolve_hosts("usw2.pure.cloud", login_url).login_url == expected


def test_the_name_of_an_organisations_host_has_its_port_and_no_scheme() -> None:
    assert resolve_hosts("http://127.0.0.1:8080").name == "127.0.0.1:8080"
    assert resolve_hosts("usw2.pure.cloud").name == "api.usw2.pure.cloud"


@pytest.mark.parametrize("host", [None, "", "  "])
def test_no_host_is_refused(host: str | None) -> None:
    with pytest.raises(InvalidInput, match="has no host: give the API host, such as api"):
        resolve_hosts(host)


@pytest.mark.parametrize("host", ["http://api.mypurecloud.com", "http://10.0.0.1", "http://127.0.0.1.evil.example"])
def test_a_secret_goes_over_https_only(host: str) -> None:
    with pytest.raises(InvalidInput, match="must use https: a client secret is sent there"):
        resolve_hosts(host)
    with pytest.raises(InvalidInput, match=r"login_url .* must use https"):
        resolve_hosts("usw2.pure.cloud", host)


@pytest.mark.parametrize(
    "host",
    [
        "ftp://api.mypurecloud.com",
        "https://",
        "https://api.mypurecloud.com?x=1",
        "https://api.mypurecloud.com#x",
        "https://api.mypurecloud.com:port",
        "https://[::1",
        "[::1",
        "//",
    ],
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(InvalidInput, match="the connection's host"):
        resolve_hosts(host)


@pytest.mark.parametrize(
    "host",
    [
        "https://user:hidden@api.mypurecloud.com",
        "https://:hidden@api.mypurecloud.com",
        "https://user:hidden@api.mypurecloud.com:port",
        "user:hidden@api.mypurecloud.com",
        "http://user:hidden@api.mypurecloud.com",
    ],
)
def test_credentials_in_a_host_are_refused_and_not_repeated(host: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        resolve_hosts(host)
    assert "hidden" not in str(refusal.value)


@pytest.mark.parametrize(
    ("host", "job_ids", "page"),
    [
        ("http://127.0.0.1:8088", ["a-1"], "http://127.0.0.1:8088/_simulator/jobs.html#a-1"),
        ("http://127.0.0.1:8088", ["a", "b"], "http://127.0.0.1:8088/_simulator/jobs.html"),
        ("http://127.0.0.1:8088", ["a/b?c#d"], "http://127.0.0.1:8088/_simulator/jobs.html#a%2Fb%3Fc%23d"),
        ("http://127.0.0.1:8088", [], ""),
        ("https://api.usw2.pure.cloud", ["a-1"], ""),
        ("api.mypurecloud.com", ["a", "b"], ""),
    ],
)
def test_genesys_cloud_has_no_page_of_a_job_and_the_simulator_has(host: str, job_ids: list[str], page: str) -> None:
    assert resolve_hosts(host).page_of(job_ids) == page
