"""The composition root: a configuration turned into objects and tasks, and the reload that swaps them."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from brimline import logs
from brimline.carrying import Carrying, Counts
from brimline.config import Config, Loaded
from brimline.engine import Engine, LoopPoller, SystemClock
from brimline.errors import BrimlineError, ConfigError
from brimline.judging import Judging
from brimline.members import Members, Scale, below
from brimline.metrics.cadvisor import Cadvisor
from brimline.metrics.render import Renderer
from brimline.metrics.self import SelfMetrics
from brimline.model import AlertStore, Clock, Kind, Subject, Target
from brimline.procfs import Procfs
from brimline.readers import Readers, settings_of
from brimline.rulefiles import overrides_of, rules_of
from brimline.rules.alertstore import MemoryAlertStore
from brimline.rules.terms import RuleSet
from brimline.sources.assembly import World
from brimline.sources.docker import DockerSource
from brimline.sources.oom import OomLedger
from brimline.sources.process import ProcessSource
from brimline.sources.registry import build
from brimline.ties import Ties
from brimline.view import View

if TYPE_CHECKING:  # a single look needs neither aiohttp nor SQLite
    from brimline.hand import Hand
    from brimline.journal.store import JournalFile

_log: Final = logging.getLogger(__name__)
_WHOLE_SECONDS: Final = 10.0  # how long a single reading waits for Docker's first list
_HEAD_START_SECONDS: Final = 0.5  # how long the first tick waits for it; ten containers take a tenth of that
_READY_SECONDS: Final = 2.0  # how long readiness waits for it after that
_LOOK_AGAIN_SECONDS: Final = 30.0  # between two looks of a guest for an engine


@dataclass(frozen=True, slots=True)
class Acting:
    """How an application that acts gets what acts, and where its alerts and its counts survive."""

    store: AlertStore
    hand: Callable[[Config, RuleSet, Ties], Hand]
    carrying: Carrying


class App:
    """One running Brimline: the engine, the tasks beside it, and the way from a new configuration to new parts."""

    def __init__(
        self,
        loaded: Loaded,
        reload: Callable[[], Loaded],
        environ: Mapping[str, str],
        *,
        clock: Clock | None = None,
        acting: Acting | None = None,
    ) -> None:
        self._loaded = loaded
        self._reload = reload
        self._changing = asyncio.Lock()
        self._looked_at = math.inf  # when the first look at everything was done or given up
        clock = clock or SystemClock()
        self._carrying = None if acting is None else acting.carrying
        counts = Counts() if self._carrying is None else self._carrying.counts()
        overrides, period = overrides_of(loaded.config), loaded.config.start_period
        rules = rules_of(loaded)
        self._judging = Judging(
            rules, overrides, MemoryAlertStore() if acting is None else acting.store, period, clock.now()
        )
        self._world = World(
            clock=clock,
            poller=LoopPoller(),
            wake=self._wake,
            environ=environ,
            kills=OomLedger(counts.kills, clock.now().mono),
            restarts=counts.restarts,
            interval=lambda: self._loaded.config.interval,
            levels=self._judging.in_force,
        )
        self.self_metrics = SelfMetrics()
        self.self_metrics.reloaded(ok=True, at=self._world.clock.now().wall)
        self._sources = build(settings_of(loaded.config), self._world)
        self._readers = Readers(self._sources)
        self._scale = Scale(Procfs(loaded.config.path.procfs), clock)
        self._hand = None if acting is None else acting.hand(loaded.config, rules, self._ties())
        self._engine = Engine(
            judging=self._judging, self_metrics=self.self_metrics, clock=self._world.clock, hand=self._hand
        )
        self._use(loaded.config)

    @property
    def view(self) -> View | None:
        """Return the last tick's view."""
        return self._engine.view

    @property
    def hand(self) -> Hand | None:
        """Return what acts; None: it only looks."""
        return self._hand

    @property
    def next_tick(self) -> asyncio.Event:
        """Return what is set once a view comes after the one of now; the next tick has another."""
        return self._engine.next_tick

    @property
    def config(self) -> Config:
        """Return the configuration in force."""
        return self._loaded.config

    @property
    def rules(self) -> RuleSet:
        """Return the rules in force."""
        return self._judging.rules

    @property
    def past(self) -> JournalFile | None:
        """Return the journal; None: nothing is written down."""
        return None if self._hand is None else self._hand.journal

    @property
    def ready(self) -> bool:
        """Tell whether a tick has come after the first look at everything."""
        view = self._engine.view
        return view is not None and view.snapshot.at.mono >= self._looked_at

    def fresh(self) -> bool:
        """Tell whether the loop still ticks."""
        return self._engine.fresh()

    async def reload(self) -> list[str]:
        """Read the configuration again; where anything of it fails nothing changes, and what failed is returned."""
        async with self._changing:
            at = self._world.clock.now().wall
            try:
                loaded, rules = await asyncio.to_thread(self._read_again)
                await self._follow(loaded, rules)
            except (BrimlineError, OSError, ValueError) as error:
                problems = error.problems if isinstance(error, ConfigError) else (error,)
                self.self_metrics.reloaded(ok=False, at=at)
                for problem in problems:
                    _log.error("reload refused, the old configuration stays: %s", problem)
                return [str(problem) for problem in problems]
            self.self_metrics.reloaded(ok=True, at=at)
            _log.info("configuration reloaded")
            return []

    async def first_look(self, patience: float = _WHOLE_SECONDS) -> None:
        """Start what runs beside the ticks, and wait for what it sees first as long as it may take to be refused."""
        self._readers.begin()
        await self._readers.seen(patience)

    def measured(self) -> bool:
        """Tell whether there is nothing left to wait for before a single reading is complete."""
        docker = self._sources.of(DockerSource)
        return docker is None or docker.measured()

    def targets(self) -> Sequence[Target]:
        """Return the running containers with their cgroups."""
        return self._sources.targets()

    def pids(self, group: str) -> tuple[int, ...]:
        """Return the processes of a group."""
        source = self._sources.of(ProcessSource)
        return source.pids(group) if source is not None else ()

    async def members(self, subject: Subject) -> Members | None:
        """Return the processes of a group or of a container; None where nobody knows them."""
        if subject.kind is Kind.PROCESS:
            pids = self.pids(subject.name)
            return await self._scale.look(subject, lambda: pids)
        top = next((t.directories.get("memory") for t in self.targets() if t.subject == subject), None)
        return None if top is None else await self._scale.look(subject, lambda: below(top))

    def tick(self) -> View:
        """Read everything once."""
        return self._engine.tick(self._world.clock.now())

    async def run(self) -> None:
        """Tick until cancelled."""
        await self.first_look(_HEAD_START_SECONDS)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._get_ready())
            group.create_task(self._look_again())
            group.create_task(self._engine.run())
            if self._hand is not None:
                group.create_task(self._hand.run())
            if self._carrying is not None:
                group.create_task(self._carrying.run(self._counts))

    async def close(self) -> None:
        """End every task and give every descriptor back."""
        if self._hand is not None:
            await self._hand.close()
            self._judging.save(self._world.clock.now())
        if self._carrying is not None:
            self._carrying.keep(self._counts())
        await self._readers.close()

    def _ties(self) -> Ties:
        return Ties(
            clock=self._world.clock,
            environ=self._world.environ,
            wake=self._wake,
            acted=self.self_metrics.acted,
            targets=self.targets,
            pids=self.pids,
            alert_at=lambda subject: self._judging.in_force.of(subject)[0],
        )

    async def _get_ready(self) -> None:
        await self._readers.seen(_READY_SECONDS)
        self._looked_at = self._world.clock.now().mono
        self._engine.wake("start")

    def _counts(self) -> Counts:
        return Counts(tuple(self._world.kills.carried()), self._sources.restarts)

    async def _look_again(self) -> None:
        """Look now and then whether the container that showed us nothing but itself has got an engine."""
        while self._sources.ground.lonely:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            async with self._changing:
                with suppress(BrimlineError):
                    await self._readers.change(self._loaded.config)

    def _read_again(self) -> tuple[Loaded, RuleSet]:
        loaded = self._reload()
        rules = rules_of(loaded)
        if self._hand is not None:
            self._hand.check(loaded.config, rules)
        return loaded, rules

    async def _follow(self, loaded: Loaded, rules: RuleSet) -> None:
        await self._readers.change(loaded.config)
        before, after = self._loaded.config, loaded.config
        self._loaded = loaded
        logs.set_up(after.log.level, after.log.format)
        if before.web != after.web:
            _log.warning("what is new under web takes effect at the next start")
        self._judging.use(rules, overrides_of(after), after.start_period, self._world.clock.now())
        if self._hand is not None:
            self._hand.use(after, rules)
        self._use(after)

    def _use(self, config: Config) -> None:
        compat = Cadvisor() if config.compat.cadvisor else None
        self._engine.use(self._sources, Renderer(series=config.limits.series, compat=compat), config.interval)

    def _wake(self, reason: str) -> None:
        self._engine.wake(reason)
