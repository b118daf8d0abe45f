"""A whole Brimline that acts, around a clock that a test moves: engine, judge, hand, a journal on disk, a fake Docker.

What outlives it is the place: containers, the clock, the directory of the journal.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from brimline.config import Config
from brimline.deeds import Verdict
from brimline.engine import Engine
from brimline.hand import Hand
from brimline.journal.file import NAME
from brimline.journal.store import JournalFile
from brimline.judging import Judging
from brimline.metrics.render import Renderer
from brimline.metrics.self import SelfMetrics
from brimline.model import Column, Kind, Now, Source, SourceReport
from brimline.rulefiles import load_rules
from brimline.sources.cgroup import MEMORY_USED_RATIO
from brimline.sources.docker_container import parse_inspection
from brimline.ties import Ties
from brimline.view import View
from fakes import FakeClock
from unit.acting import until
from unit.fake_docker import FakeDocker
from unit.journals import BOOT, rows

INTERVAL = 5.0
OPTED_IN = {"brimline.restart": "true"}
RULES = """
groups:
  - name: memory
    rules:
      - alert: Full
        on: container
        when: memory_used_ratio > 60%
        {held}
        severity: critical
        do: [{do}]
"""


class Place:
    """Containers of a fake engine, how full each is, and where the journal stands."""

    def __init__(self, directory: Path, fake: FakeDocker) -> None:
        self.fake, self.clock = fake, FakeClock()
        self.fake.now = int(self.clock.wall * 1e9)
        self._disk = directory / "disk"
        self._mount("whole")
        self.storage = self._disk / "journal"
        self.full: dict[str, float] = {}
        self.boot = BOOT
        self.beside: Callable[[Life], AbstractAsyncContextManager[None]] = lambda _: nullcontext()

    def container(self, name: str = "web", ratio: float = 0.9, **labels: str) -> str:
        """Add one that is healthy and may be restarted; return its id."""
        self.full[name] = ratio
        made = self.fake.add(name, labels={**OPTED_IN, **labels}, Health={"Status": "healthy"})
        self.fake.now = int(self.clock.wall * 1e9)
        return made

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.pass_(seconds)
        self.fake.tick(seconds)

    def jump(self, seconds: float) -> None:
        """Set the machine's clock, which is the engine's too."""
        self.clock.wall += seconds
        self.fake.tick(seconds)

    def lock_out(self) -> None:
        """Leave the journal no place: where its directory should be is a file."""
        self._mount("blocked")
        self.storage.write_text("no directory")

    def let_in(self) -> None:
        """Give the journal its place back, as it was."""
        self._mount("whole")

    def _mount(self, name: str) -> None:
        """Let the journal's disk be another one, in a single step: a journal that is down looks for it all the time."""
        disk = self._disk.with_name(name)
        disk.mkdir(exist_ok=True)
        link = self._disk.with_name("next")
        link.symlink_to(disk)
        link.replace(self._disk)

    def restarts(self) -> list[str]:
        """Return whom the engine was asked to restart."""
        return [container for verb, container, _ in self.fake.orders if verb == "restart"]

    def told(self, sql: str) -> list[Any]:
        """Return rows of the journal."""
        return rows(self.storage, sql) if (self.storage / NAME).exists() else []

    def fates(self) -> list[str]:
        """Return the outcomes in the journal."""
        return [fate for (fate,) in self.told("SELECT facts ->> 'fate' FROM lines WHERE kind = 'outcome' ORDER BY seq")]

    @asynccontextmanager
    async def life(self, *, do: str = "restart", held: str = "", **config: object) -> AsyncIterator[Life]:
        """Let a Brimline live here."""
        actions = {"settle": "0s", **config.pop("actions", {})}  # type: ignore[dict-item] # a mapping
        docker = {"host": self.fake.host, "timeout": "30s"}
        made = Config.model_validate(
            {"actions": actions, "sources": {"docker": docker}, "storage": {"path": str(self.storage)}, **config}
        )
        life = Life(self, made, RULES.format(do=do, held=f"for: {held}" if held else ""))
        async with self.beside(life), life.lived():
            yield life


class Looking:
    """The one source: what the engine has, and how full that is."""

    name = "docker"

    def __init__(self, place: Place) -> None:
        self._place = place
        self.readers: Mapping[str, Source] = {"docker": self}
        self.seen = SourceReport("docker", ())

    def next_look(self) -> float | None:
        return None

    def read(self, now: Now) -> SourceReport:  # noqa: ARG002 - the protocol's
        found = [parse_inspection(record) for record in list(self._place.fake.containers.values())]
        running = tuple(container.subject for container in found if container.running)
        ratios = [self._place.full[subject.name] for subject in running]
        column = Column(MEMORY_USED_RATIO[Kind.CONTAINER], running, ratios)
        self.seen = SourceReport("docker", (column,), containers={one.subject: one for one in found})
        return self.seen

    def close(self) -> None:
        """Nothing is held."""


class Life:
    """One life of Brimline."""

    def __init__(self, place: Place, config: Config, rules: str) -> None:
        self.place, self.config, self.rules_text = place, config, rules
        self.rules = load_rules({"rules.yml": rules})
        clock = place.clock
        self.journal = JournalFile(config.storage, clock, place.boot, retry=0.05)
        self.journal.open()
        metrics = SelfMetrics()
        self.judging = Judging(self.rules, (), self.journal.alerts, 120.0, clock.now())
        ties = Ties(
            clock=clock,
            environ={},
            wake=lambda _: None,
            acted=metrics.acted,
            targets=tuple,
            pids=lambda _: (),
            alert_at=lambda _: 0.8,
        )
        self.hand = Hand(config, self.rules, self.journal, ties)
        self.engine = Engine(judging=self.judging, self_metrics=metrics, clock=clock, hand=self.hand)
        self.looking = Looking(place)
        self.engine.use(self.looking, Renderer(series=1000), INTERVAL)
        self.after: Callable[[View], None] = lambda _: None

    @asynccontextmanager
    async def lived(self) -> AsyncIterator[None]:
        """Live from here to the end."""
        running = asyncio.create_task(self.hand.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await self.hand.close()
            self.journal.close()

    def look(self, seconds: float = 1.0) -> Verdict | None:
        """Make a tick after some time; return the last verdict, None where nobody asked for anything."""
        self.place.pass_(seconds)
        view = self.engine.tick(self.place.clock.now())
        self.after(view)
        return view.decisions[-1].verdict if view.decisions else None

    async def tick(self, seconds: float = 1.0) -> Verdict | None:
        """Make a tick and let what it began end."""
        verdict = self.look(seconds)
        await until(lambda: not self.hand._runner.busy())
        return verdict

    async def looks(self, count: int, seconds: float = 1.0) -> list[Verdict | None]:
        """Make so many ticks."""
        return [await self.tick(seconds) for _ in range(count)]

    async def until_run(self) -> None:
        """Tick until something was done."""
        for _ in range(30):
            if await self.tick() is Verdict.RUN:
                return
        lines = self.place.told("SELECT text FROM lines")
        raise AssertionError(f"nothing was done: {lines}")


@dataclass
class Inbox:
    """A receiver that answers as it is told, and what it was sent."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    tries: list[str] = field(default_factory=list)  # ids
    taken: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.tries.append(request.headers["webhook-id"])
        if self.status == 200:
            self.taken.append(json.loads(await request.read()))
        return web.Response(status=self.status, headers=dict(self.headers))

    def events(self) -> list[str]:
        """Return what was told, in order."""
        return [notice["event"] for body in self.taken for notice in body["notices"]]


@contextmanager
def place(directory: Path) -> Iterator[Place]:
    """Return a place with an engine of its own."""
    fake = FakeDocker(directory)
    try:
        yield Place(directory, fake)
    finally:
        fake.stop()
