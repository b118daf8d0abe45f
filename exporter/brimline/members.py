"""The processes of one subject by PSS, weighed when somebody looks and at most at a hundredth of one core.

A PSS walks a process's page tables under its mmap lock (2-6 ms a resident GiB), so only the largest are weighed, and
never one that waits in the kernel: it may be stuck at its limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from brimline.dockerthreads import Calls
from brimline.errors import UnreachableError
from brimline.labels import sanitise
from brimline.model import Clock, Subject
from brimline.procfs import Procfs
from brimline.sources.cgroupfs import walk

_SHOWN: Final = 20  # processes
_PATIENCE: Final = 1.0  # seconds
_KEPT: Final = 15.0  # seconds
_REST: Final = 99.0  # seconds of rest for a second of weighing
_MOST: Final = 2000  # processes looked at
_REMEMBERED: Final = 64  # subjects
_STUCK: Final = "D"  # proc_pid_stat(5): uninterruptible sleep


@dataclass(frozen=True, slots=True)
class Member:
    """One process."""

    pid: int
    name: str
    rss: int
    pss: int | None  # None: it may not be read, or is not worth the cost now


@dataclass(frozen=True, slots=True)
class Members:
    """The largest ones, the largest first, at a moment."""

    at: float  # wall time
    found: tuple[Member, ...]
    left_out: int = 0


class Scale:
    """Weighs one subject's processes at a time, in a thread that may hang."""

    def __init__(self, procfs: Procfs, clock: Clock, *, cpu: Callable[[], float] = time.thread_time) -> None:
        self._procfs, self._clock, self._cpu = procfs, clock, cpu
        self._calls = Calls(1)
        self._last: dict[str, tuple[float, Members]] = {}  # uid -> mono, and what was found
        self._rested = float("-inf")  # mono from which it may weigh again

    async def look(self, subject: Subject, pids: Callable[[], Sequence[int]]) -> Members | None:
        """Return its processes; what was found last, or None, where they do not come in time."""
        try:
            return await self._calls.result(lambda: self.of(subject, pids()), _PATIENCE)
        except (UnreachableError, TimeoutError):
            known = self._last.get(subject.uid)
            return None if known is None else known[1]

    def of(self, subject: Subject, pids: Sequence[int]) -> Members:
        """Return the processes among these; a moment ago's where it is too early to weigh again."""
        now = self._clock.now()
        known = self._last.get(subject.uid)
        if known is not None and (now.mono - known[0] < _KEPT or now.mono < self._rested):
            return known[1]
        began = self._cpu()
        found = sorted(self._resident(pids[:_MOST]), key=lambda one: one.rss, reverse=True)
        weighed = found[:_SHOWN]
        if now.mono >= self._rested:
            weighed = [self._weighed(one) for one in weighed]
            self._rested = now.mono + (self._cpu() - began) * _REST
        weighed.sort(key=lambda one: one.rss if one.pss is None else one.pss, reverse=True)
        members = Members(now.wall, tuple(weighed), len(found) - len(weighed))
        self._last.pop(subject.uid, None)
        self._last[subject.uid] = (now.mono, members)
        while len(self._last) > _REMEMBERED:
            self._last.pop(next(iter(self._last)))
        return members

    def _resident(self, pids: Iterable[int]) -> Iterable[Member]:
        for pid in pids:
            with suppress(OSError, ValueError, IndexError):  # it has ended
                stat = self._procfs.stat(pid)
                name = sanitise(stat.comm.decode("utf-8", "surrogateescape"))
                yield Member(pid, name, stat.rss_pages * self._procfs.page_size, None)

    def _weighed(self, member: Member) -> Member:
        with suppress(OSError, ValueError, IndexError):
            if self._procfs.stat(member.pid).state != _STUCK:
                return Member(member.pid, member.name, member.rss, self._procfs.pss(member.pid))
        return member


def below(top: str) -> list[int]:
    """Return the processes of a cgroup and of those below it."""
    found: list[int] = []
    for directory in (top, *walk(top)):
        with suppress(OSError):  # it has gone, or is threaded
            found += map(int, Path(directory, "cgroup.procs").read_text("ascii").split())
    return found
