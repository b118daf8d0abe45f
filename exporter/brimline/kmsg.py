"""OOM kills in the kernel's log, as mm/oom_kill.c has written them since Linux 3.10; from lines to kills. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from brimline.labels import sanitise

_KIB: Final = 1024
_LONGEST: Final = 2048  # characters looked at: a record of the kernel has half, and patterns cost by its cube
# Level, number, microseconds since boot, flags; then the text (Documentation/ABI/testing/dev-kmsg).
_RECORD: Final = re.compile(r"\d+,\d+,(\d+),[^;]*;(.*)")
# As journalctl --output=short-unix prints it.
_JOURNAL: Final = re.compile(r"(\d+\.\d+) \S+ kernel: (?:\[ *\d+\.\d+\] )?(.*)")

_INVOKED: Final = re.compile(r"(.*) invoked oom-killer: ")
_USAGE: Final = re.compile(r"memory: usage (\d+)kB, limit (\d+)kB, failcnt ")
# One line since 5.0; the task's name may hold commas, a path too.
_SUMMARY: Final = re.compile(
    r"oom-kill:constraint=CONSTRAINT_(\w+),nodemask=.*?(?:,oom_memcg=(?P<limit>.*)|,global_oom)"
    r",task_memcg=(?P<victim>.*),task=.*,pid=(\d+),uid=\d+"
)
_TASK: Final = re.compile(r"Task in (.*) killed as a result of limit of (.*)")  # before 5.0
_KILLED: Final = re.compile(
    r"(?:(?P<why>Memory cgroup out of memory|Out of memory)[^:]*: )?Killed process (?P<pid>\d+) \((?P<task>.*)\),?"
    r"(?: UID \d+,)? total-vm:\d+kB, anon-rss:(?P<anon>\d+)kB, file-rss:(?P<file>\d+)kB"
    r"(?:, shmem-rss:(?P<shmem>\d+)kB)?"
)
_CHOSEN: Final = re.compile(r"(Memory cgroup out of memory|Out of memory)[^:]*: Kill process \d+ ")  # before 5.3
_CGROUP: Final = "Memory cgroup out of memory"


class Bound(StrEnum):
    """What there was no memory left in."""

    CGROUP = "cgroup"
    HOST = "host"
    NODES = "nodes"  # those the task may use, by its cpuset or its memory policy


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the log."""

    wall: float
    text: str


@dataclass(frozen=True, slots=True)
class Kill:
    """One process that the kernel killed for want of memory."""

    wall: float
    pid: int
    task: str
    resident: int  # bytes it held: anonymous, file and shared
    bound: Bound
    limited: str = ""  # the cgroup whose limit was reached; "" where it was the host, or where the log does not say
    victim: str = ""  # the cgroup of the process; "" where the log does not say
    limit: int | None = None  # bytes, of `limited`


def parse_kmsg(text: str, boot: float) -> Iterator[Record]:
    """Yield what /dev/kmsg holds; `boot` is the wall time at which its clock stood at 0."""
    for line in text.splitlines():
        if (found := _RECORD.fullmatch(line)) is not None:  # a record's own fields follow it, indented
            yield Record(boot + int(found[1]) / 1e6, found[2])


def parse_journal(text: str) -> Iterator[Record]:
    """Yield what `journalctl --output=short-unix` prints of the kernel."""
    for line in text.splitlines():
        if (found := _JOURNAL.fullmatch(line)) is not None:
            yield Record(float(found[1]), found[2])


@dataclass(slots=True)
class _Report:
    """What the lines since the last `invoked oom-killer` say."""

    bound: Bound | None = None
    limited: str = ""
    victim: str = ""
    limit: int | None = None

    def take(self, text: str) -> None:
        if (usage := _USAGE.search(text)) is not None:
            self.limit = int(usage[2]) * _KIB
        elif (summary := _SUMMARY.search(text)) is not None:
            self.bound = _BOUNDS.get(summary[1], Bound.NODES)
            self.limited, self.victim = summary["limit"] or "", summary["victim"]
        elif (task := _TASK.search(text)) is not None:
            self.bound, self.victim, self.limited = Bound.CGROUP, task[1], task[2]
        elif self.bound is None and (chosen := _CHOSEN.search(text)) is not None:
            self.bound = Bound.CGROUP if chosen[1] == _CGROUP else Bound.HOST


_BOUNDS: Final = {"MEMCG": Bound.CGROUP, "NONE": Bound.HOST}


def kills(records: Iterable[Record]) -> Iterator[Kill]:
    """Yield the kills, in the order of the log.

    The report of one may have lost its beginning to newer lines: then only the last line is known.
    """
    report = _Report()
    for record in records:
        text = record.text[:_LONGEST]
        if _INVOKED.match(text):
            report = _Report()
        elif (killed := _KILLED.search(text)) is not None:
            yield _kill(record.wall, killed, report)
        else:
            report.take(text)


def _kill(wall: float, killed: re.Match[str], report: _Report) -> Kill:
    bound = report.bound or (Bound.CGROUP if killed["why"] == _CGROUP else Bound.HOST)
    held = sum(int(killed[part] or 0) for part in ("anon", "file", "shmem")) * _KIB
    limit = report.limit if bound is Bound.CGROUP else None
    task, limited, victim = (sanitise(text) for text in (killed["task"], report.limited, report.victim))
    return Kill(wall, int(killed["pid"]), task, held, bound, limited, victim, limit)
