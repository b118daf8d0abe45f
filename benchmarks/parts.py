"""What the benchmarks read: real v1 cgroups below a private parent, and the cgroup source over them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from brimline.fds import FdBudget
from brimline.levels import LevelBook, Levels
from brimline.model import Clock, HostFacts, Now, Poller, Wake
from brimline.procfs import Procfs
from brimline.sources.cgroup_reader import CgroupSource
from brimline.sources.cgroupfs import Cgroupfs
from brimline.sources.oom import OomLedger
from brimline.sources.watch import Watch

MEMORY = Path("/sys/fs/cgroup/memory")
HOT = ("memory.usage_in_bytes", "memory.stat", "memory.oom_control", "memory.failcnt")
LIMIT = 2**30


@contextmanager
def cgroups(count: int) -> Iterator[list[Path]]:
    """Keep `count` limited cgroups below a parent of our own for the time of the block."""
    if os.geteuid() or not (MEMORY / "release_agent").exists():
        raise SystemExit(f"this needs root and the v1 memory controller in {MEMORY}")
    parent = MEMORY / f"brimline-bench-{os.getpid()}"
    parent.mkdir()
    directories = [parent / f"c{number:04}" for number in range(count)]
    try:
        for directory in directories:
            directory.mkdir()
            (directory / "memory.limit_in_bytes").write_text(str(LIMIT))
        yield directories
    finally:
        for directory in (*directories, parent):
            if directory.exists():
                directory.rmdir()


class Time:
    """A clock that moves when told: the slow files come round every 15 s, which is three ticks."""

    def __init__(self) -> None:
        self._now = Now(1e9, 1e3)

    def now(self) -> Now:
        """Return this moment."""
        return self._now

    def pass_(self, seconds: float) -> Now:
        """Let time pass."""
        self._now = Now(self._now.wall + seconds, self._now.mono + seconds)
        return self._now


class NoLoop:
    """A loop that never calls."""

    def add(self, fd: int, ready: Callable[[], None]) -> None:
        """Watch nothing."""

    def remove(self, fd: int) -> None:
        """Watch nothing."""

    def later(self, seconds: float, ready: Callable[[], None]) -> None:
        """Call nothing."""


def source(
    glob: str, clock: Clock, *, fds: int, poller: Poller | None = None, wake: Wake = lambda _: None
) -> CgroupSource:
    """Return the cgroup source over a glob, under a large host."""
    budget = FdBudget(fds)
    return CgroupSource(
        fs=Cgroupfs(),
        globs=(glob,),
        procfs=Procfs(),
        fds=budget,
        watch=Watch(poller or NoLoop(), budget),
        clock=clock,
        wake=wake,
        targets=tuple,
        host=lambda: HostFacts(2**40, 2**40, 0),
        kills=OomLedger(),
        levels=Levels(LevelBook(0.80, 0.85)),
    )


def naively(directories: list[Path]) -> list[dict[str, int]]:
    """Read the hot files as one would write it first: open, read, a loop over lines, a dictionary."""
    found = []
    for directory in directories:
        values = {}
        for file in HOT:
            with open(f"{directory}/{file}") as lines:  # noqa: PTH123 - what is measured
                for line in lines:
                    name, _, value = line.rpartition(" ")
                    values[f"{file} {name}"] = int(value)
        found.append(values)
    return found
