"""Who must be restarted after a container: services that ask for it in their compose file, and guests of its network.

Compose writes `depends_on` into a label: `db:service_healthy:true,cache:service_started:false`; the last word is
`restart`. A guest (`network_mode: container:ID`) keeps a network that is gone once its host has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from brimline.actions.aftermath import MARGIN, Ending, Seen
from brimline.actions.containers import Containers, Listing
from brimline.actions.cycle import Cycle
from brimline.actions.lock import LockedError, held
from brimline.actions.swarm import is_swarm
from brimline.errors import SourceError
from brimline.labels import protection
from brimline.model import Clock, Container

SECONDS: Final = 120.0  # for all who are restarted after one
DEPENDS_ON: Final = "com.docker.compose.depends_on"
PROJECT: Final = "com.docker.compose.project"
SERVICE: Final = "com.docker.compose.service"
_PARTS: Final = 3
_GUEST: Final = "container:"

Guard = Callable[[Container], str | None]  # why it is left alone, where it is
Directories = Callable[[Container], Mapping[str, str]]  # its cgroup, by controller


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of them."""

    story: tuple[str, ...] = ()
    downtime: float | None = None  # of the one they follow, where it was waited for


class Dependents:
    """Restarts them, each under the lock on its own cgroup; it may be done twice, and then does nothing more."""

    def __init__(
        self, containers: Containers, clock: Clock, cycle: Cycle, *, guarded: Guard, directories: Directories
    ) -> None:
        self._containers = containers
        self._clock = clock
        self._cycle = cycle
        self._guarded = guarded
        self._directories = directories

    async def follow(self, host: Container, since: float) -> Followed:
        """Restart whoever depends on this fresh incarnation, once it is up; the one before it ran at `since`."""
        try:
            found = followers(host.id, await self._containers.list())
        except SourceError as error:
            return Followed((f"its dependents are not known: {error}",))
        if not found:
            return Followed()
        until = self._clock.now().mono + SECONDS
        proof = await self._cycle.healthy(host, since)
        return Followed(tuple([await self._one(one, host, until) for one in found]), proof.downtime)

    async def _one(self, one: Listing, host: Container, until: float) -> str:
        left = f"{one.name} depends on it and was not restarted"
        try:
            container = await self._containers.inspect(one.id)
            if container is None or container.status != "running":
                return f"{left}: it does not run"
            if why := self._against(container, host, until):
                return f"{left}: {why}"
            with held(self._directories(container)):
                seen, why = await self._under_way(container, host) or await self._cycle.restart(container)
        except (SourceError, LockedError) as error:
            return f"{left}: {error}"
        said = f"{seen.detail} ({why})" if why else seen.detail
        return f"{one.name} depends on it: {said}"

    def _against(self, container: Container, host: Container, until: float) -> str:
        """Say why it is left alone; empty where it is not."""
        if reason := protection(container.labels, container.image) or self._guarded(container):
            return reason
        if container.started > host.started:  # by an action of its own, by an earlier Brimline, or by somebody else
            return "it was started after it"
        if container.auto_remove:
            return "it was started with --rm"
        if is_swarm(container):
            return "Swarm runs it"
        late = self._clock.now().mono + self._cycle.stop(container).seconds + MARGIN > until
        return "there was no time left" if late else ""

    async def _under_way(self, container: Container, host: Container) -> tuple[Seen, str] | None:
        """Wait for what an earlier Brimline, or somebody else, asked the engine for; None where it comes to nothing."""
        if not await self._containers.signalled(container, host.started):
            return None
        seen = await self._cycle.see_through(container)
        return None if seen.ending is Ending.UNCHANGED else (seen, "")


def restarts_with(label: str) -> frozenset[str]:
    """Return the services whose restart the label asks to follow."""
    parts = [entry.strip().split(":") for entry in label.split(",")]
    return frozenset(p[0] for p in parts if len(p) == _PARTS and p[2].lower() == "true")


def followers(container_id: str, containers: Iterable[Listing]) -> list[Listing]:
    """Return the running containers that must follow this one, and theirs in turn, in the order of their restart."""
    known = list(containers)
    found = [c for c in known if c.id == container_id]
    for host in found:  # grows while it is walked
        found += [c for c in known if c.running and c not in found and _follows(c, host)]
    return found[1:]


def _follows(one: Listing, host: Listing) -> bool:
    if one.network_mode.startswith(_GUEST):
        named = one.network_mode.removeprefix(_GUEST)
        if named == host.name or (named and host.id.startswith(named)):
            return True
    project, service = host.labels.get(PROJECT), host.labels.get(SERVICE)
    if not project or not service or one.labels.get(PROJECT) != project:
        return False
    return service in restarts_with(one.labels.get(DEPENDS_ON, ""))
