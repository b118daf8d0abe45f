"""Where our own connections lead: by name at once, by the addresses of the names once a thread has looked them up."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from brimline.config import Config
from brimline.policy.guarded import Endpoint, Guarded, local_addresses, own_ids

ALERTMANAGER: Final = "Alertmanager"
PROXY: Final = "the Docker socket proxy"
_LARGEST: Final = 1 << 20  # bytes of a file of /proc: a router has a million routes
_PORTS: Final = {"http": 80, "https": 443, "tcp": 2375}


def leans_on(config: Config, environ: Mapping[str, str]) -> Guarded:
    """Return what Brimline leans on, as far as names alone tell."""
    docker = config.sources.docker
    engines = [host for host in (docker.host, docker.action_host, environ.get("DOCKER_HOST")) if host]
    alertmanagers = [address.get_secret_value() for address in config.notify.alertmanagers]
    found = [*_leading(ALERTMANAGER, alertmanagers), *_leading(PROXY, engines)]
    return Guarded(_own(config.path.procfs), tuple(found), _here(config.path.procfs))


def remembering(found: Guarded, known: Guarded) -> Guarded:
    """Return the same with the addresses that were known of the same names."""
    before = {(end.host, end.port): end.addresses for end in known.endpoints}
    ends = [replace(end, addresses=before.get((end.host, end.port), ())) for end in found.endpoints]
    return replace(found, endpoints=tuple(ends))


def resolved(found: Guarded) -> Guarded:
    """Return the same with the addresses of the names; one that cannot be looked up keeps its own. It blocks."""
    ends = [replace(end, addresses=_addresses(end.host, end.port) or end.addresses) for end in found.endpoints]
    return replace(found, endpoints=tuple(ends))


def _leading(what: str, addresses: Iterable[str]) -> Iterator[Endpoint]:
    for address in addresses:
        with suppress(ValueError):  # no address, or no port: whoever connects says so
            parts = urlsplit(address)
            if parts.scheme in _PORTS and parts.hostname:
                yield Endpoint(what, parts.hostname, parts.port or _PORTS[parts.scheme])


def _addresses(host: str, port: int) -> tuple[str, ...]:
    with suppress(OSError, UnicodeError):  # the latter: no name at all, such as one with an empty part
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return tuple(dict.fromkeys(str(address[0]) for *_, address in found))
    return ()


def _own(procfs: str) -> frozenset[str]:
    return own_ids(*(_text(Path(procfs, "self", name)) for name in ("cgroup", "mountinfo")))


def _here(procfs: str) -> frozenset[str]:
    """Return the addresses of our own network and of init's, which is the host's where we see its processes."""
    places = [Path(procfs, pid, "net") for pid in ("self", "1")]
    found = [local_addresses(_text(place / "fib_trie"), _text(place / "if_inet6")) for place in places]
    return frozenset().union(*found)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""
