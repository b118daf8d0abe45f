"""The running containers as targets: where the cgroup of each is, and what its owner declared."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from brimline.errors import UnitError
from brimline.model import Container, Target
from brimline.sources.docker_container import LIMIT, declared_limit
from brimline.sources.docker_roster import Roster

log = logging.getLogger(__name__)

BELIEVED: Final = 2  # tries to find a cgroup before the engine counts as elsewhere
_SLOWEST: Final = 6  # then a missing cgroup is looked for every 2**6 reads
_NEVER: Final = 1 << 60

Locate = Callable[[Mapping[str, int]], Mapping[str, Mapping[str, str]]]  # container id -> pid; id -> directories


@dataclass(slots=True)
class Place:
    """Where a container's cgroup is, or when to look for it again."""

    directories: Mapping[str, str] = field(default_factory=dict)
    tries: int = 0
    due: int = 0


class RunningContainers:
    """Targets out of a roster; the same tuple until a container, or where it is, changes."""

    def __init__(self, roster: Roster, locate: Locate) -> None:
        self.elsewhere = False  # containers run, and no cgroup of any can be found: Docker Desktop, a remote engine
        self._roster = roster
        self._locate = locate
        self._targets: tuple[Target, ...] = ()
        self._built = -1
        self._places: dict[str, Place] = {}
        self._round = 0
        self._look_again = 0
        self._complained: set[tuple[str, str]] = set()

    def targets(self) -> tuple[Target, ...]:
        """Return all that run; looks again for the cgroups that were not found, ever more rarely."""
        self._round += 1
        if self._roster.version == self._built and self._round < self._look_again:
            return self._targets
        self._built = self._roster.version
        running = self._running()
        self._places = {c.subject.uid: self._places.get(c.subject.uid) or Place() for c in running}
        self._find(running)
        lost = [p for p in self._places.values() if not p.directories]
        self._look_again = min((p.due for p in lost), default=_NEVER)
        believed = self.elsewhere or (bool(lost) and min(p.tries for p in lost) >= BELIEVED)
        self.elsewhere = believed and len(lost) == len(running)
        targets = tuple(map(self._target, running))
        if targets != self._targets:
            self._targets = targets
        return self._targets

    def sampled(self) -> list[Container]:
        """Return the containers that only the engine's stats can measure."""
        return self._running() if self.elsewhere else []

    def declared(self, container: Container) -> int | None:
        """Return the limit its label declares; one that cannot be read is ignored, and said once."""
        try:
            return declared_limit(container)
        except UnitError as error:
            complaint = (container.subject.name, str(error))
            if complaint not in self._complained:
                self._complained.add(complaint)
                log.warning("container %s: label %s is ignored: %s", container.subject.name, LIMIT, error)
            return None

    def _running(self) -> list[Container]:
        return [c for c in self._roster.sorted() if c.running]

    def _find(self, running: list[Container]) -> None:
        """Look for all whose turn it is in one go: each look may walk the whole tree."""
        places = [(c, self._places[c.subject.uid]) for c in running]
        due = [(c, place) for c, place in places if not place.directories and self._round >= place.due]
        found = self._locate({c.id: c.pid for c, _ in due}) if due else {}
        for container, place in due:
            place.directories = found.get(container.id, {})
            place.tries += 1
            place.due = self._round + (1 << min(place.tries - 1, _SLOWEST))

    def _target(self, container: Container) -> Target:
        directories = self._places[container.subject.uid].directories
        return Target(
            subject=container.subject,
            main_pid=container.pid if directories else 0,  # a pid of another machine names a stranger here
            directories=directories,
            declared_limit=self.declared(container),
            started=container.started,
        )
