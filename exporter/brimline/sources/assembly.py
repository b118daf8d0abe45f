"""The sources in force: what they stand on, what one asks of another, and how new ones take the place of old ones.

A source asks its neighbours through `Sources` alone, so a reload can replace one and leave the others as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from brimline.dockerconnect import find_host
from brimline.fds import FdBudget, allowed
from brimline.model import Clock, HostFacts, Poller, Source, Target, Wake
from brimline.procfs import Procfs
from brimline.sources.alone import AloneSource
from brimline.sources.cgroup_reader import CgroupSource
from brimline.sources.cgroupfs import Cgroupfs
from brimline.sources.docker import DockerOptions, DockerSource, is_socket
from brimline.sources.docker_roster import Tallies
from brimline.sources.early import LevelsInForce
from brimline.sources.host import HostSource
from brimline.sources.oom import OomLedger
from brimline.sources.process import ProcessOptions

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says of all sources."""

    docker: DockerOptions
    cgroups: tuple[str, ...]
    process: ProcessOptions
    host: bool
    alone_limit: int | None
    procfs: str
    cgroupfs: str
    fds: int


@dataclass(frozen=True, slots=True)
class World:
    """What every source is handed: time, the loop, the environment, and what outlives a reload: counts and levels."""

    clock: Clock
    poller: Poller
    wake: Wake
    environ: Mapping[str, str]
    kills: OomLedger
    interval: Callable[[], float]
    levels: LevelsInForce
    restarts: Tallies = field(default_factory=dict)  # to go on from


class Ground:
    """What all sources stand on; on another one all of them are new."""

    def __init__(self, settings: Settings, world: World) -> None:
        self.procfs = Procfs(settings.procfs)
        self.fs = Cgroupfs(settings.procfs, settings.cgroupfs)
        self.fds = FdBudget(allowed(settings.fds))
        self.host = HostSource(self.procfs, self.fds)
        self.lonely = _is_lonely(settings, world, self.fs)
        self._laid = _places(settings)

    def bears(self, settings: Settings, world: World) -> bool:
        """Tell whether sources with these settings may stand here too."""
        return _places(settings) == self._laid and _is_lonely(settings, world, self.fs) == self.lonely


def _places(settings: Settings) -> tuple[str, str, int]:
    return settings.procfs, settings.cgroupfs, settings.fds


def _is_lonely(settings: Settings, world: World, fs: Cgroupfs) -> bool:
    """Tell whether we are a guest in a container that shows us nothing but itself: no engine, no host's cgroup tree."""
    docker = settings.docker
    return not fs.is_whole() and not (docker.enabled and (docker.host or find_host(world.environ, is_socket)))


@dataclass(frozen=True, slots=True)
class Change:
    """The sources that other settings ask for: those that stay, and `fresh` ones that nobody reads yet."""

    settings: Settings
    ground: Ground
    readers: Mapping[str, Source]
    fresh: Sequence[Source]

    def drop(self) -> None:
        """Give back what the fresh ones hold."""
        for source in self.fresh:
            source.close()


class Sources:
    """The sources in force, in the order of a tick."""

    def __init__(self, settings: Settings, world: World) -> None:
        self.settings = settings
        self.world = world
        self.ground = Ground(settings, world)
        self.readers: Mapping[str, Source] = {}
        self._restarts = world.restarts

    def of(self, kind: type[S]) -> S | None:
        """Return the source of this class."""
        return next((source for source in self.readers.values() if isinstance(source, kind)), None)

    @property
    def restarts(self) -> Tallies:
        """Return the restarts of containers counted so far."""
        docker = self.of(DockerSource)
        return docker.restarts if docker is not None else self._restarts

    def targets(self) -> Sequence[Target]:
        """Return the containers whose cgroups are to be read."""
        source = self.of(DockerSource) or self.of(AloneSource)
        return source.targets() if source is not None else ()

    def facts(self) -> HostFacts | None:
        """Return what the host source read last."""
        return self.ground.host.facts

    def limit_of(self, pid: int) -> int | None:
        """Return the limit in effect for a process's cgroup."""
        cgroup = self.of(CgroupSource)
        return cgroup.limit_of(pid) if cgroup is not None else None

    def next_look(self) -> float | None:
        """Return when the fastest-filling cgroup should be looked at again."""
        cgroup = self.of(CgroupSource)
        return cgroup.next_look() if cgroup is not None else None

    def take(self, change: Change) -> None:
        """Put a change in force in one step, and close what it replaces."""
        leaving = [source for name, source in self.readers.items() if change.readers.get(name) is not source]
        other_globs = change.settings.cgroups != self.settings.cgroups
        self._restarts = self.restarts
        self.settings, self.ground, self.readers = change.settings, change.ground, change.readers
        if other_globs and (cgroup := self.of(CgroupSource)) is not None:
            cgroup.measure(change.settings.cgroups)
        for source in leaving:
            source.close()

    def close(self) -> None:
        """Give every descriptor and thread back."""
        for source in self.readers.values():
            source.close()
