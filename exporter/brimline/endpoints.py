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
from brimline.policy.guarded import Endpoint, Guarded, own_ids

ALERTMANAGER: Final = "Alertmanager"
PROXY: Final = "the Docker socket proxy"
_PORTS: Final = {"http": 80, "https": 443, "tcp": 2375}


def leans_on(config: Config, environ: Mapping[str, str]) -> Guarded:
    """Return what Brimline leans on, as far as names alone tell."""
    docker = config.sources.docker
    engines = [host for host in (docker.host, docker.action_host, environ.get("DOCKER_HOST")) if host]
    found = [*_leading(ALERTMANAGER, config.notify.alertmanagers), *_leading(PROXY, engines)]
    return Guarded(_own(config.path.procfs), tuple(found))


def resolved(found: Guarded) -> Guarded:
    """Return the same with the addresses of the names. It blocks."""
    return replace(found, endpoints=tuple([replace(e, addresses=_addresses(e.host, e.port)) for e in found.endpoints]))


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
    texts = []
    for name in ("cgroup", "mountinfo"):
        try:
            texts.append(Path(procfs, "self", name).read_text("utf-8", "replace"))
        except OSError:
            texts.append("")
    return own_ids(*texts)
