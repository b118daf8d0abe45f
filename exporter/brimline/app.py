"""The composition root: a configuration turned into objects and tasks, signals, and the reload that swaps them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Final

from brimline import __version__, logs
from brimline.config import Config, Loaded
from brimline.engine import Engine, SystemClock
from brimline.errors import BrimlineError, ConfigError
from brimline.metrics.cadvisor import Cadvisor
from brimline.metrics.render import Renderer
from brimline.metrics.self import SelfMetrics
from brimline.model import Clock, View
from brimline.sources.oom import OomLedger
from brimline.sources.registry import Settings, World, build

_log: Final = logging.getLogger(__name__)
_FIRST_LISTING_SECONDS: Final = 10.0
_GLANCE_SECONDS: Final = 0.25  # between the looks of a single reading
_GLANCES: Final = 16


class LoopPoller:
    """The running event loop as the sources see it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def add(self, fd: int, ready: Callable[[], None]) -> None:
        """Call `ready` whenever `fd` is readable."""
        self._loop.add_reader(fd, ready)

    def remove(self, fd: int) -> None:
        """Stop watching `fd`."""
        self._loop.remove_reader(fd)

    def later(self, seconds: float, ready: Callable[[], None]) -> None:
        """Call `ready` once after some seconds."""
        self._loop.call_later(seconds, ready)


class App:
    """One running Brimline: the engine, the tasks beside it, and the way from a new configuration to new parts."""

    def __init__(
        self, loaded: Loaded, reload: Callable[[], Loaded], environ: Mapping[str, str], *, clock: Clock | None = None
    ) -> None:
        self._loaded = loaded
        self._reload = reload
        self._reloading = asyncio.Lock()
        self._background: list[asyncio.Task[None]] = []
        self._world = World(clock or SystemClock(), LoopPoller(), self._wake, environ, OomLedger())
        self.self_metrics = SelfMetrics()
        self.self_metrics.reloaded(ok=True, at=self._world.clock.now().wall)
        self._sources = build(settings_of(loaded.config), self._world)
        self._engine = Engine(self_metrics=self.self_metrics, clock=self._world.clock)
        self._use(loaded.config)

    @property
    def view(self) -> View | None:
        """Return the last tick's view."""
        return self._engine.view

    @property
    def ready(self) -> bool:
        """Tell whether there is something to serve."""
        return self._engine.view is not None

    def fresh(self) -> bool:
        """Tell whether the loop still ticks."""
        return self._engine.fresh()

    async def reload(self) -> list[str]:
        """Read the configuration again; a bad one changes nothing and its mistakes are returned."""
        async with self._reloading:
            at = self._world.clock.now().wall
            try:
                loaded = await asyncio.to_thread(self._reload)
            except ConfigError as error:
                self.self_metrics.reloaded(ok=False, at=at)
                for problem in error.problems:
                    _log.error("reload refused, the old configuration stays: %s", problem)
                return [str(problem) for problem in error.problems]
            await self._follow(loaded)
            self.self_metrics.reloaded(ok=True, at=at)
            _log.info("configuration reloaded")
            return []

    async def first_look(self) -> None:
        """Start what runs beside the ticks, and wait for Docker's first list as long as it may take to be refused."""
        self._start()
        docker = self._sources.docker
        if docker is not None:
            await docker.first(_FIRST_LISTING_SECONDS)

    def measured(self) -> bool:
        """Tell whether there is nothing left to wait for before a single reading is complete."""
        return self._sources.docker is None or self._sources.docker.measured()

    def tick(self) -> View:
        """Read everything once."""
        return self._engine.tick(self._world.clock.now())

    async def run(self) -> None:
        """Tick until cancelled."""
        await self._engine.run()

    async def close(self) -> None:
        """End every task and give every descriptor back."""
        await self._stop()
        self._sources.close()

    async def _follow(self, loaded: Loaded) -> None:
        before, after = self._loaded.config, loaded.config
        self._loaded = loaded
        logs.set_up(after.log.level, after.log.format)
        if before.web != after.web:
            _log.warning("what is new under web takes effect at the next start")
        if settings_of(before) != settings_of(after):
            await self._stop()
            self._sources.close()
            self._sources = build(settings_of(after), self._world)
            self._start()
        self._use(after)

    def _use(self, config: Config) -> None:
        compat = Cadvisor() if config.compat.cadvisor else None
        self._engine.use(self._sources, Renderer(series=config.limits.series, compat=compat), config.interval)

    def _start(self) -> None:
        if self._sources.process is not None:
            self._sources.process.start()
        if self._sources.docker is not None:
            self._background.append(asyncio.create_task(self._sources.docker.run()))

    async def _stop(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self._background.clear()

    def _wake(self, reason: str) -> None:
        self._engine.wake(reason)


def settings_of(config: Config) -> Settings:
    """Return what the sources need of the configuration."""
    return Settings(
        docker=config.sources.docker,
        cgroups=(*config.sources.cgroups, *(("/",) if config.compat.cadvisor else ())),  # cAdvisor's id="/"
        process=config.sources.process,
        host=config.sources.host,
        alone_limit=config.sources.alone.limit,
        procfs=config.path.procfs,
        cgroupfs=config.path.cgroupfs,
        fds=config.limits.fds,
        interval=config.interval,
    )


async def observe(config: Config) -> View:
    """Read everything once and return what was seen; an engine elsewhere gets a few moments to send its samples."""
    loaded = Loaded(config.model_copy(update={"interval": _GLANCE_SECONDS}), {}, None)
    app = App(loaded, lambda: loaded, os.environ)
    try:
        await app.first_look()
        view = app.tick()
        for _ in range(_GLANCES):
            if app.measured():
                break
            await asyncio.sleep(_GLANCE_SECONDS)
            view = app.tick()
        return view
    finally:
        await app.close()


def run(loaded: Loaded, reload: Callable[[], Loaded]) -> int:
    """Run until a signal ends it; return the exit status."""
    logs.set_up(loaded.config.log.level, loaded.config.log.format)
    try:
        asyncio.run(_serve(loaded, reload))
    except BrimlineError as error:
        print(error, file=sys.stderr)  # noqa: T201 - what a person at the terminal must read
        return 1
    return 0


async def _serve(loaded: Loaded, reload: Callable[[], Loaded]) -> None:
    from brimline.web.connections import Connections, Patience, serve  # noqa: PLC0415 - `check` needs no web server
    from brimline.web.routes import make_app  # noqa: PLC0415

    app = App(loaded, reload, os.environ)
    web, loop = loaded.config.web, asyncio.get_running_loop()
    connections = Connections(Patience())
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    reloads: set[asyncio.Task[list[str]]] = set()

    def hang_up() -> None:
        reloads.add(task := loop.create_task(app.reload()))
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    try:
        served = await serve(make_app(app, web, connections), web.addresses, connections)
        try:
            for address in served.addresses:
                _log.info("Brimline %s serves its page on %s/", __version__, address)
            await app.first_look()
            ticking = asyncio.create_task(app.run())
            await asyncio.wait({ticking, asyncio.create_task(stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
            if ticking.done():
                ticking.result()
            ticking.cancel()
            _log.info("stopping: no new connections, answering what is under way")
        finally:
            await served.close()
    finally:
        await app.close()
