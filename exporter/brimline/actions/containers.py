"""Containers as actions see and change them: by id, through an engine that may be away when it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from brimline.dockerapi import USUAL_STOP, DockerApi
from brimline.dockerorders import OrderError
from brimline.dockerthreads import Answer
from brimline.errors import SourceError, UnitError
from brimline.model import Clock, Container
from brimline.units import parse_duration

STOP_LABEL: Final = "brimline.stop-timeout"
LONGEST_STOP: Final = 86_400.0  # seconds; more is a slip, or more than a socket can be told to wait
_SIGNALLED: Final = frozenset({"kill", "stop"})
_BEGINNING: Final = 1.0  # seconds between StartedAt and the event that tells of it


@dataclass(frozen=True, slots=True)
class Listing:
    """What the list tells of a container without inspecting it."""

    id: str
    name: str
    labels: Mapping[str, str]
    network_mode: str
    running: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """What the engine remembers since a moment."""

    reaches: bool  # it has run since before that moment: a restart it was asked for goes on by itself
    signalled: bool  # the container was sent a signal since


@dataclass(frozen=True, slots=True)
class StopTime:
    """How long a container has between SIGTERM and SIGKILL."""

    own: float  # its own, or the engine's
    wanted: float | None = None  # what somebody asked Brimline for; None: leave it to the container

    @property
    def seconds(self) -> float:
        """Return the one that holds."""
        return self.own if self.wanted is None else self.wanted


def stop_time(container: Container, configured: float | None) -> StopTime:
    """Return how long it gets: its label brimline.stop-timeout, else the configuration's, else its own StopTimeout."""
    told = USUAL_STOP if container.stop_timeout is None else container.stop_timeout
    own = float(told) if 0 <= told <= LONGEST_STOP else LONGEST_STOP  # below 0 an engine waits without an end
    wanted, label = configured, container.labels.get(STOP_LABEL)
    if label is not None:
        with suppress(UnitError):
            wanted = parse_duration(label.strip())
    return StopTime(own, None if wanted is None else min(wanted, LONGEST_STOP))


class Containers:
    """One engine, connected at the first question and kept; every method answers or raises a SourceError."""

    def __init__(
        self, connect: Callable[[], Awaitable[DockerApi]], read: Callable[[Answer], Container], clock: Clock
    ) -> None:
        self._connect = connect
        self._read = read
        self._clock = clock
        self._api: DockerApi | None = None
        self._connecting = asyncio.Lock()
        self._ordered_to: set[str] = set()

    def take_order(self, container_id: str) -> bool:
        """Tell whether an order of ours explains that the container was started anew; it explains that once."""
        if container_id not in self._ordered_to:
            return False
        self._ordered_to.remove(container_id)
        return True

    async def connect(self) -> None:
        """Connect where no connection is kept; raises a SourceError where there is no engine."""
        await self._engine()

    async def inspect(self, container_id: str) -> Container | None:
        """Return how it stands now; None: it is gone."""
        async with self._asking() as engine:
            answer = await engine.inspect(container_id)
        return None if answer is None else self._read(answer)

    async def list(self) -> list[Listing]:
        """Return all containers, stopped ones too, by name."""
        async with self._asking() as engine:
            answers = await engine.containers()
        return sorted([_listing(a) for a in answers if isinstance(a, dict)], key=lambda one: one.name)

    async def restart(self, container_id: str, time: StopTime) -> None:
        """Have it stopped and started; an OrderError tells whether the engine heard of it."""
        await (await self._ordered(container_id)).restart(container_id, own=time.own, wanted=time.wanted)

    async def stop(self, container_id: str, time: StopTime) -> None:
        """Have it stopped."""
        await (await self._ordered(container_id)).stop(container_id, own=time.own, wanted=time.wanted)

    async def start(self, container_id: str) -> None:
        """Have it started."""
        await (await self._ordered(container_id)).start(container_id)

    async def memory(self, container: Container, since: float) -> Memory:
        """Return what the engine remembers of an incarnation since a moment of our wall clock.

        Docker (20.10) keeps its last 256 events and forgets them when it ends. As it comes back it stops what still
        runs, with the same events as a person's stop; so only events of an engine that ran all along tell of a person.
        Podman's service does not run the containers, and its events outlive it: they tell nothing here.
        """
        async with self._asking() as engine:
            if engine.engine == "podman":
                return Memory(reaches=True, signalled=False)
            history = await engine.history()
        began = since + history.now - self._clock.now().wall  # by the engine's clock, told in whole seconds
        told = [(_moment(event), event) for event in history.events]
        signalled = any(at >= began and _id(e) == container.id and _action(e) in _SIGNALLED for at, e in told)
        return Memory(any(at < max(began, container.started + _BEGINNING) for at, _ in told), signalled)

    def close(self) -> None:
        """Close the idle connections; the next question connects anew."""
        if self._api is not None:
            self._api.close()
            self._api = None

    async def _engine(self) -> DockerApi:
        async with self._connecting:
            if self._api is None:
                self._api = await self._connect()
            return self._api

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[DockerApi]:
        """Yield the engine; after a failure the next question connects anew: a newer one may stand in its place."""
        engine = await self._engine()
        try:
            yield engine
        except SourceError:
            if engine is self._api:
                self.close()
            raise

    async def _ordered(self, container_id: str) -> DockerApi:
        try:
            engine = await self._engine()
        except SourceError as error:
            raise OrderError(str(error), reached=False) from error
        self._ordered_to.add(container_id)
        return engine


def _listing(answer: Mapping[str, object]) -> Listing:
    names, labels, host = answer.get("Names"), answer.get("Labels"), answer.get("HostConfig")
    own = [n for n in names if isinstance(n, str) and n.count("/") <= 1] if isinstance(names, list) else []
    return Listing(
        id=str(answer.get("Id", "")),
        name=own[0].removeprefix("/") if own else "",
        labels={str(k): str(v) for k, v in labels.items()} if isinstance(labels, dict) else {},
        network_mode=str(host.get("NetworkMode", "")) if isinstance(host, dict) else "",
        running=answer.get("State") == "running",
    )


def _moment(event: Mapping[str, object]) -> float:
    nanos = event.get("timeNano")
    return nanos / 1e9 if isinstance(nanos, int) else 0.0


def _id(event: Mapping[str, object]) -> object:
    actor = event.get("Actor")
    return actor.get("ID") if isinstance(actor, dict) else None


def _action(event: Mapping[str, object]) -> str:
    return str(event.get("Action", "")).partition(":")[0]
