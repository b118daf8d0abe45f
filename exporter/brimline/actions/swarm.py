"""A task of Swarm: it is stopped and Swarm starts another, where the service asks for one; a restart would leave two.

Only a manager tells of tasks, and a proxy may keep it from us: then what is seen on this host has to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from brimline.actions.aftermath import POLL, Aftermath
from brimline.actions.base import Proof, Sleep
from brimline.actions.containers import Containers, Task
from brimline.errors import SourceError
from brimline.labels import SWARM_SERVICE
from brimline.model import Clock, Container

TASK: Final = "com.docker.swarm.task.id"  # the service's name alone may be copied; nobody replaces that one
SUCCESSOR: Final = 30.0  # seconds within which Swarm starts another task
_ALWAYS: Final = "any"


def is_swarm(container: Container) -> bool:
    """Tell whether Swarm runs it, which replaces what ends."""
    return TASK in container.labels


class Swarm:
    """What replaces a task that we stop."""

    def __init__(self, containers: Containers, clock: Clock, sleep: Sleep) -> None:
        self._containers = containers
        self._clock = clock
        self._sleep = sleep
        self._aftermath = Aftermath(containers, clock, sleep)

    async def against(self, container: Container) -> str:
        """Say why it may not be stopped: Swarm would start no other. Empty where it would, or cannot be asked."""
        own = _own(await self._tasks(container), container)
        if own is None or own.condition == _ALWAYS:
            return ""
        return (
            f"Swarm may start no other task in its place (restart condition {own.condition}); use: "
            f"docker service update --force {container.labels.get(SWARM_SERVICE, 'NAME')}"
        )

    async def replaced(self, container: Container) -> Proof:
        """Look whether its task ended, and for its successor."""
        found = await self._aftermath.found(container.id)
        if found is not None and found.running:
            return Proof(ok=False, detail="its task still runs", uid=found.subject.uid)
        until = self._clock.now().mono + SUCCESSOR
        while True:
            if successor := await self._here(container):
                away = None
                if found is not None and found.finished <= successor.started:
                    away = successor.started - found.finished
                detail = f"Swarm replaced it by {successor.subject.name}"
                return Proof(ok=True, detail=detail, downtime=away, uid=successor.subject.uid)
            if self._clock.now().mono >= until:
                return await self._elsewhere(container)
            await self._sleep(POLL)

    async def _here(self, container: Container) -> Container | None:
        service = container.labels.get(SWARM_SERVICE)
        try:
            for one in await self._containers.list():
                if service and one.running and one.labels.get(SWARM_SERVICE) == service and one.id != container.id:
                    found = await self._containers.inspect(one.id)
                    if found is not None and found.started > container.started:
                        return found
        except SourceError:
            return None
        return None

    async def _elsewhere(self, container: Container) -> Proof:
        tasks = await self._tasks(container)
        own = _own(tasks, container)
        if own is None:
            return Proof(
                ok=False,
                detail="its successor is not on this host, and of other hosts only a manager of the swarm tells",
            )
        if any(t.running and t.slot == own.slot and t.id != own.id for t in tasks):
            return Proof(ok=True, detail="Swarm replaced it on another host")
        return Proof(ok=False, detail=f"Swarm started no other task within {SUCCESSOR:.0f} s")

    async def _tasks(self, container: Container) -> Sequence[Task]:
        if not (service := container.labels.get(SWARM_SERVICE)):
            return ()
        try:
            return await self._containers.tasks(service)
        except SourceError:
            return ()


def _own(tasks: Sequence[Task], container: Container) -> Task | None:
    return next((task for task in tasks if task.id == container.labels[TASK]), None)
