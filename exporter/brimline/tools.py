"""What actions are made of: the way to the engine, outgoing HTTP, and one of each action."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from brimline.actions import registry
from brimline.actions.base import Action
from brimline.actions.containers import Containers
from brimline.actions.cycle import Cycle, Pace
from brimline.actions.dependents import Dependents, Guard
from brimline.actions.reconcile import Reconciler
from brimline.config import Config
from brimline.dockerapi import DockerApi
from brimline.dockerconnect import find_host
from brimline.dockerthreads import Calls
from brimline.errors import SourceError
from brimline.faults import Point
from brimline.httpclient import HttpClient
from brimline.model import Container
from brimline.privilege import Privilege, is_asked
from brimline.procfs import Procfs
from brimline.rules.watched import start_period_of
from brimline.sources.docker import is_socket
from brimline.sources.docker_container import parse_inspection
from brimline.ties import Ties

_LOOK_EVERY: Final = 30.0  # seconds between two attempts to connect early


class Tools:
    """One engine and one HTTP session for every action; both are there when they are needed first."""

    def __init__(self, config: Config, ties: Ties, point: Point, guarded: Guard) -> None:
        self._config, self._ties, self._point, self._guarded = config, ties, point, guarded
        self._calls = Calls()
        self.http = HttpClient()
        self.containers = Containers(partial(self._connect, config), parse_inspection, ties.clock)
        self._privilege = Privilege(ties.acted)

    def use(self, config: Config) -> None:
        """Take another configuration; another engine is asked from now on, by what is begun from now on."""
        before, self._config = self._config, config
        if _way(before) != _way(config):
            self.containers = self.containers.succeeded(partial(self._connect, config))
            self._privilege.forget()

    def actions(self, config: Config) -> Mapping[str, Action]:
        """Return one of each action."""
        return registry.build(
            registry.Parts(
                containers=self.containers,
                http=self.http,
                options=config.actions,
                start_period=partial(_start_period, config),
                clock=self._ties.clock,
                sleep=asyncio.sleep,
                point=self._point,
                guarded=self._guarded,
                directories=self._directories,
                procfs=Procfs(config.path.procfs),
                alert_at=self._ties.alert_at,
                own_ports=[port for _, port in config.web.addresses],
            )
        )

    def reconciler(self, config: Config) -> Reconciler:
        """Return what finishes what an earlier Brimline began."""
        containers, clock, timeout = self.containers, self._ties.clock, config.actions.restart.stop_timeout
        pace = Pace(partial(_start_period, config), timeout)
        cycle = Cycle(containers, clock, asyncio.sleep, pace=pace, point=self._point)
        following = Dependents(containers, clock, cycle, guarded=self._guarded, directories=self._directories)
        return Reconciler(containers, clock, asyncio.sleep, stop_timeout=timeout, dependents=following)

    async def look_early(self) -> None:
        """Connect before anything is to be done, where the engine is to be asked what it lets pass; until cancelled."""
        while True:
            host = self._host(self._config)
            if host is not None and is_asked(self._config, host):
                with suppress(SourceError):
                    await self.containers.connect()
            await asyncio.sleep(_LOOK_EVERY)

    async def close(self) -> None:
        """Close every connection."""
        self._privilege.forget()
        await self.http.close()
        self.containers.close()

    async def _connect(self, config: Config) -> DockerApi:
        host = self._host(config)
        if host is None:
            raise SourceError("there is no Docker to ask; set sources.docker.host")
        engine = await DockerApi.connect(host, self._ties.environ, self._calls, config.sources.docker.timeout)
        if _way(config) == _way(self._config) and is_asked(config, host):
            self._privilege.ask(engine, host)
        return engine

    def _host(self, config: Config) -> str | None:
        docker = config.sources.docker
        return docker.action_host or docker.host or find_host(self._ties.environ, is_socket)

    def _directories(self, container: Container) -> Mapping[str, str]:
        return next((t.directories for t in self._ties.targets() if t.subject == container.subject), {})


def _start_period(config: Config, container: Container) -> float:
    return start_period_of(container.labels, config.start_period)


def _way(config: Config) -> tuple[object, ...]:
    """Return what a connection to the engine depends on."""
    docker = config.sources.docker
    return docker.host, docker.action_host, docker.timeout, config.actions.dry_run
