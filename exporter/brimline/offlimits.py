"""Addresses that Brimline never calls, whoever names them: link-local ones and those of clouds' metadata.

What answers there hands out credentials to any caller from the machine. There is no exception.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

WHY: Final = "is link-local or a cloud's metadata: Brimline never calls such an address"
_NETWORKS: Final = tuple(
    ip_network(text)
    for text in (
        "169.254.0.0/16",  # link-local; 169.254.169.254 is the metadata of most clouds, 169.254.170.2 that of ECS
        "fe80::/10",
        "fd00:ec2::/32",  # AWS: ::254 metadata, ::23 EKS Pod Identity
        "fd20:ce::254/128",  # Google Cloud
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure's WireServer
        "192.0.0.192/32",  # Oracle Cloud, older shapes
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")  # an IPv4 address in its last 32 bits (RFC 6052)


def forbidden(host: str) -> bool:
    """Tell whether an address is never called; a name is not known before it is resolved."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return False
    return any(_within(one) for one in (address, *_carried(address)))


def leads_to(host: str) -> str | None:
    """Return an address a name leads to that is never called; None: there is no such one. It blocks."""
    with suppress(OSError, UnicodeError):  # whoever connects says so
        found = [str(address[0]) for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
        return next(filter(forbidden, found), None)
    return None


def _within(address: IPv4Address | IPv6Address) -> bool:
    # A scope (fe80::1%eth0) says through which interface; the networks have none.
    plain = IPv6Address(int(address)) if isinstance(address, IPv6Address) else address
    return any(plain in network for network in _NETWORKS)


def _carried(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address leads to."""
    if isinstance(address, IPv4Address):
        return []
    nat64 = IPv4Address(int(address) & 0xFFFFFFFF) if IPv6Address(int(address)) in _NAT64 else None
    return [found for found in (address.ipv4_mapped, address.sixtofour, nat64) if found is not None]
