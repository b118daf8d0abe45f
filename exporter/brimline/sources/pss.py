"""PSS, USS and swap of the groups that ask for it, in a thread of its own that keeps to a share of one core.

smaps_rollup walks every page table under the process's mmap lock (2-6 ms a resident GiB), so it is no matter for a
tick. psutil reads it: it falls back to smaps on kernels before 4.14 and is imported only where a group wants PSS.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

PERIOD: Final = 15.0  # seconds between two weighings of a group at the least
_FORGET: Final = 300.0  # seconds after which a value that is not renewed is dropped, more where a round takes longer
_FRESH_ROUNDS: Final = 3

Member = tuple[int, int]  # pid and start


@dataclass(frozen=True, slots=True)
class Share:
    """One process's or one group's proportional, unique and swapped bytes."""

    pss: int
    uss: int
    swap: int


@dataclass(frozen=True, slots=True)
class Weighing:
    """A group weighed as a whole: members at different times would count shared pages twice or not at all.

    `oldest` says of which incarnation; `share` is None where no member, or not every one, could be read; `cost` is
    the CPU it took.
    """

    oldest: Member
    share: Share | None
    denied: bool
    cost: float


Measure = Callable[[Member], Share | None]


def psutil_measure(root: str, start_of: Callable[[int], int]) -> Measure:
    """Return a measure of one process: None where it has gone; PermissionError where it may not be read."""
    import psutil  # noqa: PLC0415 - 3 MB that only a group with PSS needs

    psutil.PROCFS_PATH = root  # psutil's own way to be given another /proc

    def measure(member: Member) -> Share | None:
        pid, start = member
        try:
            memory = psutil.Process(pid).memory_full_info()
            alive = start_of(pid) == start
        except psutil.AccessDenied as error:
            raise PermissionError(str(error)) from None
        except (psutil.Error, OSError, ValueError, IndexError):
            return None
        return Share(memory.pss, memory.uss, memory.swap) if alive else None

    return measure


class Scales:
    """Weighs the watched groups in turn and keeps the last weighing of each."""

    def __init__(self, measure: Measure, budget: float) -> None:
        self._measure = measure
        self._rest = 1 / budget - 1
        self._watched: Mapping[str, tuple[Member, ...]] = {}
        self._latest: dict[str, Weighing] = {}
        self._first_seen: dict[str, tuple[Weighing, float]] = {}
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to weigh."""
        self._thread = threading.Thread(target=self._work, name="brimline-pss", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; one that hangs in the kernel dies with the process."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=1)
            self._thread = None

    def watch(self, groups: Mapping[str, tuple[Member, ...]]) -> None:
        """Say what to weigh: each group's members, the oldest first. A new incarnation is weighed soon."""
        self._watched = groups
        if any(members and self._stands_for(name, members) is None for name, members in groups.items()):
            self._wake.set()

    def latest(self, name: str, mono: float) -> Weighing | None:
        """Return a group's last weighing, None before the first one, of another incarnation, or when it is too old."""
        members = self._watched.get(name)
        weighing = self._stands_for(name, members) if members else None
        if weighing is None:
            return None
        seen, since = self._first_seen.get(name, (None, mono))
        if seen is not weighing:
            since = mono
            self._first_seen[name] = (weighing, mono)
        costs = sum(w.cost for n, w in list(self._latest.items()) if n in self._watched)
        return weighing if mono - since <= max(_FORGET, _FRESH_ROUNDS * costs * (self._rest + 1)) else None

    def weigh(self, members: tuple[Member, ...]) -> Weighing:
        """Weigh one group now."""
        began = time.thread_time()
        shares = []
        denied = False
        for member in members:
            if self._closed.is_set():
                break
            try:
                share = self._measure(member)
            except PermissionError:
                denied = True
                break
            if share is not None:
                shares.append(share)
        total = Share(sum(s.pss for s in shares), sum(s.uss for s in shares), sum(s.swap for s in shares))
        return Weighing(members[0], total if shares and not denied else None, denied, time.thread_time() - began)

    def _stands_for(self, name: str, members: tuple[Member, ...]) -> Weighing | None:
        weighing = self._latest.get(name)
        return weighing if weighing is not None and weighing.oldest == members[0] else None

    def _work(self) -> None:
        while not self._closed.is_set():
            self._wake.clear()
            began = time.monotonic()
            watched = self._watched
            self._latest = {name: w for name, w in self._latest.items() if name in watched}
            for name, members in watched.items():
                if members:
                    weighing = self.weigh(members)
                    self._latest[name] = weighing
                    if self._closed.wait(weighing.cost * self._rest):
                        return
            self._wake.wait(max(0.0, PERIOD - (time.monotonic() - began)))
