"""Every source in the order of a tick, and how each is put together. A new source is one file and one line in BUILDERS.

An early one may be asked by a later one: the host's totals and Docker's targets go to the cgroup source.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from brimline.errors import SourceError
from brimline.model import Now, Source, SourceReport, Subject
from brimline.sources.alone import AloneSource
from brimline.sources.assembly import Change, Ground, Settings, Sources, World
from brimline.sources.cgroup_reader import CgroupSource
from brimline.sources.docker import DockerSource
from brimline.sources.docker_roster import Hooks
from brimline.sources.host import HostSource
from brimline.sources.process import Alone, ProcessSource
from brimline.sources.watch import Watch


def build(settings: Settings, world: World) -> Sources:
    """Put every source together that the settings ask for."""
    sources = Sources(settings, world)
    sources.take(change(sources, settings))
    return sources


def change(sources: Sources, settings: Settings) -> Change:
    """Make what these settings ask for and is not there yet; what is in force stays so. Raises SourceError."""
    readers: dict[str, Source] = {}
    fresh: list[Source] = []
    name = "ground"
    try:
        bears = sources.ground.bears(settings, sources.world)
        ground = sources.ground if bears else Ground(settings, sources.world)
        for name, builder in BUILDERS.items():
            source = sources.readers.get(name)
            kept = bears and builder.needs(settings) == builder.needs(sources.settings)
            if source is None or not kept:
                source = builder.make(sources, ground, settings)
                fresh += [source] if source is not None else []
            if source is not None:
                readers[name] = source
    except (OSError, ValueError) as error:
        Change(settings, sources.ground, readers, fresh).drop()
        raise SourceError(f"source {name}: {error}") from error
    return Change(settings, ground, readers, fresh)


class _Silent:
    """The host source where it is switched off: read, because every limit ends at the host's total, but not shown."""

    name = HostSource.name

    def __init__(self, host: HostSource) -> None:
        self._host = host

    def read(self, now: Now) -> SourceReport:
        return replace(self._host.read(now), columns=())

    def close(self) -> None:
        self._host.close()


def _host(_: Sources, ground: Ground, settings: Settings) -> Source:
    return ground.host if settings.host else _Silent(ground.host)


def _docker(sources: Sources, ground: Ground, settings: Settings) -> Source | None:
    if not settings.docker.enabled or ground.lonely:
        return None

    def oom(subject: Subject) -> None:
        if (cgroup := sources.of(CgroupSource)) is not None:
            cgroup.told_of_oom(subject)

    def exited(subject: Subject, _flag: bool, out_of_memory: bool, _code: int | None) -> None:  # noqa: FBT001 - a hook
        if out_of_memory:
            oom(subject)

    def limits(subject: Subject) -> None:
        if (cgroup := sources.of(CgroupSource)) is not None:
            cgroup.limits_changed(subject)

    return DockerSource(
        settings.docker,
        locate=ground.fs.locate,
        wake=sources.world.wake,
        hooks=Hooks(on_oom=oom, on_exit=exited, on_limits_changed=limits),
        environ=sources.world.environ,
        interval=sources.world.interval,
        restarts={labels: replace(tally) for labels, tally in sources.restarts.items()},
    )


def _alone(sources: Sources, ground: Ground, settings: Settings) -> Source | None:
    own = ground.fs.own()
    if not ground.lonely or "memory" not in own:
        return None
    return AloneSource(own, ground.procfs, sources.world.environ, socket.gethostname(), settings.alone_limit)


def _cgroup(sources: Sources, ground: Ground, settings: Settings) -> Source | None:
    if ground.fs.trees is None and ground.lonely:
        return None
    return CgroupSource(
        fs=ground.fs,
        globs=settings.cgroups,
        procfs=ground.procfs,
        fds=ground.fds,
        watch=Watch(sources.world.poller, ground.fds),
        clock=sources.world.clock,
        wake=sources.world.wake,
        targets=sources.targets,
        host=sources.facts,
        kills=sources.world.kills,
        levels=sources.world.levels,
    )


def _process(sources: Sources, ground: Ground, settings: Settings) -> Source | None:
    bare = ground.lonely and "memory" not in ground.fs.own()
    alone = Alone("self", settings.alone_limit) if bare else None
    if alone is None and not settings.process.groups and not settings.process.presets:
        return None
    return ProcessSource(settings.process, ground.procfs, ground.fds, cgroup_limit=sources.limit_of, alone=alone)


@dataclass(frozen=True, slots=True)
class Builder:
    """How one source is made, and the settings that make it another one; what it needs besides is in the ground."""

    make: Callable[[Sources, Ground, Settings], Source | None]
    needs: Callable[[Settings], object]


BUILDERS: Final[Mapping[str, Builder]] = MappingProxyType(
    {
        "host": Builder(_host, lambda settings: settings.host),
        "docker": Builder(_docker, lambda settings: settings.docker),
        "alone": Builder(_alone, lambda settings: settings.alone_limit),
        "cgroup": Builder(_cgroup, lambda _: None),  # it follows its globs by itself
        "process": Builder(_process, lambda settings: (settings.process, settings.alone_limit)),
    }
)
