"""The one Docker client: the SDK's APIClient behind coroutines that always come back.

A call owns a daemon thread; one that hangs costs that thread and nothing else, neither the loop nor the exit.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from brimline.dockerconnect import knock, open_client, ordered
from brimline.dockerorders import History, OrderError, lets_create, never_left, order, past
from brimline.dockerthreads import Answer, Calls, EventStream, cut, guarded
from brimline.errors import SourceError, UnreachableError
from brimline.redaction import hide_secrets

if TYPE_CHECKING:  # Docker is imported only where it is used
    from docker import APIClient
    from requests import Response

T = TypeVar("T")

ONE_SHOT_API: Final = "1.41"
OWN_TIMEOUT_API: Final = "1.25"  # an engine before it takes a missing `t` for 0 and kills at once
USUAL_STOP: Final = 10.0  # seconds between SIGTERM and SIGKILL where nobody said another number
START_MARGIN: Final = 30.0  # what killing, freeing its memory and starting may take beside that


class DockerApi:
    """One engine, connected; every method answers or raises a SourceError within the timeout."""

    def __init__(self, client: APIClient, host: str, version: Answer, calls: Calls, timeout: float) -> None:
        self._host, self._shown = host, hide_secrets(host)
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
            return guarded(what, lambda: open_client(host, environ, timeout))

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
        one_shot = True if ordered(self.api_version) >= ordered(ONE_SHOT_API) else None
        return await self._one(
            f"stats of {container_id[:12]}",
            lambda: self._client.stats(container_id, stream=False, one_shot=one_shot),
        )

    async def memory_total(self) -> int | None:
        """Return the memory of the engine's machine."""
        answer = await self._one("info", self._client.info)
        total = answer.get("MemTotal") if answer is not None else None
        return total if isinstance(total, int) and total > 0 else None

    async def restart(self, container_id: str, *, own: float | None, wanted: float | None) -> None:
        """Stop and start a container; returns once the engine says it did, raises OrderError otherwise.

        `wanted` are the seconds between SIGTERM and SIGKILL; None leaves them to the container, whose `own` these are.
        """
        await self._order("restart", container_id, USUAL_STOP if own is None else own, wanted)

    async def stop(self, container_id: str, *, own: float | None, wanted: float | None) -> None:
        """Stop a container; one that is stopped already is fine."""
        await self._order("stop", container_id, USUAL_STOP if own is None else own, wanted)

    async def start(self, container_id: str) -> None:
        """Start a container; one that runs already is fine."""
        await self._order("start", container_id, 0.0, None)

    async def history(self) -> History:
        """Return what the engine remembers of its containers: Docker the last 256 events since its own start."""
        return await self._call("its past events", lambda: past(self._client, self._timeout))

    async def lets_create(self) -> bool | None:
        """Tell whether a request to create a container reaches the engine; nothing is created. None: nobody knows."""
        return await self._call("whether it lets create", lambda: lets_create(self._client, self._timeout))

    async def tasks(self, service: str) -> list[object]:
        """List the tasks of a service of Swarm; only a manager tells of them."""

        def work() -> object:
            return self._client.tasks(filters={"service": [service]})  # type: ignore[no-untyped-call]

        answer = await self._call("listing tasks", work)
        if not isinstance(answer, list):
            raise SourceError(f"{self._shown}: listing tasks: no list but {str(answer)[:80]!r}")
        return answer

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

    async def _order(self, verb: str, container_id: str, own: float, wanted: float | None) -> None:
        what = f"{self._shown}: {verb} of {container_id[:12]}"
        if wanted is None and verb != "start" and ordered(self.api_version) < ordered(OWN_TIMEOUT_API):
            wanted = own
        seconds = (own if wanted is None else wanted) + START_MARGIN

        def work() -> None:
            order(self._client, what, f"containers/{container_id}/{verb}", wanted, seconds)

        try:
            await self._call(f"{verb} of {container_id[:12]}", work, seconds + self._timeout)
        except OrderError:
            raise
        except SourceError as error:
            raise OrderError(str(error), reached=False if never_left(error) else None) from error

    async def _call(self, what: str, work: Callable[[], T], seconds: float | None = None) -> T:
        seconds = self._timeout if seconds is None else seconds
        responses: list[Response] = []

        def knocked() -> T:
            knock(self._host, self._timeout)
            return work()

        def traced() -> T:
            self._current.responses = responses
            return guarded(f"{self._shown}: {what}", knocked)

        try:
            return await self._calls.result(traced, seconds)
        except TimeoutError:
            for response in responses:  # half an answer: wake the thread that waits for the rest
                cut(response)
            raise UnreachableError(f"{self._shown}: {what}: no answer within {seconds:g} s") from None
