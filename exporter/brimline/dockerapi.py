"""The one Docker client: the SDK's APIClient behind coroutines that always come back.

A call owns a daemon thread; one that hangs costs that thread and nothing else, neither the loop nor the exit.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Final, TypeVar, cast

from brimline.dockerthreads import Answer, Calls, EventStream, cut, guarded
from brimline.errors import SourceError, UnreachableError
from brimline.redaction import hide_secrets

if TYPE_CHECKING:  # Docker is imported only where it is used
    from docker import APIClient
    from docker.tls import TLSConfig
    from requests import Response

T = TypeVar("T")

NEWEST_API: Final = "1.45"  # what this code was written against; an engine that knows more is asked in these terms
ONE_SHOT_API: Final = "1.41"
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
    return min(newest, max(NEWEST_API, oldest or NEWEST_API, key=_ordered), key=_ordered)


def _ordered(version: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError:
        raise SourceError(f'"{version}" is no Docker API version; is this socket Docker\'s?') from None


class DockerApi:
    """One engine, connected; every method answers or raises a SourceError within the timeout."""

    def __init__(self, client: APIClient, host: str, version: Answer, calls: Calls, timeout: float) -> None:
        self._shown = hide_secrets(host)
        self.version = version
        self._client = client
        self._calls = calls
        self._timeout = timeout
        self._current = threading.local()
        client.hooks["response"].append(self._remember)

    @classmethod
    async def connect(
        cls,
        host: str,
        environ: Mapping[str, str],
        calls: Calls,
        timeout: float,  # noqa: ASYNC109 - every later call has it too
    ) -> DockerApi:
        """Ask for the engine's version and speak the newest API both sides know."""
        what = f"{hide_secrets(host)}: connecting"

        def work() -> tuple[APIClient, Answer]:
            return guarded(what, lambda: _open(host, environ, timeout))

        try:
            client, version = await calls.result(work, timeout)
        except TimeoutError:
            raise UnreachableError(f"{what}: no answer within {timeout:g} s") from None
        return cls(client, host, version, calls, timeout)

    @property
    def api_version(self) -> str:
        """Return the negotiated version."""
        return str(self._client.api_version)

    @property
    def engine(self) -> str:
        """Return "podman" or "docker"."""
        parts = self.version.get("Components")
        names = [str(p.get("Name", "")) for p in parts if isinstance(p, dict)] if isinstance(parts, list) else []
        return "podman" if any("podman" in name.lower() for name in names) else "docker"

    async def containers(self) -> list[object]:
        """List every container, stopped ones too, in one request."""
        answer = await self._call("listing containers", lambda: self._client.containers(all=True))
        if not isinstance(answer, list):
            raise SourceError(f"{self._shown}: listing containers: no list but {str(answer)[:80]!r}")
        return answer

    async def inspect(self, container_id: str) -> Answer | None:
        """Return all about one container; None: it is gone."""
        return await self._one(f"inspecting {container_id[:12]}", lambda: self._client.inspect_container(container_id))

    async def stats(self, container_id: str) -> Answer | None:
        """Return one sample of the container's counters; None: it is gone."""
        # Without one-shot (API 1.41) the engine waits for a second sample, one to two seconds.
        one_shot = True if _ordered(self.api_version) >= _ordered(ONE_SHOT_API) else None
        return await self._one(
            f"stats of {container_id[:12]}",
            lambda: self._client.stats(container_id, stream=False, one_shot=one_shot),
        )

    async def memory_total(self) -> int | None:
        """Return the memory of the engine's machine."""
        answer = await self._one("info", self._client.info)
        total = answer.get("MemTotal") if answer is not None else None
        return total if isinstance(total, int) and total > 0 else None

    async def ping(self) -> None:
        """Ask whether the engine is alive."""
        await self._call("ping", self._client.ping)

    async def events(self, since: float | None, filters: Mapping[str, list[str]], idle: float) -> EventStream:
        """Follow events from `since` (epoch seconds); the stream ends by itself after `idle` seconds of silence."""
        stream = EventStream(self._client, self._shown, since, filters, idle)
        self._calls.start(stream.pump)
        try:
            async with asyncio.timeout(self._timeout):
                await stream.opened.wait()
        except TimeoutError:
            stream.close()
            raise UnreachableError(f"{self._shown}: events: no answer within {self._timeout:g} s") from None
        return stream

    def close(self) -> None:
        """Close the idle connections."""
        self._client.close()

    def _remember(self, response: Response, *_args: object, **_more: object) -> None:
        seen: list[Response] | None = getattr(self._current, "responses", None)
        if seen is not None:
            seen.append(response)

    async def _one(self, what: str, work: Callable[[], object]) -> Answer | None:
        def found() -> object:
            from docker.errors import NotFound  # noqa: PLC0415 - imported only where Docker is used

            try:
                return work()
            except NotFound:
                return None

        answer = await self._call(what, found)
        if answer is not None and not isinstance(answer, dict):
            raise SourceError(f"{self._shown}: {what}: no object but {str(answer)[:80]!r}")
        return answer

    async def _call(self, what: str, work: Callable[[], T]) -> T:
        responses: list[Response] = []

        def traced() -> T:
            self._current.responses = responses
            return guarded(f"{self._shown}: {what}", work)

        try:
            return await self._calls.result(traced, self._timeout)
        except TimeoutError:
            for response in responses:  # half an answer: wake the thread that waits for the rest
                cut(response)
            raise UnreachableError(f"{self._shown}: {what}: no answer within {self._timeout:g} s") from None


def _open(host: str, environ: Mapping[str, str], timeout: float) -> tuple[APIClient, Answer]:
    from docker import APIClient  # noqa: PLC0415 - imported only where Docker is used

    _knock(host, timeout)

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


def _knock(host: str, timeout: float) -> None:
    # The SDK loses its socket where connecting fails (docker/docker-py pull request 3356), once at each attempt.
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(timeout)
            one.connect(f"/{host.removeprefix('unix://').lstrip('/')}")


def _tls(environ: Mapping[str, str]) -> TLSConfig | bool:
    from docker.tls import TLSConfig  # noqa: PLC0415 - imported only where Docker is used

    verify, directory = environ.get("DOCKER_TLS_VERIFY", ""), environ.get("DOCKER_CERT_PATH", "")
    if not verify and not directory:
        return False
    directory = directory or os.path.join(environ.get("HOME", "/root"), ".docker")  # noqa: PTH118 - text in, text out
    pair = (f"{directory}/cert.pem", f"{directory}/key.pem")
    return TLSConfig(client_cert=pair, ca_cert=f"{directory}/ca.pem", verify=bool(verify))
