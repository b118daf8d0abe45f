"""How a restart ended: watched by whoever is there, until the world shows it.

"Did it happen?" is answered by StartedAt alone. An engine that died half-way leaves the container down; then it is
started here, unless somebody else stopped it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from brimline.actions.base import Sleep
from brimline.actions.containers import Containers
from brimline.dockerorders import OrderError
from brimline.errors import SourceError
from brimline.model import Clock, Container

POLL: Final = 0.5
MARGIN: Final = 10.0  # seconds beyond the stop timeout within which an engine has done what it was asked for
LOOKS: Final = 6  # in a row until an end is believed: a restart policy may follow
TRIES: Final = 3  # starts that the engine may refuse


class Ending(StrEnum):
    """How a restart ended."""

    RESTARTED = "restarted"
    STARTED = "started"  # by us: it had been left down
    REPLACED = "replaced"  # a Swarm task that ended; Swarm starts another
    UNCHANGED = "unchanged"
    STOPPED = "stopped"  # by somebody else
    ENDED = "ended"  # it began anew and ended
    DOWN = "down"  # it cannot be started
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Begun:
    """A restart that was asked for, or may have been."""

    id: str
    uid: str  # the incarnation it was asked of
    at: float  # wall time at which it was asked for
    until: float  # mono; an engine that lives has done it by then
    refused: bool = False  # the engine says that it could not do it, or only half
    swarm: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What the world shows at its end."""

    ending: Ending
    container: Container | None
    detail: str  # a sentence


@dataclass(slots=True)
class _Watch:
    shown: str = ""
    looks: int = 0  # in a row that showed the same
    tries: int = 0
    started: bool = False
    why: str = ""

    def look(self, container: Container) -> None:
        shown = f"{container.subject.uid} {container.status}"
        self.shown, self.looks = shown, self.looks + 1 if shown == self.shown else 1


class Aftermath:
    """Looks at the world until it shows how a restart ended; an engine that is away is waited for without a limit."""

    def __init__(self, containers: Containers, clock: Clock, sleep: Sleep) -> None:
        self._containers = containers
        self._clock = clock
        self._sleep = sleep

    async def found(self, container_id: str) -> Container | None:
        """Return the container as soon as the engine tells of it; None: it is gone."""
        while True:
            try:
                return await self._containers.inspect(container_id)
            except SourceError:
                await self._sleep(POLL)

    async def see_through(self, begun: Begun) -> Seen:
        """Return how it ended; start what an engine has left down."""
        watch = _Watch()
        while True:
            try:
                if seen := await self._look(begun, watch):
                    return seen
            except SourceError:
                watch.looks = 0  # the engine is away: what it shows when it is back is new
            await self._sleep(POLL)

    async def _look(self, begun: Begun, watch: _Watch) -> Seen | None:
        found = await self._containers.inspect(begun.id)
        if found is None:
            return Seen(Ending.REPLACED, None, "its task ended") if begun.swarm else gone()
        watch.look(found)
        over = self._clock.now().mono >= begun.until
        if begun.swarm and not found.running:
            return Seen(Ending.REPLACED, found, "its task ended")
        if found.subject.uid != begun.uid:
            return _anew(found, watch)
        if found.running:
            return Seen(Ending.UNCHANGED, found, "the same incarnation still runs") if over else None
        return await self._left_down(begun, watch, found, over=over) if watch.looks > 1 else None

    async def _left_down(self, begun: Begun, watch: _Watch, found: Container, *, over: bool) -> Seen | None:
        if not begun.refused:
            memory = await self._containers.memory(found, begun.at)
            if memory.reaches and not over:
                return None  # the engine may be between the stop and the start
            if memory.reaches and memory.signalled:
                return Seen(Ending.STOPPED, found, "somebody else stopped it: it stays stopped")
        if watch.tries == TRIES:
            return Seen(Ending.DOWN, found, f"it is down and cannot be started: {watch.why}")
        try:
            await self._containers.start(begun.id)
        except OrderError as error:
            watch.why = str(error)
            watch.tries += 1 if error.reached else 0
        else:
            watch.started = True
        return None


def gone() -> Seen:
    """Return what is seen where nothing is left to look at."""
    return Seen(Ending.GONE, None, "the container is gone: somebody removed it meanwhile")


def downtime(container: Container | None, since: float) -> float | None:
    """Return the seconds between the end of the incarnation that ran at `since` and the start of this one."""
    if container is None or not since <= container.finished <= container.started:
        return None
    return container.started - container.finished


def _anew(found: Container, watch: _Watch) -> Seen | None:
    if found.running:
        if watch.started:
            return Seen(Ending.STARTED, found, "it had been left stopped, and was started")
        return Seen(Ending.RESTARTED, found, "it was restarted")
    if watch.looks < LOOKS:
        return None
    return Seen(Ending.ENDED, found, f"it was restarted and ended with exit code {found.exit_code}")
