"""The cgroup source on this machine's own cgroups, ticked by the test; its alarms are heard through a real epoll."""

from __future__ import annotations

import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from brimline.fds import FdBudget
from brimline.levels import LevelBook, Levels
from brimline.model import Now, SourceReport, Target
from brimline.procfs import Procfs
from brimline.sources.cgroup_reader import CgroupSource
from brimline.sources.cgroupfs import Cgroupfs
from brimline.sources.host import HostSource
from brimline.sources.oom import OomLedger
from brimline.sources.watch import Watch
from fakes import container, target, values
from real.cgroups import Group
from real.loads import binary

BY_CAUSE = "brimline_container_memory_oom_kills_by_cause_total"


class Alarms:
    """What an event loop does for the sources: descriptors and timers, attended to while `attend` runs."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[], None]] = {}
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def add(self, fd: int, ready: Callable[[], None]) -> None:
        self._ready[fd] = ready
        self._epoll.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        del self._ready[fd]
        self._epoll.unregister(fd)

    def later(self, seconds: float, ready: Callable[[], None]) -> None:
        self._timers.append((time.monotonic() + seconds, ready))

    def attend(self, seconds: float) -> None:
        """Wait for one signal or timer, and call whom it concerns."""
        end = time.monotonic() + seconds
        next_due = min([end, *(due for due, _ in self._timers)])
        for fd, _ in self._epoll.poll(max(0.0, next_due - time.monotonic())):
            self._ready[fd]()
        ripe = [timer for timer in self._timers if timer[0] <= time.monotonic()]
        self._timers = [timer for timer in self._timers if timer not in ripe]
        for _, ready in ripe:
            ready()

    def close(self) -> None:
        self._epoll.close()


class Measured:
    """One cgroup source with the host's totals: cgroups by glob and, as `containers`, cgroups with a main process."""

    def __init__(self, *globs: str) -> None:
        self.fs = Cgroupfs()
        self.woken: list[tuple[float, str]] = []
        self._ahead = 0.0
        self._targets: tuple[Target, ...] = ()
        self._alarms = Alarms()
        procfs, fds = Procfs(), FdBudget(256)
        self.host = HostSource(procfs, fds)
        self.source = CgroupSource(
            fs=self.fs,
            globs=globs,
            procfs=procfs,
            fds=fds,
            watch=Watch(self._alarms, fds),
            clock=self,
            wake=lambda reason: self.woken.append((time.monotonic(), reason)),
            targets=lambda: self._targets,
            host=lambda: self.host.facts,
            kills=OomLedger(),
            levels=Levels(LevelBook(0.80, 0.85)),
        )
        self.report = SourceReport(self.source.name, ())

    def now(self) -> Now:
        return Now(time.time() + self._ahead, time.monotonic() + self._ahead)

    def pass_(self, seconds: float) -> None:
        """Let time pass for the source alone."""
        self._ahead += seconds

    def container(self, name: str, group: Group, main_pid: int) -> None:
        """Have a cgroup measured as Docker's containers are, from the next tick on."""
        assert self.fs.trees is not None
        path = group.path.relative_to(self.fs.trees.mounts["memory"].point)
        self.adopt(name, self.fs.siblings(str(path)), main_pid)

    def adopt(self, name: str, directories: Mapping[str, str], main_pid: int) -> None:
        """Have a container measured whose directories are known."""
        new = target(container(name, uid=f"{name}-{main_pid}"), directories, main_pid=main_pid)
        self._targets = (*(t for t in self._targets if t.subject.name != name), new)

    def tick(self) -> dict[str, dict[str, float]]:
        """Read everything once: metric -> subject's name -> value."""
        now = self.now()
        self.host.read(now)
        self.report = self.source.read(now)
        return values(self.report)

    def of(self, name: str) -> dict[str, float]:
        """Tick, and return one subject's measures by the names that rules use."""
        found = {metric: rows[name] for metric, rows in self.tick().items() if name in rows}
        return {metric.split("_", 2)[2]: value for metric, value in found.items()}

    def causes(self, name: str) -> dict[str, float]:
        """Tick, and return `name{cause,victim}` -> kills of one container, where there were any."""
        rows = self.tick().get(BY_CAUSE, {})
        return {row.removeprefix(name): kills for row, kills in rows.items() if row.startswith(f"{name}{{") and kills}

    def hears(self, reason: str, seconds: float = 30) -> float:
        """Attend to alarms until one asks for a tick for this reason; return when that was (time.monotonic)."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if (at := next((at for at, why in self.woken if why == reason), None)) is not None:
                self.woken.clear()
                return at
            self._alarms.attend(end - time.monotonic())
        raise TimeoutError(f"no alarm {reason!r} within {seconds} s, but {self.woken}")

    def close(self) -> None:
        self.source.close()
        self.host.close()
        self._alarms.close()


def probe(group: Group) -> int:
    """Return how many bytes a child in this cgroup could still take before the kernel killed it."""
    script = f'echo $$ > {group.path}/cgroup.procs; exec "$0" "$@"'
    command: Sequence[str] = ["/bin/sh", "-c", script, str(binary()), "probe"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(said.split()[1])
