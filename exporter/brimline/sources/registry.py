"""Every source in the order of a tick, and how each is put together. A new source is one file and one line in BUILDERS.

An early one may be asked by a later one: the host's totals and Docker's targets go to the cgroup source.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from brimline.dockerapi import find_host
from brimline.fds import FdBudget
from brimline.model import Clock, HostFacts, Now, Poller, Source, SourceReport, Subject, Target, Wake
from brimline.procfs import Procfs
from brimline.sources.alone import AloneSource
from brimline.sources.cgroup_reader import CgroupSource
from brimline.sources.cgroupfs import Cgroupfs
from brimline.sources.docker import DockerOptions, DockerSource, is_socket
from brimline.sources.docker_roster import Hooks
from brimline.sources.host import HostSource
from brimline.sources.oom import OomLedger
from brimline.sources.process import Alone, ProcessOptions, ProcessSource
from brimline.sources.watch import Watch


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
    interval: float


@dataclass(frozen=True, slots=True)
class World:
    """What every source is handed: time, the loop, the environment, and the counts that outlive a reload."""

    clock: Clock
    poller: Poller
    wake: Wake
    environ: Mapping[str, str]
    kills: OomLedger


@dataclass(slots=True)
class Sources:
    """The sources while they are put together, and afterwards."""

    settings: Settings
    world: World
    fs: Cgroupfs
    procfs: Procfs
    fds: FdBudget
    host: HostSource
    lonely: bool
    docker: DockerSource | None = None
    alone: AloneSource | None = None
    cgroup: CgroupSource | None = None
    process: ProcessSource | None = None
    readers: dict[str, Source] = field(default_factory=dict)

    def targets(self) -> Sequence[Target]:
        """Return the containers whose cgroups are to be read."""
        if self.docker is not None:
            return self.docker.targets()
        return self.alone.targets() if self.alone is not None else ()

    def facts(self) -> HostFacts | None:
        """Return what the host source read last."""
        return self.host.facts

    def next_look(self) -> float | None:
        """Return when the fastest-filling cgroup should be looked at again."""
        return self.cgroup.next_look() if self.cgroup is not None else None

    def close(self) -> None:
        """Give every descriptor and thread back."""
        for source in self.readers.values():
            source.close()


def build(settings: Settings, world: World) -> Sources:
    """Put every source together that the settings ask for."""
    procfs, fds = Procfs(settings.procfs), FdBudget(settings.fds)
    fs = Cgroupfs(settings.procfs, settings.cgroupfs)
    sources = Sources(settings, world, fs, procfs, fds, HostSource(procfs, fds), _is_lonely(settings, world, fs))
    for name, make in BUILDERS.items():
        source = make(sources)
        if source is not None:
            sources.readers[name] = source
    return sources


def _is_lonely(settings: Settings, world: World, fs: Cgroupfs) -> bool:
    """Tell whether we are a guest in a container that shows us nothing but itself: no engine, no host's cgroup tree."""
    engine = settings.docker.host or find_host(world.environ, is_socket)
    return engine is None and not fs.is_whole()


class _Silent:
    """The host source where it is switched off: read, because every limit ends at the host's total, but not shown."""

    name = HostSource.name

    def __init__(self, host: HostSource) -> None:
        self._host = host

    def read(self, now: Now) -> SourceReport:
        return replace(self._host.read(now), columns=())

    def close(self) -> None:
        self._host.close()


def _host(sources: Sources) -> Source | None:
    return sources.host if sources.settings.host else _Silent(sources.host)


def _docker(sources: Sources) -> Source | None:
    settings, world = sources.settings, sources.world
    if not settings.docker.enabled or sources.lonely:
        return None

    def exited(subject: Subject, _flag: bool, out_of_memory: bool, _code: int | None) -> None:  # noqa: FBT001 - a hook
        if out_of_memory and sources.cgroup is not None:
            sources.cgroup.told_of_oom(subject)

    def oom(subject: Subject) -> None:
        if sources.cgroup is not None:
            sources.cgroup.told_of_oom(subject)

    def limits(subject: Subject) -> None:
        if sources.cgroup is not None:
            sources.cgroup.limits_changed(subject)

    sources.docker = DockerSource(
        settings.docker,
        locate=sources.fs.locate,
        wake=world.wake,
        hooks=Hooks(on_oom=oom, on_exit=exited, on_limits_changed=limits),
        environ=world.environ,
        interval=settings.interval,
    )
    return sources.docker


def _alone(sources: Sources) -> Source | None:
    if not sources.lonely or "memory" not in sources.fs.own():
        return None
    limit, host = sources.settings.alone_limit, socket.gethostname()
    sources.alone = AloneSource(sources.fs.own(), sources.procfs, sources.world.environ, host, limit)
    return sources.alone


def _cgroup(sources: Sources) -> Source | None:
    if sources.fs.trees is None and sources.lonely:
        return None
    sources.cgroup = CgroupSource(
        fs=sources.fs,
        globs=sources.settings.cgroups,
        procfs=sources.procfs,
        fds=sources.fds,
        watch=Watch(sources.world.poller, sources.fds),
        clock=sources.world.clock,
        wake=sources.world.wake,
        targets=sources.targets,
        host=sources.facts,
        kills=sources.world.kills,
    )
    return sources.cgroup


def _process(sources: Sources) -> Source | None:
    settings = sources.settings
    bare = sources.lonely and "memory" not in sources.fs.own()
    alone = Alone("self", settings.alone_limit) if bare else None
    if alone is None and not settings.process.groups and not settings.process.presets:
        return None
    limit_of = sources.cgroup.limit_of if sources.cgroup is not None else _unlimited
    sources.process = ProcessSource(settings.process, sources.procfs, sources.fds, cgroup_limit=limit_of, alone=alone)
    return sources.process


def _unlimited(_: int) -> int | None:
    return None


BUILDERS: Final[Mapping[str, Callable[[Sources], Source | None]]] = MappingProxyType(
    {"host": _host, "docker": _docker, "alone": _alone, "cgroup": _cgroup, "process": _process}
)
