"""Containers as actions see and change them: by id, through an engine that may be away when it is asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from brimline.actions.way import Connect, Way
from brimline.dockerapi import USUAL_STOP, DockerApi
from brimline.dockerorders import History, OrderError
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
class Task:
    """What a manager of Swarm tells of one task."""

    id: str
    slot: int  # which replica it is; 0 where every host has one
    running: bool
    condition: str  # when another one takes its place: none, on-failure, any


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
        self,
        connect: Connect,
        read: Callable[[Answer], Container],
        clock: Clock,
        ordered_to: set[str] | None = None,
    ) -> None:
        self._way = Way(connect)
        self._read = read
        self._clock = clock
        self._ordered_to = set() if ordered_to is None else ordered_to

    def succeeded(self, connect: Connect) -> Containers:
        """Return those of another engine; these keep their own for what is under way, and share what was ordered."""
        self._way.retire()
        return Containers(connect, self._read, self._clock, self._ordered_to)

    def take_order(self, container_id: str) -> bool:
        """Tell whether an order of ours explains that the container was started anew; it explains that once."""
        if container_id not in self._ordered_to:
            return False
        self._ordered_to.remove(container_id)
        return True

    async def connect(self) -> None:
        """Connect where no connection is kept; raises a SourceError where there is no engine."""
        await self._way.engine()

    async def inspect(self, container_id: str) -> Container | None:
        """Return how it stands now; None: it is gone."""
        async with self._way.asking() as engine:
            answer = await engine.inspect(container_id)
        return None if answer is None else self._read(answer)

    async def list(self) -> list[Listing]:
        """Return all containers, stopped ones too, by name."""
        async with self._way.asking() as engine:
            answers = await engine.containers()
        return sorted([_listing(a) for a in answers if isinstance(a, dict)], key=lambda one: one.name)

    async def tasks(self, service: str) -> Sequence[Task]:
        """Return all tasks of a service of Swarm, those that ended too."""
        async with self._way.asking() as engine:
            answers = await engine.tasks(service)
        return [_task(answer) for answer in answers if isinstance(answer, dict)]

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
        history = await self._history()
        if history is None:
            return Memory(reaches=True, signalled=False)
        began = since + history.now - self._clock.now().wall  # by the engine's clock, told in whole seconds
        oldest = min((_moment(event) for event in history.events), default=math.inf)
        return Memory(oldest < max(began, container.started + _BEGINNING), _signalled(history, container, began))

    async def signalled(self, container: Container, since: float) -> bool:
        """Tell whether it was sent a signal since a moment of the engine's clock, as far as the engine remembers."""
        history = await self._history()
        return history is not None and _signalled(history, container, since)

    def close(self) -> None:
        """Close the idle connections; the next question connects anew."""
        self._way.close()

    async def _history(self) -> History | None:
        async with self._way.asking() as engine:
            return None if engine.engine == "podman" else await engine.history()

    async def _ordered(self, container_id: str) -> DockerApi:
        try:
            engine = await self._way.engine()
        except SourceError as error:
            raise OrderError(str(error), reached=False) from error
        self._ordered_to.add(container_id)
        return engine


def _signalled(history: History, container: Container, since: float) -> bool:
    return any(
        _moment(event) >= since and _id(event) == container.id and _action(event) in _SIGNALLED
        for event in history.events
    )


def _task(answer: Mapping[str, object]) -> Task:
    spec, status, slot = answer.get("Spec"), answer.get("Status"), answer.get("Slot")
    policy = spec.get("RestartPolicy") if isinstance(spec, dict) else None
    return Task(
        id=str(answer.get("ID", "")),
        slot=slot if isinstance(slot, int) else 0,
        running=isinstance(status, dict) and status.get("State") == "running",
        condition=str(policy.get("Condition") or "any") if isinstance(policy, dict) else "any",
    )


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
