"""The program that the gates count: it ticks over plain files laid out as v1 cgroups; only the sources are imported.

`ticking.py whole DIRECTORY CGROUPS TICKS` runs hot ticks of the cgroup source, each after the usage and memory.stat of
every tenth cgroup changed; `two` in place of `whole` only reads those two files. `ticking.py growth DIRECTORY CGROUPS`
runs whole ticks of the engine, every value new each time, and prints its resident bytes after 100 and after 1,000.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from brimline.fds import FdBudget
from brimline.levels import LevelBook, Levels
from brimline.model import HostFacts
from brimline.procfs import Procfs
from brimline.sources.cgroup_open import OpenCgroup
from brimline.sources.cgroup_reader import CgroupSource
from brimline.sources.cgroup_v1 import CgroupV1
from brimline.sources.cgroupfs import Cgroupfs
from brimline.sources.oom import OomLedger
from brimline.sources.watch import Watch
from fakes import MIB, FakeClock, FakePoller, V1Tree

USAGE = 100 * MIB
INTERVAL = 5.0
HOST = HostFacts(8192 * MIB, 4096 * MIB, 0)
PERIODS = 4  # the slow files are spread over 15 s: after so many intervals each has come round
CHANGING = 10  # one cgroup in so many changes between two hot ticks


class Cgroup:
    """One cgroup whose numbers can be changed, at one system call a file."""

    def __init__(self, directory: Path) -> None:
        self._usage = os.open(directory / "memory.usage_in_bytes", os.O_WRONLY)
        self._stat = os.open(directory / "memory.stat", os.O_WRONLY)

    def change(self, usage: bytes, stat: bytes) -> None:
        """Give it other numbers, as long as those before."""
        os.pwrite(self._usage, usage, 0)
        os.pwrite(self._stat, stat, 0)

    def close(self) -> None:
        """Close its files."""
        os.close(self._usage)
        os.close(self._stat)


def lay_out(directory: Path, cgroups: int) -> tuple[V1Tree, list[Cgroup]]:
    """Make the files."""
    tree = V1Tree(directory)
    (tree.procfs / "meminfo").write_text(f"MemTotal: {8 * MIB} kB\nMemAvailable: {4 * MIB} kB\n")
    (tree.procfs / "vmstat").write_text("nr_free_pages 5\noom_kill 0\n")
    usage, stat = numbers(0)
    first = {"usage_in_bytes": usage.decode(), "limit_in_bytes": 4 * USAGE, "stat": stat.decode()}
    return tree, [Cgroup(tree.add(f"bench/c{number:03}", **first)) for number in range(cgroups)]


def numbers(tick: int) -> tuple[bytes, bytes]:
    """Return a usage and a memory.stat as long as the kernel's (mm/memcontrol-v1.c)."""
    keys = (
        *("cache", "rss", "rss_huge", "shmem", "mapped_file", "dirty", "writeback", "workingset_refault_anon"),
        *("workingset_refault_file", "swap", "swapcached", "pgpgin", "pgpgout", "pgfault", "pgmajfault"),
        *("inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable"),
    )
    own = [f"{key} {10 * MIB + 4096 * tick}" for key in keys]
    limits = [f"hierarchical_memory_limit {4 * USAGE}", f"hierarchical_memsw_limit {4 * USAGE}"]
    return b"%d" % (USAGE + 4096 * tick), "\n".join([*own, *limits, *(f"total_{line}" for line in own)]).encode()


def source(
    tree: V1Tree, clock: FakeClock, fds: FdBudget, host: Callable[[], HostFacts | None] = lambda: HOST
) -> CgroupSource:
    """Return the cgroup source over the tree."""
    return CgroupSource(
        fs=Cgroupfs(str(tree.procfs), str(tree.cgroupfs)),
        globs=("bench/*",),
        procfs=Procfs(str(tree.procfs)),
        fds=fds,
        watch=Watch(FakePoller(), fds),
        clock=clock,
        wake=lambda _: None,
        targets=tuple,
        host=host,
        kills=OomLedger(),
        levels=Levels(LevelBook(0.80, 0.85)),
    )


def whole(directory: Path, cgroups: int) -> tuple[list[Cgroup], Callable[[], object]]:
    """Return the cgroups and a tick of their source: four hot files, the formulas, the alarms and the columns."""
    tree, made = lay_out(directory, cgroups)
    clock = FakeClock()
    reader = source(tree, clock, FdBudget(10 * cgroups))
    for _ in range(PERIODS):
        reader.read(clock.pass_(INTERVAL))
    return made, lambda: reader.read(clock.now())


def two(directory: Path, cgroups: int) -> tuple[list[Cgroup], Callable[[], object]]:
    """Return the cgroups and the bare reading of usage and memory.stat."""
    tree, made = lay_out(directory, cgroups)
    dialect, fds = CgroupV1(), FdBudget(10 * cgroups)
    places = [{"memory": str(place)} for place in (tree.memory / "bench").iterdir()]
    opened = [OpenCgroup(place, dialect, fds, only_bounds=True) for place in places]

    def read() -> None:
        for cgroup in opened:
            if cgroup.fetch():
                cgroup.take_in()

    return made, read


def tick(made: list[Cgroup], read: Callable[[], object], ticks: int) -> None:
    """Read again and again; some change each time."""
    read()
    states = [numbers(1), numbers(2)]
    for number in range(ticks):
        for cgroup in made[::CHANGING]:
            cgroup.change(*states[number % 2])
        read()


def growth(directory: Path, cgroups: int) -> None:
    """Run whole ticks of the engine."""
    from gates.whole import Whole, engine_over  # noqa: PLC0415 - its imports are not to be paid for by the others

    tree, made = lay_out(directory, cgroups)
    clock = FakeClock()
    engine = engine_over(Whole(tree, clock), clock)
    for tick in range(1, 1001):
        usage, text = numbers(tick)
        for cgroup in made:
            cgroup.change(usage, text)
        engine.tick(clock.pass_(INTERVAL))
        if tick in {100, 1000}:
            print(resident())  # noqa: T201 - its answer


def resident() -> int:
    """Return this process's resident bytes, exactly: statm is off by what the processors have not yet summed up."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss:"))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["whole", directory, cgroups, ticks]:
            tick(*whole(Path(directory), int(cgroups)), int(ticks))
        case ["two", directory, cgroups, ticks]:
            tick(*two(Path(directory), int(cgroups)), int(ticks))
        case ["growth", directory, cgroups]:
            growth(Path(directory), int(cgroups))
        case _:
            sys.exit(__doc__)
