"""What actions are made of: the way to the engine, outgoing HTTP, and one of each action."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from brimline.actions import registry
from brimline.actions.base import Action
from brimline.actions.containers import Containers
from brimline.actions.reconcile import Reconciler
from brimline.actions.restart import Guard
from brimline.config import Config
from brimline.dockerapi import DockerApi
from brimline.dockerconnect import find_host
from brimline.dockerthreads import Calls
from brimline.errors import SourceError
from brimline.faults import Point
from brimline.httpclient import HttpClient
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
        self.containers = Containers(self._connect, parse_inspection, ties.clock)
        self._privilege = Privilege(ties.acted)

    def use(self, config: Config) -> None:
        """Take another configuration; another engine is asked from its next connection on."""
        before, self._config = self._config, config
        if _way(before) != _way(config):
            self.containers.close()
            self._privilege.forget()

    def actions(self, config: Config) -> Mapping[str, Action]:
        """Return one of each action."""
        return registry.build(
            registry.Parts(
                containers=self.containers,
                http=self.http,
                options=config.actions,
                start_period=lambda container: start_period_of(container.labels, config.start_period),
                clock=self._ties.clock,
                sleep=asyncio.sleep,
                point=self._point,
                guarded=self._guarded,
                procfs=Procfs(config.path.procfs),
                alert_at=self._ties.alert_at,
            )
        )

    def reconciler(self, config: Config) -> Reconciler:
        """Return what finishes what an earlier Brimline began."""
        timeout = config.actions.restart.stop_timeout
        return Reconciler(self.containers, self._ties.clock, asyncio.sleep, stop_timeout=timeout)

    async def look_early(self) -> None:
        """Connect before anything is to be done, where the engine is to be asked what it lets pass; until cancelled."""
        while True:
            host = self._host()
            if host is not None and is_asked(self._config, host):
                with suppress(SourceError):
                    await self.containers.connect()
            await asyncio.sleep(_LOOK_EVERY)

    async def close(self) -> None:
        """Close every connection."""
        self._privilege.forget()
        await self.http.close()
        self.containers.close()

    async def _connect(self) -> DockerApi:
        host = self._host()
        if host is None:
            raise SourceError("there is no Docker to ask; set sources.docker.host")
        engine = await DockerApi.connect(host, self._ties.environ, self._calls, self._config.sources.docker.timeout)
        if is_asked(self._config, host):
            self._privilege.ask(engine, host)
        return engine

    def _host(self) -> str | None:
        docker = self._config.sources.docker
        return docker.action_host or docker.host or find_host(self._ties.environ, is_socket)


def _way(config: Config) -> tuple[object, ...]:
    """Return what a connection to the engine depends on."""
    docker = config.sources.docker
    return docker.host, docker.action_host, docker.timeout, config.actions.dry_run
