"""One group's members and what they use: resident memory every tick, CPU seconds, and how often a master was replaced.

The hot path is one pread of a kept statm a member. Such a descriptor belongs to one process for ever, so a pid that is
used again cannot be mistaken; a member without one is read by path, through the one file that also says when it began.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from brimline.fds import FdBudget
from brimline.procfs import Procfs, parse_statm
from brimline.sources.process_census import Identity, Pulse

_LINE: Final = 128  # seven numbers
_NO_MEMORY: Final = b"0 "  # the size of a zombie, whose memory is gone (proc_pid_statm)


@dataclass(slots=True)
class Member:
    """One living process of the group."""

    pid: int
    start: int
    master: bool
    cgroups: tuple[str, ...]
    cpu_ticks: int
    fd: int = -1


def _age(member: Member) -> tuple[int, int]:
    return member.start, member.pid


class Tally:
    """Adds up one group."""

    def __init__(self, procfs: Procfs, fds: FdBudget) -> None:
        self._procfs = procfs
        self._budget = fds
        self.members: dict[int, Member] = {}
        self.oldest: Member | None = None
        self.rss_pages: list[int] = []
        self.denied = 0
        self.cpu_ticks = 0
        self.restarts = 0
        self._ended = 0  # masters that ended and have not been replaced
        self._kept: list[Member] = []
        self._fds: list[int] = []
        self._loose: list[Member] = []
        self._raws: list[bytes] = []
        self._changed = True

    @property
    def kept(self) -> int:
        """Return how many members are read through a kept descriptor."""
        return len(self.members) - len(self._loose)

    def shared_cgroup(self) -> bool:
        """Tell whether all members sit in one cgroup."""
        return len({member.cgroups for member in self.members.values()}) == 1

    def join(self, identity: Identity, *, master: bool) -> None:
        """Take a process in. A master that comes after another one has ended is a restart."""
        self.leave(identity.pid)
        member = Member(identity.pid, identity.start, master, identity.cgroups, identity.cpu_ticks)
        self.members[member.pid] = member
        if self.oldest is None or _age(member) < _age(self.oldest):
            self.oldest = member
        self.cpu_ticks += member.cpu_ticks
        if master and self._ended:
            self._ended -= 1
            self.restarts += 1
        self._keep(member)
        self._changed = True

    def leave(self, pid: int) -> None:
        """Let a process go: what it used of the CPU stays counted."""
        member = self.members.pop(pid, None)
        if member is None:
            return
        if member.fd >= 0:
            os.close(member.fd)
            self._budget.release()
        if member is self.oldest:
            self.oldest = min(self.members.values(), key=_age, default=None)
        self._ended += member.master
        if not self.members:
            self._ended = 1  # the whole group is gone: its return is one restart
        self._changed = True

    def beat(self, pulse: Pulse) -> bool:
        """Add the CPU time since last time; False where the pid is another process's now."""
        member = self.members.get(pulse.pid)
        if member is None:
            return True
        if member.start != pulse.start:
            return False
        self.cpu_ticks += max(0, pulse.cpu_ticks - member.cpu_ticks)
        member.cpu_ticks = pulse.cpu_ticks
        return True

    def read(self) -> Iterable[int]:
        """Read every member's resident pages; return the pids of those that have ended."""
        if self._changed:
            self._arrange()
        raws: list[bytes] = []
        add, pread = raws.append, os.pread
        for fd in self._fds:
            try:
                add(pread(fd, _LINE, 0))
            except OSError:  # ESRCH
                add(_NO_MEMORY)
        if raws == self._raws and not self._loose and not self._changed:
            return ()
        self._raws, self._changed = raws, False
        ended = [m.pid for m, raw in zip(self._kept, raws, strict=True) if raw.startswith(_NO_MEMORY)]
        self.rss_pages = [parse_statm(raw) for raw in raws if not raw.startswith(_NO_MEMORY)]
        self.denied = 0
        return ended + self._read_loose() if self._loose else ended

    def close(self) -> None:
        """Give back every descriptor."""
        for pid in list(self.members):
            self.leave(pid)

    def _keep(self, member: Member) -> None:
        if not self._budget.acquire():
            return
        try:
            member.fd = self._procfs.open_statm(member.pid)
            if self._procfs.stat(member.pid).start == member.start:
                return
            os.close(member.fd)
        except (OSError, ValueError, IndexError):
            if member.fd >= 0:
                os.close(member.fd)
        member.fd = -1
        self._budget.release()

    def _arrange(self) -> None:
        self._kept = [m for m in self.members.values() if m.fd >= 0]
        self._fds = [m.fd for m in self._kept]
        self._loose = [m for m in self.members.values() if m.fd < 0]

    def _read_loose(self) -> list[int]:
        ended = []
        for member in self._loose:
            try:
                stat = self._procfs.stat(member.pid)
            except PermissionError:
                self.denied += 1
                continue
            except (OSError, ValueError, IndexError):
                ended.append(member.pid)
                continue
            if stat.start != member.start or stat.state in "ZXx":
                ended.append(member.pid)
            else:
                self.rss_pages.append(stat.rss_pages)
        return ended
