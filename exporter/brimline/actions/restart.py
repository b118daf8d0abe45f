"""Restarts a container: drained, stopped in its own time, seen through to its health; then those who depend on it.

An answer of the engine proves nothing, nor does none: `verify` looks at StartedAt and the health check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from brimline.actions.aftermath import MARGIN, Aftermath, Ending
from brimline.actions.base import Job, Proof, RefusedError, Sleep, Standing
from brimline.actions.containers import Containers
from brimline.actions.cycle import Cycle, Pace, StartPeriod
from brimline.actions.dependents import SECONDS, Dependents, Directories, Guard
from brimline.actions.drain import Drain, allowed, chosen
from brimline.actions.options import RestartOptions
from brimline.actions.swarm import Swarm, is_swarm
from brimline.deeds import RESTART, Verdict
from brimline.dockerapi import START_MARGIN
from brimline.errors import ActionError, SourceError
from brimline.faults import Point
from brimline.httpclient import HttpClient
from brimline.labels import is_pod
from brimline.model import Clock, Container

AWAY: Final = 60.0  # seconds an engine may be away within the deadline; later the reconciler goes on


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
        directories: Directories = lambda _: {},
    ) -> None:
        self._containers = containers
        self._options = options
        self._drain = Drain(http, clock, sleep)
        self._aftermath = Aftermath(containers, clock, sleep)
        self._swarm = Swarm(containers, clock, sleep)
        self._cycle = Cycle(containers, clock, sleep, pace=Pace(start_period, options.stop_timeout), point=point)
        self._dependents = Dependents(containers, clock, self._cycle, guarded=guarded, directories=directories)
        self._downtimes: dict[str, float] = {}  # decision -> seconds, where dependents were restarted before `verify`

    def lacks(self, _standing: Standing, _container: Container | None, _directories: Mapping[str, str]) -> str:
        """Return nothing: it needs no setting."""
        return ""

    def seconds(self, job: Job) -> float:
        """Return how long it may take; an engine that is away longer is the reconciler's."""
        container = _container(job)
        drain = chosen(self._options.drain, container)
        drained = 0.0 if drain is None else 2 * allowed(drain, job) + MARGIN
        stopped = self._cycle.stop(container).seconds + MARGIN + START_MARGIN + AWAY
        return drained + stopped + 2 * self._cycle.patience(container) + SECONDS

    async def prepare(self, job: Job) -> None:
        """Refuse what a restart would harm."""
        container = _container(job)
        if is_pod(container.labels):
            raise RefusedError(
                Verdict.ORCHESTRATED, "Kubernetes runs this container; use: kubectl rollout restart deployment/NAME"
            )
        if container.auto_remove:
            raise RefusedError(
                Verdict.STOPPED, "it was started with --rm: an engine that ends half-way would delete it instead"
            )
        if is_swarm(container) and (why := await self._swarm.against(container)):
            raise RefusedError(Verdict.ORCHESTRATED, why)

    async def run(self, job: Job) -> str:
        """Drain it, restart it, see that through, then restart who depends on it."""
        container = _container(job)
        story = [await self._drained(job, container)]
        if changed := await self._changed(container):
            raise ActionError("; ".join(filter(None, [*story, changed])))
        seen, how = await self._cycle.restart(container)
        story += [how, seen.detail]
        if seen.ending not in {Ending.RESTARTED, Ending.STARTED, Ending.REPLACED}:
            raise ActionError("; ".join(filter(None, story)))
        if seen.ending is not Ending.REPLACED and seen.container is not None:
            followed = await self._dependents.follow(seen.container, container.started)
            story += followed.story
            if followed.downtime is not None:
                self._downtimes[job.decision.id] = followed.downtime
        return "; ".join(filter(None, story))

    async def verify(self, job: Job) -> Proof:
        """Look whether another incarnation runs and is healthy."""
        container = _container(job)
        if is_swarm(container):
            return await self._swarm.replaced(container)
        found = await self._aftermath.found(container.id)
        if found is None:
            return Proof(ok=False, detail="the container is gone")
        if found.subject.uid == container.subject.uid:
            state = "still runs as before" if found.running else f"is {found.status}"
            return Proof(ok=False, detail=f"it {state}", uid=found.subject.uid)
        proof = await self._cycle.healthy(found, container.started)
        return replace(proof, downtime=self._downtimes.pop(job.decision.id, proof.downtime))

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


def _container(job: Job) -> Container:
    if job.container is None:
        raise ActionError("only a container can be restarted")
    return job.container
