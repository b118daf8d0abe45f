"""One container stopped and started: asked for once, seen through, and watched until it is up.

An answer of the engine proves nothing, nor does none: StartedAt and the health check do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from brimline.actions.aftermath import MARGIN, POLL, Aftermath, Begun, Seen, downtime
from brimline.actions.base import Proof, Sleep
from brimline.actions.containers import Containers, StopTime, stop_time
from brimline.actions.swarm import is_swarm
from brimline.dockerorders import OrderError
from brimline.faults import Point
from brimline.model import Clock, Container

STEADY: Final = 5.0  # seconds that one without a health check must run to count as up
HEALTH_MARGIN: Final = 30.0  # beyond the start period until it must be healthy
_ON_ITS_WAY: Final = 0.05  # seconds after which a request has left

StartPeriod = Callable[[Container], float]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things may take."""

    start_period: StartPeriod
    stop_timeout: float | None = None  # None: the container's own


class Cycle:
    """Stops and starts containers of one engine."""

    def __init__(self, containers: Containers, clock: Clock, sleep: Sleep, *, pace: Pace, point: Point) -> None:
        self._containers = containers
        self._clock = clock
        self._sleep = sleep
        self._pace = pace
        self._point = point
        self._aftermath = Aftermath(containers, clock, sleep)

    def stop(self, container: Container) -> StopTime:
        """Return how long it has between SIGTERM and SIGKILL."""
        return stop_time(container, self._pace.stop_timeout)

    def patience(self, container: Container) -> float:
        """Return how long it may take until it counts as up."""
        return self._pace.start_period(container) + HEALTH_MARGIN if container.health else STEADY

    async def restart(self, container: Container) -> tuple[Seen, str]:
        """Ask for it once and look how it ended; return that, and what the engine said against it."""
        began, stop = self._begun(container), self.stop(container)
        self._point("calling")
        order = self._containers.stop if began.swarm else self._containers.restart
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
        until = self._clock.now().mono + 2 * POLL if refused else began.until
        begun = Begun(began.id, began.uid, began.at, until, refused=refused, swarm=began.swarm)
        return await self._aftermath.see_through(begun), why

    async def see_through(self, container: Container) -> Seen:
        """Look how it ends that somebody asked for already."""
        return await self._aftermath.see_through(self._begun(container))

    async def healthy(self, container: Container, since: float) -> Proof:
        """Wait until a fresh incarnation is healthy, or without a health check has run for a moment."""
        began, uid = self._clock.now().mono, container.subject.uid
        away = downtime(container, since)
        found: Container | None = container
        patience = self.patience(container)
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

    def _begun(self, container: Container) -> Begun:
        now = self._clock.now()
        until = now.mono + self.stop(container).seconds + MARGIN
        return Begun(container.id, container.subject.uid, now.wall, until, swarm=is_swarm(container))
