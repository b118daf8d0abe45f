"""Which containers Brimline leans on: its own, the socket proxy, Alertmanager. They are never acted upon. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Final

from brimline.model import Container, Subject

_ID: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
# Docker and Podman mount these three from the container's own directory, whose path has its id.
_OWN_MOUNTS: Final = frozenset({"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"})
_MOUNT_POINT: Final = 4
_ROOT: Final = 3
_LOCAL: Final = re.compile(r"\|-- ([0-9.]+)\n(?:\s+/.*\n)*?\s+/32 host LOCAL")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one of our own connections leads, and the addresses its name resolves to."""

    what: str  # "Alertmanager", "the Docker socket proxy"
    host: str
    port: int
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guarded:
    """What is known of ourselves."""

    own_ids: frozenset[str] = frozenset()
    endpoints: tuple[Endpoint, ...] = field(default_factory=tuple)
    here: frozenset[str] = frozenset()  # the addresses of this host, as far as they can be seen

    def reason(self, container: Container) -> str | None:
        """Say why this container is never acted upon; None: nothing of ours depends on it."""
        if container.id in self.own_ids:
            return "this is Brimline itself"
        ends = (end for end in self.endpoints if leads_to(end, container, self.here))
        return next((f"it is {end.what} ({end.host})" for end in ends), None)

    def reasons(self, containers: Mapping[Subject, Container]) -> dict[Subject, str]:
        """Return the reasons of all that have one."""
        told = ((subject, self.reason(container)) for subject, container in containers.items())
        return {subject: reason for subject, reason in told if reason is not None}


def leads_to(end: Endpoint, container: Container, here: frozenset[str]) -> bool:
    """Tell whether a connection there ends in this container: by name, by address, or by a port of this host."""
    name, project, service = container.subject.labels
    names = {name, *container.aliases, *((service,) if project else ())}
    if end.host in names or (container.id.startswith(end.host) and len(end.host) >= 12):  # noqa: PLR2004 - a short id
        return True
    addresses = {end.host, *end.addresses}
    if addresses & set(container.addresses):
        return True
    return end.port in container.ports and any(address in here or _is_this_host(address) for address in addresses)


def own_ids(cgroup: str, mountinfo: str) -> frozenset[str]:
    """Return the ids of the container this process is in, out of /proc/self/cgroup and /proc/self/mountinfo."""
    found = set(_ID.findall(cgroup))
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if len(fields) > _MOUNT_POINT and fields[_MOUNT_POINT] in _OWN_MOUNTS:
            found.update(_ID.findall(fields[_ROOT]))
    return frozenset(found)


def local_addresses(fib_trie: str, if_inet6: str) -> frozenset[str]:
    """Return the addresses of a network name space, out of its fib_trie and if_inet6 in /proc."""
    found = set(_LOCAL.findall(fib_trie))
    for line in if_inet6.splitlines():
        digits = line.partition(" ")[0]
        with suppress(ValueError):  # a line that a full read cut off
            found.add(str(IPv6Address(bytes.fromhex(digits))))
    return frozenset(found)


def _is_this_host(text: str) -> bool:
    try:
        return text == "localhost" or ip_address(text).is_loopback
    except ValueError:
        return text in {"host.docker.internal", "host.containers.internal"}
