"""Finds the processes of a subject and signals those that carry brimline.hook, never another."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from brimline.actions.held import Held
from brimline.hook import BETWEEN, CRITICAL, RELIEVE
from brimline.procfs import Procfs, catches, parse_caught

# A child between fork and exec still shows its parent's handlers, and exec takes them away: then the signal would kill
# it. It is milliseconds old there; nothing this young holds what is worth cleaning.
_GROWN: Final = 2.0
_MASK: Final = {number: number in (RELIEVE, CRITICAL) for number in (RELIEVE, *BETWEEN, CRITICAL)}


@dataclass(frozen=True, slots=True)
class Reach:
    """How many processes were signalled, have no hook, may not be signalled, or are too young to be."""

    signalled: int = 0
    without: int = 0
    denied: int = 0
    young: int = 0
    hidden: str = ""  # why no process can be seen; empty where they can

    @property
    def sentence(self) -> str:
        """Say it."""
        if self.hidden:
            return self.hidden
        parts = [f"{self.signalled} signalled", f"{self.without} without the hook"]
        if self.denied:
            parts.append(f"{self.denied} not ours to signal (Brimline needs the capability KILL)")
        if self.young:
            parts.append(f"{self.young} just started")
        return f"processes: {', '.join(parts)}"


@dataclass(frozen=True, slots=True)
class Crew:
    """The processes of a subject as we would signal them; without any, `hidden` says why."""

    pids: tuple[int, ...] = ()
    hidden: str = ""


class Workers:
    """What can be done to processes, by their numbers in our own pid name space."""

    def __init__(self, procfs: Procfs) -> None:
        self._procfs = procfs

    def crew(self, directory: str | None, pids: Sequence[int] = ()) -> Crew:
        """Return the processes in a memory cgroup and below it, or those of a group."""
        try:
            if not self._procfs.is_our_own():
                return Crew(hidden="its processes have other numbers here: run Brimline with pid: host")
        except OSError as error:
            return Crew(hidden=f"/proc cannot be read: {error.strerror}")
        if directory is None:
            return Crew(tuple(pids)) if pids else Crew(hidden="its processes are not known")
        found = pids_below(directory)
        seen = tuple(pid for pid in found if pid)  # cgroup v2 writes 0 for a process of another pid name space
        return Crew(seen) if seen else Crew(hidden="its processes cannot be seen: run Brimline with pid: host")

    def carriers(self, crew: Crew) -> int:
        """Return how many processes carry the hook."""
        found = 0
        for pid in crew.pids:
            with suppress(OSError):
                found += carries(self._procfs.status(pid))
        return found

    def near(self, crew: Crew) -> bool:
        """Tell whether they are in our own network, where 127.0.0.1 is theirs too; not where that cannot be seen."""
        own = self._network("self")
        return own is not None and any(self._network(pid) == own for pid in crew.pids)

    def signal(self, crew: Crew, *, critical: bool) -> Reach:
        """Signal every grown process that carries the hook."""
        if not crew.pids:
            return Reach(hidden=crew.hidden)
        number = CRITICAL if critical else RELIEVE
        told = [self._one(pid, number) for pid in crew.pids]
        return Reach(told.count("signalled"), told.count("without"), told.count("denied"), told.count("young"))

    def _network(self, pid: int | str) -> bytes | None:
        with suppress(OSError):
            return parse_network(Path(self._procfs.path(pid, "net", "netlink")).read_bytes())
        return None

    def _one(self, pid: int, number: int) -> str:
        try:
            with Held(self._procfs, pid) as process:
                if not carries(self._procfs.status(pid)):
                    return "without"
                born = process.start / self._procfs.ticks_per_second
                if time.clock_gettime(time.CLOCK_BOOTTIME) - born < _GROWN:
                    return "young"
                process.send(number)
        except PermissionError:
            return "denied"
        except OSError:
            return "gone"
        return "signalled"


def carries(status: bytes) -> bool:
    """Tell whether a status file is of a process with the hook: both signals caught, those between them not."""
    mask = parse_caught(status)
    return all(catches(mask, number) == wanted for number, wanted in _MASK.items())


def parse_network(netlink: bytes) -> bytes | None:
    """Return what tells a network name space from others: the inode of the kernel's own routing socket in it.

    The link ns/net says the same, but only to whoever may trace the process.
    """
    rows = (line.split() for line in netlink.splitlines()[1:])
    return next((row[-1] for row in rows if row[1:3] == [b"0", b"0"]), None)


def pids_below(directory: str) -> tuple[int, ...]:
    """Return the processes of a cgroup and of all below it; workers may sit in groups of their own."""
    found: list[int] = []
    for place in _places(Path(directory)):
        with suppress(OSError, ValueError):  # gone, or a threaded cgroup, which lists threads only
            found += map(int, (place / "cgroup.procs").read_text("ascii").split())
    return tuple(dict.fromkeys(found))


def _places(top: Path) -> Iterable[Path]:
    yield top
    with suppress(OSError):
        for below in top.iterdir():
            if below.is_dir() and not below.is_symlink():
                yield from _places(below)
