"""Where our own connections lead: by name at once, by the addresses of the names once a thread has looked them up."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from brimline.policy.guarded import Endpoint, Guarded, own_ids

ALERTMANAGER: Final = "Alertmanager"
PROXY: Final = "the Docker socket proxy"
_PORTS: Final = {"http": 80, "https": 443, "tcp": 2375}


def guarded(alertmanagers: Iterable[str], engines: Iterable[str | None], procfs: str) -> Guarded:
    """Return what Brimline leans on, as far as names alone tell."""
    found = [*_leading(ALERTMANAGER, alertmanagers), *_leading(PROXY, [host for host in engines if host])]
    return Guarded(_own(procfs), tuple(found))


def resolved(found: Guarded) -> Guarded:
    """Return the same with the addresses of the names. It blocks."""
    return replace(found, endpoints=tuple([replace(e, addresses=_addresses(e.host, e.port)) for e in found.endpoints]))


def _leading(what: str, addresses: Iterable[str]) -> Iterator[Endpoint]:
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme in _PORTS and parts.hostname:
            port = parts.port or _PORTS[parts.scheme]
            yield Endpoint(what, parts.hostname, port)


def _addresses(host: str, port: int) -> tuple[str, ...]:
    with suppress(OSError):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return tuple(dict.fromkeys(str(address[0]) for *_, address in found))
    return ()


def _own(procfs: str) -> frozenset[str]:
    texts = []
    for name in ("cgroup", "mountinfo"):
        try:
            texts.append(Path(procfs, "self", name).read_text("utf-8", "replace"))
        except OSError:
            texts.append("")
    return own_ids(*texts)
