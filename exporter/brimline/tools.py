"""What actions are made of: the way to the engine, outgoing HTTP, and the options turned into policy's terms."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from brimline.actions import registry
from brimline.actions.base import Action
from brimline.actions.containers import Containers
from brimline.actions.options import ActionsOptions
from brimline.actions.reconcile import Reconciler
from brimline.actions.restart import Guard
from brimline.config import Config
from brimline.dockerapi import DockerApi
from brimline.dockerconnect import find_host
from brimline.dockerthreads import Calls
from brimline.errors import SourceError
from brimline.faults import Point
from brimline.httpclient import HttpClient
from brimline.policy.pauses import window
from brimline.policy.terms import Terms
from brimline.procfs import Procfs
from brimline.rules.watched import start_period_of
from brimline.sources.docker import is_socket
from brimline.sources.docker_container import parse_inspection
from brimline.ties import Ties


class Tools:
    """One engine and one HTTP session for every action; both are there when they are needed first."""

    def __init__(self, config: Config, ties: Ties, point: Point, guarded: Guard) -> None:
        self._config, self._ties, self._point, self._guarded = config, ties, point, guarded
        self._calls = Calls()
        self.http = HttpClient()
        self.containers = Containers(self._connect, parse_inspection, ties.clock)

    def use(self, config: Config) -> None:
        """Take another configuration; another engine is asked from its next connection on."""
        before, after = self._config.sources.docker, config.sources.docker
        self._config = config
        if (before.host, before.action_host, before.timeout) != (after.host, after.action_host, after.timeout):
            self.containers.close()

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

    async def close(self) -> None:
        """Close every connection."""
        await self.http.close()
        self.containers.close()

    async def _connect(self) -> DockerApi:
        docker, environ = self._config.sources.docker, self._ties.environ
        host = docker.action_host or docker.host or find_host(environ, is_socket)
        if host is None:
            raise SourceError("there is no Docker to ask; set sources.docker.host")
        return await DockerApi.connect(host, environ, self._calls, docker.timeout)


def terms_of(options: ActionsOptions) -> Terms:
    """Return what the configuration says about acting."""
    budget = options.restart.per_hour
    return Terms(
        dry_run=options.dry_run,
        allow=options.restart.allow,
        honor_autoheal=options.restart.honor_autoheal,
        per_subject=budget.subject,
        per_service=budget.service,
        per_host=budget.host,
        quiet=tuple([window(text) for text in options.quiet]),
    )
