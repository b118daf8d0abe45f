"""The v2 memory controller: which files say what, and their pure parsers.

Facts of the files: Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from brimline.procfs import parse_pressure
from brimline.sources.cgroup import Facts
from brimline.sources.keyed import KeyedFile

ReadFile = Callable[[str], bytes | None]

_MAX: Final = b"max"
_MICROSECONDS: Final = 1e6
_PAGE_COUNTER_MAX: Final = 0x7FFFFFFFFFFFF000


class CgroupV2:
    """Version 2's names and formats."""

    version: int = 2
    hot: tuple[str, ...] = ("memory.current", "memory.stat", "memory.events", "memory.swap.current")
    events: str = "memory.events"
    limit_hot: tuple[str, ...] = ("memory.current", "memory.stat")

    def __init__(self) -> None:
        self._stat = KeyedFile(
            b"anon",
            b"file",
            b"shmem",
            b"kernel",
            b"slab_reclaimable",
            b"file_mapped",
            b"active_file",
            b"inactive_file",
            b"workingset_refault_anon",
            b"workingset_refault_file",
        )
        self._events = KeyedFile(b"high", b"max", b"oom", b"oom_kill")
        self._local = KeyedFile(b"oom")
        self._cpu = KeyedFile(b"usage_usec", b"throttled_usec")

    def parse(self, name: str, data: bytes, facts: Facts) -> None:
        """Take in one hot file."""
        match name:
            case "memory.current":
                facts.usage = int(data)
            case "memory.stat":
                (
                    facts.anon,
                    facts.file,
                    facts.shmem,
                    facts.kernel,
                    facts.slab_reclaimable,
                    facts.mapped_file,
                    active_file,
                    inactive_file,
                    refaults_anon,
                    refaults_file,
                ) = self._stat.values(data)
                if active_file is None or inactive_file is None:
                    raise ValueError("no active_file or no inactive_file, so nobody knows what is used")
                facts.active_file, facts.inactive_file = active_file, inactive_file
                facts.refaults = None if refaults_file is None else refaults_file + (refaults_anon or 0)
            case "memory.events":
                facts.high_hits, facts.limit_hits, facts.ooms, facts.oom_kills = self._events.values(data)
            case "memory.swap.current":
                facts.swap = int(data)

    def read_limits(self, directory: str, read: ReadFile, facts: Facts) -> None:
        """Take in what bounds the cgroup."""
        facts.limit = parse_limit(read(f"{directory}/memory.max"))
        facts.swap_limit = parse_limit(read(f"{directory}/memory.swap.max"))

    def read_rest(self, directories: Mapping[str, str], read: ReadFile, facts: Facts) -> None:
        """Take in the files that are not read every tick."""
        memory = directories["memory"]
        facts.high = parse_limit(read(f"{memory}/memory.high"))
        peak = read(f"{memory}/memory.peak")
        facts.peak = int(peak) if peak else None
        facts.reservation = parse_limit(read(f"{memory}/memory.low")) or None
        read_pressure(directories, read, facts)
        if cpu := directories.get("cpu"):
            usage, throttled = self._cpu.values(read(f"{cpu}/cpu.stat") or b"")
            facts.cpu_seconds = None if usage is None else usage / _MICROSECONDS
            facts.cpu_throttled_seconds = None if throttled is None else throttled / _MICROSECONDS
            facts.cpu_limit = parse_cpu_max(read(f"{cpu}/cpu.max"))

    def read_below(self, directory: str, read: ReadFile) -> Mapping[str, tuple[int, int]]:  # noqa: ARG002 - v1 has to look
        """Return nothing: memory.events counts the levels below too."""
        return {}

    def was_full(self, directory: str, read: ReadFile) -> bool:  # noqa: ARG002 - version 1 has to look
        """Tell nothing: version 2 counts every OOM where it happens."""
        return False

    def read_oom_events(self, directory: str, read: ReadFile) -> int | None:
        """Return how often this very level was out of memory (`oom` of its local events; no count of incidents)."""
        return self._local.values(read(f"{directory}/memory.events.local") or b"")[0]


def parse_limit(data: bytes | None) -> int | None:
    """Return a limit; None for `max`, a number no machine has, and a file that does not exist."""
    if data is None or data.strip() in {b"", _MAX}:
        return None
    value = int(data)
    return None if value >= _PAGE_COUNTER_MAX else value


def parse_cpu_max(data: bytes | None) -> float | None:
    """Return the quota in cores of `<quota|max> <period>`."""
    if data is None:
        return None
    quota, _, period = data.strip().partition(b" ")
    return None if quota == _MAX or not period else int(quota) / int(period)


def read_pressure(directories: Mapping[str, str], read: ReadFile, facts: Facts) -> None:
    """Take in memory.pressure, which lives in the v2 tree, also beside a v1 memory controller."""
    directory = directories.get("pressure")
    data = read(f"{directory}/memory.pressure") if directory else None
    if not data:
        facts.pressure_some = facts.pressure_full = None
        facts.pressure_some_seconds = facts.pressure_full_seconds = None
        return
    pressure = parse_pressure(data)
    facts.pressure_some, facts.pressure_full = pressure.some_ratio, pressure.full_ratio
    facts.pressure_some_seconds, facts.pressure_full_seconds = pressure.some_seconds, pressure.full_seconds
