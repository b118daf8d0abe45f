"""The engine with every source but Docker's over a tree of plain files, put together as the application does it."""

from __future__ import annotations

from brimline.engine import Engine
from brimline.metrics.render import Renderer
from brimline.metrics.self import SelfMetrics
from brimline.sources.docker import DockerOptions
from brimline.sources.oom import OomLedger
from brimline.sources.process import ProcessOptions
from brimline.sources.registry import Settings, Sources, World, build
from fakes import FakeClock, FakePoller, V1Tree


def sources_over(tree: V1Tree, clock: FakeClock, *, fds: int = 4096) -> Sources:
    """Return the sources."""
    settings = Settings(
        docker=DockerOptions(enabled=False),
        cgroups=("bench/*",),
        process=ProcessOptions(presets=()),
        host=True,
        alone_limit=None,
        procfs=str(tree.procfs),
        cgroupfs=str(tree.cgroupfs),
        fds=fds,
        interval=5.0,
    )
    return build(settings, World(clock, FakePoller(), lambda _: None, {}, OomLedger()))


def engine_over(sources: Sources, clock: FakeClock) -> Engine:
    """Return the engine."""
    engine = Engine(self_metrics=SelfMetrics(), clock=clock)
    engine.use(sources, Renderer(series=100_000), 5.0)
    return engine
