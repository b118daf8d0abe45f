"""The engine over a tree of plain files: whole ticks, the page and the self metrics included."""

from __future__ import annotations

from brimline.engine import Engine
from brimline.fds import FdBudget
from brimline.metrics.render import Renderer
from brimline.metrics.self import SelfMetrics
from brimline.model import Source
from brimline.procfs import Procfs
from brimline.sources.host import HostSource
from fakes import FakeClock, V1Tree, no_rules
from gates.ticking import INTERVAL, source


class Whole:
    """The host and the cgroups as the engine reads them."""

    def __init__(self, tree: V1Tree, clock: FakeClock, *, fds: int = 4096) -> None:
        self.fds = FdBudget(fds)
        host = HostSource(Procfs(str(tree.procfs)), self.fds)
        cgroup = source(tree, clock, self.fds, lambda: host.facts)
        self.readers: dict[str, Source] = {"host": host, "cgroup": cgroup}
        self.next_look = cgroup.next_look

    def close(self) -> None:
        """Give every descriptor back."""
        for reader in self.readers.values():
            reader.close()


def engine_over(sources: Whole, clock: FakeClock) -> Engine:
    """Return the engine."""
    engine = Engine(judging=no_rules(), self_metrics=SelfMetrics(), clock=clock)
    engine.use(sources, Renderer(series=100_000), INTERVAL)
    return engine
