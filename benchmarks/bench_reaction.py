"""From the charge that crosses 80 % of a limit to the tick that saw it, on v1, with the application's own loop.

A C program fills a limited cgroup at 1 GB/s, starting anywhere between two ticks, and says when it touched the page
that brought usage above the level. A tick counts from its snapshot's time; when it ended is shown too.
Usage: python benchmarks/bench_reaction.py [--rounds N] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import subprocess
import time
from collections import Counter
from pathlib import Path

from brimline import bundled
from brimline.engine import Engine, LoopPoller, SystemClock
from brimline.judging import Judging
from brimline.metrics.render import Renderer
from brimline.metrics.self import SelfMetrics
from brimline.model import Kind, Now, Source
from brimline.rulefiles import load_rules
from brimline.rules.alertstore import MemoryAlertStore
from brimline.sources.cgroup import MEMORY_USED_RATIO
from brimline.sources.cgroup_reader import CgroupSource
from brimline.view import View
from measuring import Line, compiled, heading
from parts import cgroups, source

LEVEL, TOP, RATE = 0.80, 0.84, 1e9
INTERVAL, START_PERIOD = 5.0, 120.0


class Watching(Engine):
    """The engine, and the first tick that saw a cgroup above the level: when it began, when it ended, and why."""

    _saw: tuple[float, float, str] | None = None

    def first_sight(self) -> tuple[float, float, str] | None:
        """Return it and forget it."""
        saw, self._saw = self._saw, None
        return saw

    def tick(self, now: Now, cause: str = "interval") -> View:
        """Tick, and look at what it saw."""
        view = super().tick(now, cause)
        above = any(value > LEVEL for value in view.snapshot.by_subject(MEMORY_USED_RATIO[Kind.CGROUP]).values())
        if above and self._saw is None:
            self._saw = now.mono, time.monotonic(), cause
        return view


class Alone:
    """The cgroup source alone, as the engine knows sources."""

    def __init__(self, source: CgroupSource) -> None:
        self.readers: dict[str, Source] = {source.name: source}
        self.next_look = source.next_look


def watching(glob: str) -> Watching:
    """Return the engine over a glob, in the running loop, with the rules that travel with it."""
    clock = SystemClock()
    rules = load_rules({bundled.RULES: bundled.text(bundled.RULES)})
    judging = Judging(rules, (), MemoryAlertStore(), START_PERIOD, clock.now())
    engine = Watching(judging=judging, self_metrics=SelfMetrics(), clock=clock)
    over = source(glob, clock, fds=4096, poller=LoopPoller(), wake=engine.wake)
    engine.use(Alone(over), Renderer(series=100_000), INTERVAL)
    return engine


async def reactions(binary: Path, directory: Path, rounds: int) -> list[tuple[float, float, str]]:
    """Return the milliseconds from each crossing to the tick that saw it and to its end, and what caused the tick."""
    engine = watching(f"{directory.parent.name}/*")
    filling = await asyncio.create_subprocess_exec(
        binary, str(LEVEL), str(TOP), str(RATE), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert filling.stdin is not None  # noqa: S101 - for the type checker
    assert filling.stdout is not None  # noqa: S101 - for the type checker
    await filling.stdout.readline()
    ticking = asyncio.create_task(engine.run())
    taken: list[tuple[float, float, str]] = []
    for _ in range(rounds):
        await asyncio.sleep(1 + random.random())  # noqa: S311 - where in the interval it begins
        engine.first_sight()
        filling.stdin.write(f"{directory}\n".encode())
        crossed = int(await filling.stdout.readline()) / 1e9
        saw = engine.first_sight()
        if saw is None:
            raise SystemExit("no tick saw the crossing within 0.4 s")
        began, ended, cause = saw
        taken.append(((began - crossed) * 1000, (ended - crossed) * 1000, cause))
    ticking.cancel()
    filling.stdin.close()
    await filling.wait()
    return taken


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help="ten rounds")
    args = parser.parse_args()
    with cgroups(1) as (directory,), compiled("ref_touch.c") as binary:
        taken = asyncio.run(reactions(binary, directory, 10 if args.quick else args.rounds))
    began, ended = sorted(row[0] for row in taken), sorted(row[1] for row in taken)
    middle, late = statistics.median(began), began[int(0.99 * len(began))]
    print(heading())
    print(Line("reaction at 1 GB/s, v1: half of the crossings", f"{middle:.2f} ms", "", "<= 1 ms", middle <= 1))
    print(Line("  99 of 100", f"{late:.2f} ms", "", "<= 10 ms", late <= 10))
    half, last = statistics.median(ended), ended[int(0.99 * len(ended))]
    print(
        f"\n{len(taken)} crossings, the slowest {began[-1]:.2f} ms. Half of these ticks ended within {half:.2f} ms of"
    )
    print(f"the crossing, 99 of 100 within {last:.2f} ms.")
    print(f"What caused them: {dict(Counter(row[2] for row in taken))}")


if __name__ == "__main__":
    main()
