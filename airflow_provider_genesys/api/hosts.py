# SPDX-License-Identifier: Apache-2.0
"""From what a connection says of its host to the two base URLs: the API's and the login's."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from airflow_provider_genesys.export.errors import InvalidInput

REGIONS = frozenset(
    {"mypurecloud.com", "mypurecloud.ie", "mypurecloud.com.au", "mypurecloud.jp", "mypurecloud.de"}
    | {
        f"{region}.pure.cloud"
        for region in ("usw2", "cac1", "apne2", "euw2", "aps1", "sae1", "mec1", "apne3", "euc2", "mxc1", "apse1")
    }
    | {"use2.us-gov-pure.cloud", "edee1.eusc-pure.cloud"}
)
"""The domains of Genesys Cloud's regions; a bare one stands for its ``api.`` host."""


@dataclass(frozen=True)
class Hosts:
    """Where an organisation answers.

    :param api_url: base URL of the API, without a final slash.
    :param login_url: base URL below which ``/oauth/token`` is.
    """

    api_url: str
    login_url: str

    @property
    def name(self) -> str:
        """The API's host and port: the organisation's host in the ledger."""
        return urlsplit(self.api_url).netloc

    def page_of(self, job_ids: Sequence[str]) -> str:
        """Where a person looks at jobs; empty where there is no such page.

        Genesys Cloud has none: its API tells of a job, to whoever brings a token, and nothing in its UI does. The
        simulator has one, and nobody else speaks http.
        """
        if not job_ids or urlsplit(self.api_url).scheme != "http":
            return ""
        anchor = f"#{quote(job_ids[0], safe='')}" if len(job_ids) == 1 else ""
        return f"{self.api_url}/_simulator/jobs.html{anchor}"


def resolve_hosts(host: str | None, login_url: str | None = None) -> Hosts:
    """Read a connection's host.

    :param host: ``api.mypurecloud.com``, a bare region (``usw2.pure.cloud``) or a full base URL.
    :param login_url: base URL of the login; derived from the host where it is missing.
    :raises InvalidInput: for an empty host, a scheme other than https (http is taken on loopback only), or anything
        that is no host.
    """
    if not host or not host.strip():
        raise InvalidInput("the Genesys Cloud connection has no host: give the API host, such as api.mypurecloud.com")
    api_url = _base_url(host.strip(), "host")
    return Hosts(api_url, _base_url(login_url.strip(), "login_url") if login_url else _derived_login(api_url))


def _base_url(text: str, setting: str) -> str:
    try:
        if "://" not in text:
            text = f"{'http' if _is_loopback(urlsplit(f'//{text}').hostname) else 'https'}://{text}"
        parts = urlsplit(text)
        hostname, _ = parts.hostname, parts.port
    except ValueError:
        hostname = None
    if not hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise InvalidInput(
            f"the connection's {setting} must be a host or a base URL such as https://api.mypurecloud.com"
        )
    if parts.scheme == "http" and not _is_loopback(hostname):
        raise InvalidInput(f"the connection's {setting} {text!r} must use https: a client secret is sent there")
    if parts.scheme not in ("http", "https"):
        raise InvalidInput(f"the connection's {setting} {text!r} has the scheme {parts.scheme!r}: use https")
    netloc = parts.netloc.lower()
    if setting == "host" and netloc in REGIONS:
        netloc = f"api.{netloc}"
    return f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"


def _derived_login(api_url: str) -> str:
    parts = urlsplit(api_url)
    if parts.netloc.startswith("api."):
        return f"{parts.scheme}://login.{parts.netloc.removeprefix('api.')}"
    return api_url


def _is_loopback(hostname: str | None) -> bool:
    if hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(hostname or "").is_loopback
    except ValueError:
        return False
