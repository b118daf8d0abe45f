"""A master and its workers as /proc shows them: who replaces a worker that ends, and what each of them weighs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from brimline.masters import recognise
from brimline.procfs import Procfs, Stat, catches, parse_caught, parse_switches

Measure = Callable[[int], int]
RECYCLABLE: Final = ("gunicorn", "uvicorn", "celery")
# What a master that replaces its dead workers catches. uvicorn does since 0.30, whose manager also takes SIGTTIN; the
# one before took SIGINT and SIGTERM alone, and left a dead worker dead. gunicorn's has always done so.
_REPLACES: Final = {"gunicorn": (signal.SIGCHLD, signal.SIGTTIN), "uvicorn": (signal.SIGTTIN,), "celery": ()}
_READ_CALL: Final = {"x86_64": 0, "aarch64": 63}  # read(2), arch/x86/entry/syscalls, include/uapi/asm-generic/unistd.h


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker; `weight` is its PSS, or its RSS where that may not be read."""

    pid: int
    start: int
    weight: int


@dataclass(frozen=True, slots=True)
class Pool:
    """A master that replaces its workers."""

    kind: str
    name: str
    pid: int
    start: int
    workers: tuple[Worker, ...]
    measure: str = "PSS"


class Pools:
    """Looks for masters among the processes of a subject. It reads command lines and page tables, which may hang."""

    def __init__(self, procfs: Procfs) -> None:
        self._procfs = procfs

    def find(self, pids: Sequence[int]) -> tuple[list[Pool], list[str]]:
        """Return the pools, and why a master is none."""
        stats = self._stats(pids)
        masters = {}
        for pid in {stat.ppid for stat in stats.values()} & stats.keys():
            with suppress(OSError):
                master = recognise(self._procfs.cmdline(pid), RECYCLABLE)
                if master is not None:
                    masters[pid] = master
        pools, flaws = [], []
        for pid, master in sorted(masters.items()):
            if stats[pid].ppid in masters:
                continue  # a worker with children looks like its master, and so does a master that a reload began
            if not all(catches(self._caught(pid), number) for number in _REPLACES[master.preset]):
                flaws.append(f"{master.name} (pid {pid}) does not replace a worker that ends")
                continue
            members = self.workers(pid, stats)
            if not members:
                flaws.append(f"{master.name} (pid {pid}) has no worker processes")
                continue
            weights, measure = self._weigh(members)
            workers = tuple(Worker(p, stats[p].start, weights[p]) for p in members if p in weights)
            pools.append(Pool(master.preset, master.name, pid, stats[pid].start, workers, measure))
        return pools, flaws

    def replaced(self, pool: Pool, victim: Worker, pids: Sequence[int]) -> bool | None:
        """Tell whether the master has as many workers as before and a new one; None: the master itself has gone."""
        stats = self._stats(pids)
        if pool.pid not in stats or stats[pool.pid].start != pool.start:
            return None
        known = {(worker.pid, worker.start) for worker in pool.workers}
        there = {(pid, stats[pid].start) for pid in self.workers(pool.pid, stats)}
        return (victim.pid, victim.start) not in there and len(there) >= len(known) and bool(there - known)

    def workers(self, master: int, stats: dict[int, Stat]) -> list[int]:
        """Return the children that end gracefully by SIGTERM; trackers and embedded schedulers do not catch it."""
        children = [pid for pid, stat in stats.items() if stat.ppid == master and stat.state != "Z"]
        return [pid for pid in children if self._ends_by_itself(pid, stats)]

    def idle(self, pool: Pool, pid: int) -> tuple[str, int] | None:
        """Return on which pipe of its master's a child waits, and how often it has slept; None: it is not seen idle.

        A Celery child reads its next task from a pipe whose other end the master holds. Raises PermissionError.
        """
        waits = self._procfs.waits_in(pid)
        if waits is None or waits[0] != _READ_CALL.get(os.uname().machine):
            return None
        pipe = self._procfs.target(pid, waits[1])
        if not pipe.startswith("pipe:") or pipe not in self._procfs.targets(pool.pid):
            return None
        return pipe, parse_switches(self._procfs.status(pid))

    def _ends_by_itself(self, pid: int, stats: dict[int, Stat]) -> bool:
        mask = self._caught(pid)
        if not catches(mask, signal.SIGTERM):
            return False
        below = (p for p, stat in stats.items() if stat.ppid == pid and catches(self._caught(p), signal.SIGTERM))
        return not catches(mask, signal.SIGCHLD) or next(below, None) is None  # else it is a master of its own

    def _stats(self, pids: Sequence[int]) -> dict[int, Stat]:
        stats = {}
        for pid in pids:
            with suppress(OSError, ValueError):
                stats[pid] = self._procfs.stat(pid)
        return stats

    def _caught(self, pid: int) -> int:
        try:
            return parse_caught(self._procfs.status(pid))
        except OSError:
            return 0

    def _weigh(self, pids: Sequence[int]) -> tuple[dict[int, int], str]:
        try:
            return self._weights(pids, self._procfs.pss), "PSS"
        except PermissionError:
            return self._weights(pids, self._procfs.rss), "RSS"

    @staticmethod
    def _weights(pids: Sequence[int], measure: Measure) -> dict[int, int]:
        weights = {}
        for pid in pids:
            with suppress(FileNotFoundError, ProcessLookupError, ValueError):
                weights[pid] = measure(pid)
        return weights
