"""What a test needs to let actions act: a journal in memory, ears, a decision; the engine is real or a fake."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from brimline.actions.base import Job, Standing
from brimline.actions.containers import Containers
from brimline.deeds import Decision, Entry, Fate, Ledger, Outcome, Pause, Request, Verdict
from brimline.dockerapi import DockerApi
from brimline.dockerthreads import Calls
from brimline.errors import JournalError
from brimline.model import Clock, Kind, Now, Subject
from brimline.sources.docker_container import parse_inspection
from fakes import FakeClock
from unit.fake_docker import FakeDocker


class RealClock:
    """This machine's."""

    def now(self) -> Now:
        return Now(time.time(), time.monotonic())


@dataclass
class MemoryJournal:
    """Keeps what is written; `down` is how many writes it refuses, `order` what happened when."""

    up: bool = True
    down: int = 0
    intents: list[Decision] = field(default_factory=list)
    outcomes: list[tuple[Decision, Outcome, Fate]] = field(default_factory=list)
    order: list[str] = field(default_factory=list)

    def _write(self, what: str) -> None:
        if self.down:
            self.down -= 1
            raise JournalError("the disk is full")
        self.order.append(what)

    async def intend(self, decision: Decision) -> None:
        await asyncio.sleep(0)
        self._write("intended")
        self.intents.append(decision)

    async def conclude(self, decision: Decision, outcome: Outcome, fate: Fate) -> None:
        await asyncio.sleep(0)
        self._write("concluded")
        self.outcomes.append((decision, outcome, fate))

    def note(self, entry: Entry) -> None:
        pass

    def ledger(self, now: Now) -> Ledger:  # noqa: ARG002 - the port's
        return Ledger()

    def pauses(self) -> Sequence[Pause]:
        return ()

    def requests(self) -> Sequence[Request]:
        return ()


@dataclass
class Ears:
    """Hears what the runner tells."""

    concludes: list[tuple[Decision, Outcome, Fate]] = field(default_factory=list)
    refusals: list[tuple[Verdict, str]] = field(default_factory=list)

    def concluded(self, decision: Decision, outcome: Outcome, fate: Fate) -> None:
        self.concludes.append((decision, outcome, fate))

    def refused(self, decision: Decision, verdict: Verdict, reason: str) -> None:  # noqa: ARG002 - the port's
        self.refusals.append((verdict, reason))


def connected(host: str, clock: Clock, seconds: float = 5.0) -> Containers:
    """Return the containers of the engine at `host`, connected at the first question."""

    async def connect() -> DockerApi:
        return await DockerApi.connect(host, {}, Calls(), seconds)

    return Containers(connect, parse_inspection, clock)


def decided(subject: Subject, now: Now, action: str = "restart", **more: object) -> Decision:
    """Return leave to act."""
    return Decision(f"d-{subject.name}", now, action, subject, Verdict.RUN, "it is full", **more)  # type: ignore[arg-type]


def subject_of(record: dict[str, object], name: str) -> Subject:
    """Return the subject of an inspection as it stands now."""
    state = record["State"]
    assert isinstance(state, dict)
    return Subject(Kind.CONTAINER, name, (name, "", ""), f"{record['Id']}@{state['StartedAt']}")


def standing(subject: Subject, **more: object) -> Standing:
    return Standing(subject, **more)  # type: ignore[arg-type]


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for what a task of this loop brings about."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it is anything, of any thread
            await asyncio.sleep(0.01)


class Bench:
    """A fake engine and a clock that moves with every sleep; `plan` lets things happen at a time."""

    def __init__(self, fake: FakeDocker) -> None:
        self.fake = fake
        self.clock = FakeClock()
        self.containers = connected(fake.host, self.clock, 30.0)
        self.planned: list[tuple[float, Callable[[], object]]] = []
        self.slept: list[float] = []

    def plan(self, seconds: float, happening: Callable[[], object]) -> None:
        self.planned.append((self.clock.mono + seconds, happening))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.pass_(seconds)
        self.fake.tick(seconds)
        for at, happening in list(self.planned):
            if self.clock.mono >= at:
                self.planned.remove((at, happening))
                happening()
        await asyncio.sleep(0)

    @property
    def passed(self) -> float:
        return self.clock.mono - 1000.0

    def subject(self, container_id: str) -> Subject:
        record = self.fake.containers[container_id]
        return subject_of(record, record["Name"].removeprefix("/"))

    def decision(self, container_id: str, action: str = "restart") -> Decision:
        return decided(self.subject(container_id), self.clock.now(), action)

    def state(self, container_id: str) -> dict[str, object]:
        state: dict[str, object] = self.fake.containers[container_id]["State"]
        return state

    def forget(self) -> None:
        """Let the engine lose its memory, as one that died does."""
        self.fake.events.clear()

    def job(self, container_id: str, **more: object) -> Job:
        answer = self.fake.containers[container_id]
        return Job(self.decision(container_id), standing(self.subject(container_id), **more), parse_inspection(answer))
