"""How an engine is reached: which way, which TLS, which API version. All of it blocks; `DockerApi` has the threads."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from brimline.errors import SourceError
from brimline.offlimits import WHY, leads_to
from brimline.redaction import hide_secrets

if TYPE_CHECKING:  # Docker is imported only where it is used
    from docker import APIClient
    from docker.tls import TLSConfig

NEWEST_API: Final = "1.45"  # what this code was written against; an engine that knows more is asked in these terms
_REMOTE: Final = ("tcp://", "http://", "https://")


def find_host(environ: Mapping[str, str], exists: Callable[[str], bool]) -> str | None:
    """Return DOCKER_HOST, else the first socket there is: Docker's, rootless Docker's, Podman's, rootless Podman's."""
    if host := environ.get("DOCKER_HOST", "").strip():
        return host
    sockets = ["/var/run/docker.sock", "/run/podman/podman.sock"]
    if runtime := environ.get("XDG_RUNTIME_DIR", "").rstrip("/"):
        sockets = [sockets[0], f"{runtime}/docker.sock", sockets[1], f"{runtime}/podman/podman.sock"]
    return next((f"unix://{path}" for path in sockets if exists(path)), None)


def negotiate(newest: str, oldest: str | None) -> str:
    """Return the version to speak with an engine that knows `oldest` to `newest`: ours, or the nearest it takes."""
    return min(newest, max(NEWEST_API, oldest or NEWEST_API, key=ordered), key=ordered)


def ordered(version: str) -> tuple[int, ...]:
    """Return a version as numbers that compare."""
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError:
        raise SourceError(f'"{version}" is no Docker API version; is this socket Docker\'s?') from None


def open_client(host: str, environ: Mapping[str, str], timeout: float) -> tuple[APIClient, Mapping[str, object]]:
    """Return a client that speaks the newest API both sides know, and what /version says."""
    from docker import APIClient  # noqa: PLC0415 - imported only where Docker is used

    knock(host, timeout)
    if (name := host_of(host)) and (place := leads_to(name)):
        raise SourceError(f"{name} leads to {place}, which {WHY}")

    def client(api_version: str) -> APIClient:  # with a version given the constructor asks nothing
        made = APIClient(host, version=api_version, timeout=cast("int", timeout), tls=tls)
        made.trust_env = False  # REQUESTS_CA_BUNDLE would replace the CA of DOCKER_CERT_PATH, HTTP_PROXY the way there
        if host.startswith("unix://"):  # there the SDK keeps a pool, and in it a socket, for each path it ever asked
            made.headers["Connection"] = "close"
        return made

    tls = _tls(environ) if host.startswith(_REMOTE) else False
    with closing(client(NEWEST_API)) as probe:
        version = probe.version(api_version=False)
    if not isinstance(version, dict) or not isinstance(version.get("ApiVersion"), str):
        raise SourceError(f'{hide_secrets(host)}: /version has no "ApiVersion"; is this socket Docker\'s?')
    chosen = negotiate(version["ApiVersion"], version.get("MinAPIVersion") or None)
    return client(chosen), version


def knock(host: str, timeout: float) -> None:
    """Raise an OSError where nobody listens at this unix socket."""
    # The SDK loses its socket where connecting fails (docker/docker-py pull request 3356), once at each attempt.
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(timeout)
            one.connect(f"/{host.removeprefix('unix://').lstrip('/')}")


def host_of(address: str) -> str | None:
    """Return the host of an engine elsewhere; None: it is a socket of this machine, or no address."""
    with suppress(ValueError):
        return urlsplit(address).hostname if not address.startswith("unix://") else None
    return None


def _tls(environ: Mapping[str, str]) -> TLSConfig | bool:
    from docker.tls import TLSConfig  # noqa: PLC0415 - imported only where Docker is used

    verify, directory = environ.get("DOCKER_TLS_VERIFY", ""), environ.get("DOCKER_CERT_PATH", "")
    if not verify and not directory:
        return False
    directory = directory or os.path.join(environ.get("HOME", "/root"), ".docker")  # noqa: PTH118 - text in, text out
    pair = (f"{directory}/cert.pem", f"{directory}/key.pem")
    return TLSConfig(client_cert=pair, ca_cert=f"{directory}/ca.pem", verify=bool(verify))
