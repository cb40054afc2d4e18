# SPDX-License-Identifier: Apache-2.0
"""Which hosts recordings may come from: a URL is somebody else's word, and must not reach into our own network."""

from __future__ import annotations

import ipaddress
import socket
from typing import TypeVar

from urllib3 import HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPSConnection

from airflow_provider_genesys.export.errors import Refused

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""RFC 6052: IPv6-only networks reach an IPv4 address through this prefix, a private one too."""

_Pool = TypeVar("_Pool", bound=PoolManager)


def guarded(pool: _Pool) -> _Pool:
    """Make a pool manager talk https to public addresses only.

    The check is on the connected socket, before a byte is sent: whatever a name resolved to a moment ago, and however
    an address is spelled, counts for nothing.
    """
    pool.pool_classes_by_scheme = {"https": _GuardedPool}
    return pool


def check_resolved(host: str, port: int) -> None:
    """Refuse a host that resolves to a private address, where a proxy and not this process connects to it.

    A name that only the proxy can resolve passes: its rules decide then.

    :raises Refused: for a host of which one address is private.
    """
    try:
        resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    for *_, address in resolved:
        check_address(host, str(address[0]))


def check_address(host: str, address: str) -> None:
    """Refuse an address that is not on the public internet.

    :raises Refused: naming the host, and what to do where it is meant.
    """
    if not is_public(address):
        raise Refused(
            f"refused to download from a private address ({host}, {address}); "
            "set allow_private_downloads in the connection's extra if this storage is your own"
        )


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet, seen through the ways in which IPv6 carries IPv4."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        nat64 = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
        if carried := ip.ipv4_mapped or ip.sixtofour or nat64:
            return is_public(str(carried))
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


class _GuardedConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        try:
            check_address(self.host, connected.getpeername()[0])
        except BaseException:
            connected.close()
            raise
        return connected


class _GuardedPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedConnection
