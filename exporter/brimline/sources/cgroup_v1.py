"""The v1 memory controller: which files say what, and their pure parsers.

Facts of the files: Documentation/admin-guide/cgroup-v1/memory.rst. memory.stat has no anon, slab or kernel keys.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from brimline.sources.cgroup import Facts
from brimline.sources.cgroup_v2 import ReadFile, parse_limit, read_pressure
from brimline.sources.cgroupfs import walk
from brimline.sources.keyed import KeyedFile

_NANOSECONDS: Final = 1e9
_TREE: Final = b"hierarchical_memory_limit "  # what precedes it is of the cgroup alone, without those below
_CHARGED_AT_ONCE: Final = 64 * 4096  # MEMCG_CHARGE_BATCH pages: the last charge that still fitted may end so far below


class CgroupV1:
    """Version 1's names and formats."""

    version: int = 1
    hot: tuple[str, ...] = ("memory.usage_in_bytes", "memory.stat", "memory.oom_control", "memory.failcnt")
    events: str = "memory.oom_control"
    limit_hot: tuple[str, ...] = ("memory.usage_in_bytes", "memory.stat")

    def __init__(self) -> None:
        self._stat = KeyedFile(
            b"total_rss",
            b"total_cache",
            b"total_shmem",
            b"total_mapped_file",
            b"total_active_file",
            b"total_inactive_file",
            b"total_swap",
            b"total_workingset_refault_anon",
            b"total_workingset_refault_file",
            b"hierarchical_memory_limit",
        )
        self._oom = KeyedFile(b"oom_kill")
        self._cpu = KeyedFile(b"throttled_time")

    def parse(self, name: str, data: bytes, facts: Facts) -> None:
        """Take in one hot file."""
        match name:
            case "memory.usage_in_bytes":
                facts.usage = int(data)
            case "memory.stat":
                (
                    facts.anon,
                    facts.file,
                    facts.shmem,
                    facts.mapped_file,
                    active_file,
                    inactive_file,
                    facts.swap,
                    refaults_anon,
                    refaults_file,
                    hierarchical,
                ) = self._stat.values(data[max(0, data.find(_TREE)) :])
                if active_file is None or inactive_file is None:
                    raise ValueError("no active_file or no inactive_file, so nobody knows what is used")
                facts.active_file, facts.inactive_file = active_file, inactive_file
                facts.refaults = None if refaults_file is None else refaults_file + (refaults_anon or 0)
                facts.hierarchical_limit = None if hierarchical is None else parse_limit(b"%d" % hierarchical)
            case "memory.oom_control":
                (facts.oom_kills,) = self._oom.values(data)
            case "memory.failcnt":
                facts.limit_hits = facts.ooms = int(data)  # v1 has no count of OOMs; each begins with a failed charge

    def read_limits(self, directory: str, read: ReadFile, facts: Facts) -> None:
        """Take in what bounds the cgroup; memsw limits memory and swap together."""
        facts.limit = parse_limit(read(f"{directory}/memory.limit_in_bytes"))
        both = parse_limit(read(f"{directory}/memory.memsw.limit_in_bytes"))
        facts.swap_limit = None if both is None or facts.limit is None else max(0, both - facts.limit)

    def read_rest(self, directories: Mapping[str, str], read: ReadFile, facts: Facts) -> None:
        """Take in the files that are not read every tick."""
        memory = directories["memory"]
        peak, kernel = read(f"{memory}/memory.max_usage_in_bytes"), read(f"{memory}/memory.kmem.usage_in_bytes")
        facts.peak = int(peak) if peak else None
        facts.kernel = int(kernel) if kernel else None
        facts.reservation = parse_limit(read(f"{memory}/memory.soft_limit_in_bytes"))
        read_pressure(directories, read, facts)
        if accounted := read(f"{directories.get('cpuacct', '')}/cpuacct.usage"):
            facts.cpu_seconds = int(accounted) / _NANOSECONDS
        if cpu := directories.get("cpu"):
            (throttled,) = self._cpu.values(read(f"{cpu}/cpu.stat") or b"")
            facts.cpu_throttled_seconds = None if throttled is None else throttled / _NANOSECONDS
            quota, period = read(f"{cpu}/cpu.cfs_quota_us"), read(f"{cpu}/cpu.cfs_period_us")
            facts.cpu_limit = int(quota) / int(period) if quota and period and int(quota) > 0 else None

    def read_below(self, directory: str, read: ReadFile) -> Mapping[str, tuple[int, int]]:
        """Return the kills and the failed charges of every level below: v1 counts each at its own level alone."""
        if os.stat(directory).st_nlink == 2:  # noqa: PLR2004, PTH116 - `.` and its name: no level below
            return {}
        found = {}
        for place in walk(directory):
            with suppress(OSError):  # it came and went
                (kills,) = self._oom.values(read(f"{place}/memory.oom_control") or b"")
                found[place] = (kills or 0, self.read_oom_events(place, read) or 0)
        return found

    def was_full(self, directory: str, read: ReadFile) -> bool:
        """Tell whether memory and swap together have ever been at their limit (--memory-swap equal to --memory).

        That counter is charged first (try_charge_memcg), and Linux 6.18 does not count its failures.
        """
        limit = parse_limit(read(f"{directory}/memory.memsw.limit_in_bytes"))
        peak = read(f"{directory}/memory.memsw.max_usage_in_bytes")
        return limit is not None and bool(peak) and int(peak or 0) > limit - _CHARGED_AT_ONCE

    def read_oom_events(self, directory: str, read: ReadFile) -> int | None:
        """Return how often a charge failed at this very level: v1 keeps no count of its OOMs."""
        failures = read(f"{directory}/memory.failcnt")
        return int(failures) if failures else None
