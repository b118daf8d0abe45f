"""The sources as they live beside the ticks: begun, waited for, swapped for those of another configuration, ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from brimline.config import Config
from brimline.model import Source
from brimline.sources.assembly import Settings, Sources
from brimline.sources.docker import DockerSource
from brimline.sources.process import ProcessSource
from brimline.sources.registry import change

_SWAP_SECONDS: Final = 5.0  # how long the old sources are read on for the sake of a new one's first list


class Readers:
    """Keeps one set of sources going, and the task that follows Docker."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._following: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start what runs beside the ticks."""
        self._following = _begin(self._sources.readers.values())

    async def seen(self, patience: float) -> None:
        """Wait for what they see first."""
        await _first(self._sources.readers.values(), patience)

    async def change(self, config: Config) -> None:
        """Let new sources begin while the old ones are read, and put them in force once they know the world."""
        coming = change(self._sources, settings_of(config))
        following = _begin(coming.fresh)
        try:
            await _first(coming.fresh, _SWAP_SECONDS)
        except asyncio.CancelledError:
            await end(following)
            coming.drop()
            raise
        if self._sources.of(DockerSource) not in coming.readers.values():
            self._following, following = following, self._following
        self._sources.take(coming)
        await end(following)

    async def close(self) -> None:
        """End the tasks and give every descriptor back."""
        await end(self._following)
        self._sources.close()


def settings_of(config: Config) -> Settings:
    """Return what the sources need of the configuration."""
    return Settings(
        docker=config.sources.docker,
        cgroups=(*config.sources.cgroups, *(("/",) if config.compat.cadvisor else ())),  # cAdvisor's id="/"
        process=config.sources.process,
        host=config.sources.host,
        alone_limit=config.sources.alone.limit,
        procfs=config.path.procfs,
        cgroupfs=config.path.cgroupfs,
        fds=config.limits.fds,
    )


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks and wait until they have ended."""
    ended = [task for task in tasks if task is not None]
    for task in ended:
        task.cancel()
    await asyncio.gather(*ended, return_exceptions=True)


def _begin(sources: Iterable[Source]) -> asyncio.Task[None] | None:
    """Start what runs beside the ticks; return the task that follows Docker."""
    following = None
    for source in sources:
        match source:
            case ProcessSource():
                source.start(0)
            case DockerSource():
                following = asyncio.create_task(source.run())
    return following


async def _first(sources: Iterable[Source], patience: float) -> None:
    looks = [source.first(patience) for source in sources if isinstance(source, DockerSource | ProcessSource)]
    await asyncio.gather(*looks)
