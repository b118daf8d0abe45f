"""Cgroups made for a test, v1 or v2: limits set, a memload run inside, everything removed at the end."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from real.loads import Load
from real.places import wait_until


def sweep(name: str) -> None:
    """Remove what a daemon left behind of a cgroup, in every controller's tree."""
    # Others remove directories of theirs meanwhile, which os.walk forgives.
    for folder in [place for place, _, _ in os.walk("/sys/fs/cgroup", topdown=False) if name in Path(place).parts]:
        Path(folder).rmdir()


class Group:
    """One cgroup directory that the test owns."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.path = directory
        self._loads: list[Load] = []
        self._children: list[Group] = []

    def child(self, name: str) -> Group:
        """Make a cgroup below this one."""
        group = Group(self.path / name)
        self._children.append(group)
        return group

    def write(self, file: str, value: object) -> None:
        """Write one of the cgroup's files."""
        (self.path / file).write_text(str(value))

    def read(self, file: str) -> str:
        """Read one of the cgroup's files."""
        return (self.path / file).read_text()

    def fields(self, file: str) -> dict[str, int]:
        """Read a file of `name number` lines, such as memory.stat or memory.events."""
        return {name: int(value) for name, value in (line.split() for line in self.read(file).splitlines())}

    def start(self, *steps: object) -> Load:
        """Start memload inside, from its first instruction."""
        load = Load(*steps, before=f"echo $$ > {self.path}/cgroup.procs")
        self._loads.append(load)
        return load

    def run(self, *steps: object) -> Load:
        """Start memload inside and wait until it is ready."""
        load = self.start(*steps)
        load.ready()
        return load

    def pids(self) -> list[int]:
        """Return the processes in this cgroup."""
        return [int(pid) for pid in self.read("cgroup.procs").split()]

    def close(self) -> None:
        """Kill everything inside and remove the directory."""
        for group in reversed(self._children):
            group.close()
        for load in self._loads:
            load.close()
        if not self.path.exists():
            return
        for pid in self.pids():
            with suppress(ProcessLookupError):  # a child that died with its parent
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.pids(), f"{self.path} empty")
        self.path.rmdir()
