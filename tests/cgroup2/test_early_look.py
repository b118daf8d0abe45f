"""Version 2 has no alarm at a level of usage: who fills up is looked at again in half of the time that is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from brimline.engine import Engine, SystemClock
from brimline.metrics.render import Renderer
from brimline.metrics.self import SelfMetrics
from brimline.model import Now, Source
from brimline.sources.cgroup import ALERT_AT
from brimline.view import View
from fakes import no_rules, values
from real.cgroups import Group
from real.measured import Measured
from real.rows import MIB

RATIO = "brimline_cgroup_memory_used_ratio"
INTERVAL = 10
LIMIT = 100
RATE = 3  # MiB a second, 3 points of the limit: ticks every interval alone would see 60 % and then 90 %
SLACK = 0.09  # 3 s of the leak: a busy machine may keep a look waiting
APART = 0.15  # at most, between the last two looks: half of what an interval sees


class Readers:
    """A measured source as the engine knows sources."""

    def __init__(self, measured: Measured) -> None:
        self.readers: dict[str, Source] = {"host": measured.host, "cgroup": measured.source}
        self.next_look = measured.source.next_look


class Noting(Engine):
    """An engine that notes every ratio it reads, and stops above the level."""

    def __init__(self) -> None:
        super().__init__(judging=no_rules(), self_metrics=SelfMetrics(), clock=SystemClock())
        self.ratios: list[float] = []

    def tick(self, now: Now, cause: str = "interval") -> View:
        view = super().tick(now, cause)
        self.ratios += [ratio for report in view.snapshot.reports for ratio in values(report).get(RATIO, {}).values()]
        if self.ratios[-1] > ALERT_AT:
            raise asyncio.CancelledError
        return view


def test_a_leak_is_seen_as_it_crosses_the_level(
    group: Callable[..., Group], measuring: Callable[..., Measured]
) -> None:
    limited = group(memory_max=LIMIT * MIB, memory_swap_max=0)
    leak = limited.run("leak", RATE)

    async def ratios() -> list[float]:
        engine = Noting()
        engine.use(Readers(measuring("test-*")), Renderer(series=1000, compat=None), INTERVAL)
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(engine.run(), 120)
        return engine.ratios

    seen = asyncio.run(ratios())
    leak.close()
    assert ALERT_AT < seen[-1] < ALERT_AT + SLACK, seen
    assert seen[-1] - seen[-2] < APART, seen
    assert len(seen) < 40, "a look every 100 ms from the start is no deadline"
