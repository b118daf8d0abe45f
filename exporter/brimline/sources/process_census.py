"""Finds out who a process is, in a thread of its own: reading a command line may hang (it takes the mmap lock).

The tick asks and collects; it never waits. A thread that hangs is left behind and another goes on in its place.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Final

from brimline.procfs import Procfs, Stat

PATIENCE: Final = 5.0  # seconds after which a reader counts as hung
_MOST_HUNG: Final = 8  # threads left behind before the census waits for one of them
_ZOMBIE: Final = frozenset("ZXx")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a process is: pid and start make it unique; `image` changes with every exec, `depth` 1 is our name space."""

    pid: int
    start: int
    ppid: int
    comm: str
    image: tuple[bytes, bytes]
    kernel: bool
    dead: bool
    cpu_ticks: int
    owner: int = -1
    cgroups: tuple[str, ...] = ()
    depth: int = 1
    argv: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pulse:
    """A process that is who it was: how much CPU it has used."""

    pid: int
    start: int
    cpu_ticks: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A process that could not be looked at: gone, or hidden from us (hidepid)."""

    pid: int
    hidden: bool


Finding = Identity | Pulse | Missing
Ask = int | Identity  # a pid to identify; or a known process, of which only the pulse is taken unless it has exec'd


@dataclass(slots=True)
class _Reader:
    """One thread's state; the lock decides whether its finding or the one made in its place counts."""

    rest: deque[Ask]
    lock: threading.Lock = field(default_factory=threading.Lock)
    turns: int = 0
    asked: int = 0
    so_far: Identity | None = None
    left_behind: bool = False


class Census:
    """A queue of processes to look at, and what was found."""

    def __init__(self, procfs: Procfs) -> None:
        self._procfs = procfs
        self._asks: SimpleQueue[Sequence[Ask] | threading.Event | None] = SimpleQueue()
        self._found: deque[Finding] = deque()
        self._beats: dict[int, Pulse] = {}
        self._free = threading.Event()  # cleared during a tick, so that two threads do not fight for the interpreter
        self._free.set()
        self._reader = _Reader(deque())
        self._thread: threading.Thread | None = None
        self._hung: dict[int, _Reader] = {}
        self._seen_turn = (-1, 0.0)

    @property
    def hung(self) -> tuple[int, ...]:
        """Return the processes whose readers hang now."""
        return tuple(pid for pid, reader in self._hung.items() if reader.asked)

    def start(self) -> None:
        """Begin to read."""
        self._go_on(deque())

    def close(self) -> None:
        """End the thread; one that hangs in the kernel dies with the process."""
        self._asks.put(None)
        if self._thread is not None:
            self._thread.join(timeout=1)
            self._thread = None

    def ask(self, asks: Sequence[Ask]) -> None:
        """Put processes into the queue, as one piece: a piece costs the tick what an ask would."""
        if asks:
            self._asks.put(asks)

    def mark(self) -> threading.Event:
        """Return an event that is set when everything asked before has been looked at."""
        event = threading.Event()
        self._asks.put(event)
        return event

    def hold(self) -> None:
        """Keep the thread still while a tick reads."""
        self._free.clear()

    def resume(self) -> None:
        """Let the thread go on."""
        self._free.set()

    def collect(self, mono: float) -> list[Finding]:
        """Return what was found since last time; replace a reader that hangs."""
        self._supervise(mono)
        found = []
        while self._found:
            found.append(self._found.popleft())
        return found

    def _supervise(self, mono: float) -> None:
        reader = self._reader
        turn, since = self._seen_turn
        self._hung = {pid: hung for pid, hung in self._hung.items() if hung.asked}
        if not reader.asked or reader.turns != turn:
            self._seen_turn = (reader.turns, mono)
        elif mono - since >= PATIENCE and len(self._hung) < _MOST_HUNG:
            with reader.lock:
                if not reader.asked or reader.turns != turn:
                    return
                reader.left_behind = True
            self._hung[reader.asked] = reader
            if reader.so_far is not None:
                self._found.append(reader.so_far)
            self._go_on(reader.rest)

    def _go_on(self, rest: deque[Ask]) -> None:
        self._reader = _Reader(rest)
        self._thread = threading.Thread(target=self._work, args=(self._reader,), name="brimline-census", daemon=True)
        self._thread.start()

    def _work(self, reader: _Reader) -> None:
        while True:
            while reader.rest:
                self._take(reader, reader.rest.popleft())
                if reader.left_behind:
                    return
            match self._asks.get():
                case None:
                    return
                case threading.Event() as mark:
                    mark.set()
                case asks:
                    reader.rest.extend(asks)

    def _take(self, reader: _Reader, ask: Ask) -> None:
        self._free.wait(1)
        with reader.lock:
            reader.turns += 1
            reader.asked, reader.so_far = ask if isinstance(ask, int) else ask.pid, None
        finding = self._look(ask, reader)
        with reader.lock:
            if finding is not None:
                self._found.append(finding)  # a late one too: it holds the command line at last
            reader.asked = 0

    def _look(self, ask: Ask, reader: _Reader) -> Finding | None:
        pid = reader.asked
        try:
            stat = self._procfs.stat(pid)
            if isinstance(ask, Identity) and (stat.start, stat.image) == (ask.start, ask.image):
                return self._beat(Pulse(pid, stat.start, stat.cpu_ticks))
            reader.so_far = identity = self._identify(pid, stat)
            if identity.kernel or identity.dead:
                return identity
            return replace(identity, argv=self._procfs.cmdline(pid))
        except PermissionError:
            return Missing(pid, hidden=True)
        except (OSError, ValueError, IndexError):  # ENOENT, ESRCH; a half-dead process answers with an empty file
            self._beats.pop(pid, None)
            return Missing(pid, hidden=False)

    def _beat(self, pulse: Pulse) -> Pulse | None:
        """Return a pulse that has moved; most processes sleep."""
        if self._beats.get(pulse.pid) == pulse:
            return None
        self._beats[pulse.pid] = pulse
        return pulse

    def _identify(self, pid: int, stat: Stat) -> Identity:
        """Read all that takes no lock of the process's own."""
        known = Identity(
            pid=pid,
            start=stat.start,
            ppid=stat.ppid,
            comm=stat.comm.decode("utf-8", "surrogateescape"),
            image=stat.image,
            kernel=stat.kernel,
            dead=stat.state in _ZOMBIE,
            cpu_ticks=stat.cpu_ticks,
        )
        if known.kernel or known.dead:
            return known
        return replace(
            known,
            owner=self._procfs.owner(pid),
            cgroups=self._procfs.cgroup(pid),
            depth=self._procfs.nspid_depth(pid),
        )
