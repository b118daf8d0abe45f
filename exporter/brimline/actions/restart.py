"""Restarts a container: drained first, stopped in its own time, seen through to its health, those who depend on it too.

An answer of the engine proves nothing, nor does none: StartedAt and the health check do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from brimline.actions.base import Job, Proof, RefusedError, Standing
from brimline.actions.containers import Containers, Listing, StopTime, stop_time
from brimline.actions.dependents import followers
from brimline.actions.drain import Drain, allowed, chosen
from brimline.actions.options import RestartOptions
from brimline.actions.reconcile import (
    MARGIN,
    POLL,
    RESTART,
    Aftermath,
    Begun,
    Ending,
    Seen,
    Sleep,
    downtime,
    is_swarm,
)
from brimline.deeds import Verdict
from brimline.dockerapi import START_MARGIN
from brimline.dockerorders import OrderError
from brimline.errors import ActionError, SourceError
from brimline.faults import Point
from brimline.httpclient import HttpClient
from brimline.labels import protection
from brimline.model import Clock, Container

SERVICE: Final = "com.docker.swarm.service.name"
PODS: Final = ("io.kubernetes.pod.name", "io.kubernetes.pod.uid")
STEADY: Final = 5.0  # seconds that one without a health check must run to count as up
HEALTH_MARGIN: Final = 30.0  # beyond the start period until it must be healthy
AWAY: Final = 60.0  # seconds an engine may be away within the deadline; later the reconciler goes on
DEPENDENTS: Final = 120.0  # seconds for all who are restarted after it
SUCCESSOR: Final = 30.0  # seconds within which Swarm starts another task
_ON_ITS_WAY: Final = 0.05  # seconds after which a request has left

StartPeriod = Callable[[Container], float]
Guard = Callable[[Container], str | None]  # why Brimline leans on it, where it does


class Restart:
    """The action `restart`."""

    name: str = RESTART

    def __init__(  # noqa: PLR0913 - the parts of the world it acts on
        self,
        containers: Containers,
        http: HttpClient,
        options: RestartOptions,
        *,
        start_period: StartPeriod,
        clock: Clock,
        sleep: Sleep,
        point: Point,
        guarded: Guard = lambda _: None,
    ) -> None:
        self._containers = containers
        self._options = options
        self._start_period = start_period
        self._clock = clock
        self._sleep = sleep
        self._point = point
        self._guarded = guarded
        self._drain = Drain(http, clock, sleep)
        self._aftermath = Aftermath(containers, clock, sleep)
        self._downtimes: dict[str, float] = {}  # decision -> seconds, where dependents were restarted before `verify`

    def lacks(self, _standing: Standing, _container: Container | None, _directories: Mapping[str, str]) -> str:
        """Return nothing: it needs no setting."""
        return ""

    def seconds(self, job: Job) -> float:
        """Return how long it may take; an engine that is away longer is the reconciler's."""
        container = _container(job)
        drain = chosen(self._options.drain, container)
        health = self._start_period(container) + HEALTH_MARGIN if container.health else STEADY
        drained = 0.0 if drain is None else 2 * allowed(drain, job) + MARGIN
        return drained + self._stop(container).seconds + MARGIN + START_MARGIN + AWAY + 2 * health + DEPENDENTS

    async def prepare(self, job: Job) -> None:
        """Refuse what a restart would harm."""
        container = _container(job)
        if any(label in container.labels for label in PODS):
            raise RefusedError(
                Verdict.ORCHESTRATED, "Kubernetes runs this container; use: kubectl rollout restart deployment/NAME"
            )
        if container.auto_remove:
            raise RefusedError(
                Verdict.STOPPED, "it was started with --rm: an engine that ends half-way would delete it instead"
            )

    async def run(self, job: Job) -> str:
        """Drain it, restart it, see that through, then restart who depends on it."""
        container = _container(job)
        story = [await self._drained(job, container)]
        if changed := await self._changed(container):
            raise ActionError("; ".join(filter(None, [*story, changed])))
        seen, how = await self._restarted(container)
        story += [how, seen.detail]
        if seen.ending not in {Ending.RESTARTED, Ending.STARTED, Ending.REPLACED}:
            raise ActionError("; ".join(filter(None, story)))
        if seen.ending is not Ending.REPLACED:
            story += await self._with_dependents(job, seen)
        return "; ".join(filter(None, story))

    async def verify(self, job: Job) -> Proof:
        """Look whether another incarnation runs and is healthy."""
        container = _container(job)
        if is_swarm(container):
            return await self._replaced(container)
        found = await self._aftermath.found(container.id)
        if found is None:
            return Proof(ok=False, detail="the container is gone")
        if found.subject.uid == container.subject.uid:
            state = "still runs as before" if found.running else f"is {found.status}"
            return Proof(ok=False, detail=f"it {state}", uid=found.subject.uid)
        proof = await self._healthy(found, container.started)
        return replace(proof, downtime=self._downtimes.pop(job.decision.id, proof.downtime))

    def _stop(self, container: Container) -> StopTime:
        return stop_time(container, self._options.stop_timeout)

    async def _drained(self, job: Job, container: Container) -> str:
        options = chosen(self._options.drain, container)
        return "" if options is None else await self._drain.empty(options, container, allowed(options, job))

    async def _changed(self, container: Container) -> str:
        """Say what somebody did to it since the intent: a drain takes its time, and a stopped one would be started."""
        try:
            found = await self._containers.inspect(container.id)
        except SourceError as error:
            return f"it was not restarted, since it could not be looked at again: {error}"
        if found is None:
            return "somebody removed it meanwhile"
        if found.subject.uid != container.subject.uid:
            return "it was started anew meanwhile, and is left alone"
        return "" if found.status in {"running", ""} else f"it is {found.status} by now, and is left so"

    async def _restarted(self, container: Container) -> tuple[Seen, str]:
        """Ask for it once and look how it ended; return that, and what the engine said against it."""
        now, stop = self._clock.now(), self._stop(container)
        swarm = is_swarm(container)
        self._point("calling")
        order = self._containers.stop if swarm else self._containers.restart
        call = asyncio.ensure_future(order(container.id, stop))
        refused, why = False, ""
        try:
            await asyncio.wait({call}, timeout=_ON_ITS_WAY)
            self._point("called")
            await call
        except OrderError as error:
            refused, why = error.reached is True, str(error)
        finally:
            call.cancel()
        self._point("answered")
        until = self._clock.now().mono + 2 * POLL if refused else now.mono + stop.seconds + MARGIN
        begun = Begun(container.id, container.subject.uid, now.wall, until, refused=refused, swarm=swarm)
        return await self._aftermath.see_through(begun), why

    async def _with_dependents(self, job: Job, seen: Seen) -> list[str]:
        if seen.container is None:
            return []
        try:
            found = followers(seen.container.id, await self._containers.list())
        except SourceError as error:
            return [f"its dependents are not known: {error}"]
        if not found:
            return []
        until = self._clock.now().mono + DEPENDENTS
        proof = await self._healthy(seen.container, _container(job).started)
        if proof.downtime is not None:
            self._downtimes[job.decision.id] = proof.downtime
        return [await self._follow(one, until, since=seen.container.started) for one in found]

    async def _follow(self, one: Listing, until: float, *, since: float) -> str:
        """Restart one that depends on what began at `since`; return a sentence."""
        left = f"{one.name} depends on it and was not restarted"
        try:
            container = await self._containers.inspect(one.id)
        except SourceError as error:
            return f"{left}: {error}"
        if container is None or container.status != "running":
            return f"{left}: it does not run"
        if why := self._against(container, until, since=since):
            return f"{left}: {why}"
        seen, why = await self._restarted(container)
        said = f"{seen.detail} ({why})" if why else seen.detail
        return f"{one.name} depends on it: {said}"

    def _against(self, container: Container, until: float, *, since: float) -> str:
        """Say why one that depends on it is left alone; empty where it is not."""
        if reason := protection(container.labels, container.image) or self._guarded(container):
            return reason
        if container.started > since:  # by an action of its own, or by somebody else
            return "it was started after it"
        if container.auto_remove:
            return "it was started with --rm"
        late = self._clock.now().mono + self._stop(container).seconds + MARGIN > until
        return "there was no time left" if late else ""

    async def _healthy(self, container: Container, since: float) -> Proof:
        """Wait until a fresh incarnation is healthy, or without a health check has run for a moment."""
        began, uid = self._clock.now().mono, container.subject.uid
        away = downtime(container, since)
        found: Container | None = container
        patience = self._start_period(container) + HEALTH_MARGIN if container.health else STEADY
        while True:
            took = self._clock.now().mono - began
            if found is None or found.subject.uid != uid or not found.running:
                code = f" with exit code {found.exit_code}" if found is not None and found.exit_code is not None else ""
                return Proof(ok=False, detail=f"it ended again{code}", uid=uid)
            if found.health == "healthy":
                total = None if away is None else away + took
                return Proof(ok=True, detail=f"healthy after {took:.0f} s", downtime=total, uid=uid)
            if found.health == "unhealthy":
                return Proof(ok=False, detail="its health check fails", uid=uid)
            if took >= patience and not found.health:
                since_text = datetime.fromtimestamp(found.started, UTC).strftime("%H:%M:%S UTC")
                detail = f"running since {since_text}; it has no health check"
                return Proof(ok=True, detail=detail, downtime=away, uid=uid)
            if took >= patience:
                return Proof(ok=False, detail=f"not healthy within {patience:.0f} s", uid=uid)
            await self._sleep(POLL)
            found = await self._aftermath.found(container.id)

    async def _replaced(self, container: Container) -> Proof:
        """Look whether Swarm's task ended, and for its successor on this host."""
        found = await self._aftermath.found(container.id)
        if found is not None and found.running:
            return Proof(ok=False, detail="its task still runs", uid=found.subject.uid)
        until = self._clock.now().mono + SUCCESSOR
        while True:
            if successor := await self._successor(container):
                away = None
                if found is not None and found.finished <= successor.started:
                    away = successor.started - found.finished
                detail = f"Swarm replaced it by {successor.subject.name}"
                return Proof(ok=True, detail=detail, downtime=away, uid=successor.subject.uid)
            if self._clock.now().mono >= until:
                return Proof(ok=True, detail="Swarm replaces it; its successor is not on this host")
            await self._sleep(POLL)

    async def _successor(self, container: Container) -> Container | None:
        service = container.labels.get(SERVICE)
        try:
            for one in await self._containers.list():
                if service and one.running and one.labels.get(SERVICE) == service and one.id != container.id:
                    found = await self._containers.inspect(one.id)
                    if found is not None and found.started > container.started:
                        return found
        except SourceError:
            return None
        return None


def _container(job: Job) -> Container:
    if job.container is None:
        raise ActionError("only a container can be restarted")
    return job.container
