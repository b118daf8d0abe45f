"""What the unit tests hand to a source instead of the world: a clock, a loop's alarms, a tree of cgroup files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from brimline.judging import Judging
from brimline.model import Column, Container, Kind, Now, SourceReport, Subject, Target
from brimline.rules.alertstore import MemoryAlertStore
from brimline.rules.terms import Levels, RuleSet

MIB = 1024 * 1024
UNLIMITED_V1 = "9223372036854771712"


class FakeClock:
    """Time that moves when told."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000.0
        self.mono = 1000.0

    def now(self) -> Now:
        return Now(self.wall, self.mono)

    def pass_(self, seconds: float) -> Now:
        self.wall += seconds
        self.mono += seconds
        return self.now()


@dataclass
class FakePoller:
    """Keeps what it is asked to watch; a test signals it."""

    watched: dict[int, Callable[[], None]] = field(default_factory=dict)
    timers: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def add(self, fd: int, ready: Callable[[], None]) -> None:
        self.watched[fd] = ready

    def remove(self, fd: int) -> None:
        del self.watched[fd]

    def later(self, seconds: float, ready: Callable[[], None]) -> None:
        self.timers.append((seconds, ready))


class V1Tree:
    """A v1 memory tree of plain files, with /proc/self beside it."""

    def __init__(self, root: Path) -> None:
        self.procfs = root / "proc"
        self.cgroupfs = root / "cgroup"
        self.memory = self.cgroupfs / "memory"
        (self.procfs / "self").mkdir(parents=True)
        self.memory.mkdir(parents=True)
        (self.memory / "release_agent").write_text("")
        (self.procfs / "stat").write_text("btime 1699990000\n")
        (self.procfs / "self" / "mountinfo").write_text(
            "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
        )
        (self.procfs / "self" / "cgroup").write_text("4:memory:/\n")

    def add(self, path: str, **values: object) -> Path:
        directory = self.memory / path
        directory.mkdir(parents=True, exist_ok=True)
        files = {
            "memory.usage_in_bytes": 0,
            "memory.limit_in_bytes": UNLIMITED_V1,
            "memory.memsw.limit_in_bytes": UNLIMITED_V1,
            "memory.max_usage_in_bytes": 0,
            "memory.soft_limit_in_bytes": UNLIMITED_V1,
            "memory.failcnt": 0,
            "memory.oom_control": v1_oom_control(0),
            "memory.stat": v1_stat(),
            "cgroup.procs": "",
            "cgroup.event_control": "",
        }
        for name, value in files.items():
            (directory / name).write_text(f"{value}\n")
        self.set(path, **values)
        return directory

    def set(self, path: str, **values: object) -> None:
        """Write files by the part of their name that follows `memory.`."""
        for name, value in values.items():
            (self.memory / path / f"memory.{name}").write_text(f"{value}\n")


def v1_stat(**total: int) -> str:
    keys = ("cache", "rss", "shmem", "mapped_file", "swap", "inactive_file", "active_file")
    lines = [f"total_{key} {total.get(key, 0)}" for key in keys]
    return "\n".join([f"hierarchical_memory_limit {UNLIMITED_V1}", *lines])


def v1_oom_control(kills: int) -> str:
    return f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}"


class V2Tree:
    """A v2 tree of plain files, with /proc/self beside it."""

    def __init__(self, root: Path) -> None:
        self.procfs = root / "proc"
        self.cgroupfs = root / "cgroup"
        (self.procfs / "self").mkdir(parents=True)
        self.cgroupfs.mkdir(parents=True)
        (self.cgroupfs / "cgroup.controllers").write_text("cpu io memory pids\n")
        (self.procfs / "stat").write_text("btime 1699990000\n")
        (self.procfs / "self" / "mountinfo").write_text("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        (self.procfs / "self" / "cgroup").write_text("0::/\n")

    def add(self, path: str, **values: object) -> Path:
        directory = self.cgroupfs / path
        directory.mkdir(parents=True, exist_ok=True)
        files = {
            "memory.current": 0,
            "memory.max": "max",
            "memory.high": "max",
            "memory.low": 0,
            "memory.swap.current": 0,
            "memory.swap.max": "max",
            "memory.events": v2_events(),
            "memory.events.local": v2_events(),
            "memory.stat": v2_stat(),
            "cgroup.procs": "",
        }
        for name, value in files.items():
            (directory / name).write_text(f"{value}\n")
        self.set(path, **values)
        return directory

    def set(self, path: str, **values: object) -> None:
        """Write files by the part of their name that follows `memory.`, dots as underscores."""
        for name, value in values.items():
            (self.cgroupfs / path / f"memory.{name.replace('_', '.')}").write_text(f"{value}\n")


def v2_stat(**values: int) -> str:
    keys = ("anon", "file", "kernel", "shmem", "file_mapped", "inactive_file", "active_file", "slab_reclaimable")
    return "\n".join(f"{key} {values.get(key, 0)}" for key in keys)


def v2_events(**values: int) -> str:
    return "\n".join(f"{key} {values.get(key, 0)}" for key in ("low", "high", "max", "oom", "oom_kill"))


def no_rules() -> Judging:
    """Return a judge without rules."""
    return Judging(RuleSet((), Levels()), (), MemoryAlertStore(), 120.0, Now(0.0, 0.0))


def described(subject: Subject, labels: Mapping[str, str] | None = None, **more: object) -> Container:
    """Return what an engine says of a running container."""
    usual = Container(
        id=subject.uid.partition("@")[0],
        subject=subject,
        labels=labels or {},
        image="model:1",
        image_id="sha256:1",
        runtime="runc",
        running=True,
        pid=1,
        started=1_699_999_000.0,
        exit_code=None,
        health="",
        oom_killed=False,
        status="running",
    )
    return replace(usual, **more)  # type: ignore[arg-type]


def container(name: str = "web", uid: str = "c1", labels: tuple[str, str] = ("", "")) -> Subject:
    return Subject(Kind.CONTAINER, name, (name, *labels), uid)


def target(subject: Subject, directories: Mapping[str, str], **more: object) -> Target:
    fields: dict[str, object] = {"main_pid": 0, "declared_limit": None, "started": 0.0}
    return Target(subject=subject, directories=directories, **{**fields, **more})  # type: ignore[arg-type] - test data


def values(report: SourceReport) -> dict[str, dict[str, float]]:
    """Return metric -> subject's name -> value; a break-down's row is named `name{a,b}`."""
    found: dict[str, dict[str, float]] = {}
    for column in report.columns:
        rows = found.setdefault(column.metric.name, {})
        for name, value in zip(_names(column), column.values, strict=True):
            rows[name] = value
    return found


def _names(column: Column) -> list[str]:
    if column.extra is None:
        return [s.name for s in column.subjects]
    return [f"{s.name}{{{','.join(e)}}}" for s, e in zip(column.subjects, column.extra, strict=True)]
