"""What is measured of a cgroup and what it means: the metric literals and the formulas, for both versions and kinds.

Pure: no file is opened here. A container and a bare cgroup have the same measures, each under its own prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from brimline.model import SUBJECT_LABELS, Kind, Metric, MetricKind

KINDS: Final = (Kind.CONTAINER, Kind.CGROUP)
ALERT_AT: Final = 0.80
RESTART_AT: Final = 0.85

Family = Mapping[Kind, Metric]


def _gauge(measure: str, text: str, *extra: str) -> Family:
    return _family(measure, text, MetricKind.GAUGE, extra)


def _counter(measure: str, text: str, *extra: str) -> Family:
    return _family(measure, text, MetricKind.COUNTER, extra)


def _family(measure: str, text: str, kind: MetricKind, extra: tuple[str, ...]) -> Family:
    return MappingProxyType(
        {k: Metric(f"brimline_{k}_{measure}", text, kind, (*SUBJECT_LABELS[k], *extra)) for k in KINDS}
    )


MEMORY_USAGE_BYTES: Final = _gauge("memory_usage_bytes", "What the kernel charges: all memory, page cache included.")
MEMORY_USED_BYTES: Final = _gauge(
    "memory_used_bytes",
    "What cannot be dropped without swap: usage - active_file - inactive_file - slab_reclaimable.",
)
MEMORY_WORKING_SET_BYTES: Final = _gauge(
    "memory_working_set_bytes", "usage - inactive_file: what docker stats, cAdvisor and the kubelet show."
)
MEMORY_ANON_BYTES: Final = _gauge("memory_anon_bytes", "Anonymous memory (v1: rss, with its swap cache).")
MEMORY_FILE_BYTES: Final = _gauge("memory_file_bytes", "Page cache, tmpfs and shared memory included.")
MEMORY_SHMEM_BYTES: Final = _gauge("memory_shmem_bytes", "Shared memory and tmpfs: counted in file, never droppable.")
MEMORY_KERNEL_BYTES: Final = _gauge("memory_kernel_bytes", "Kernel memory: slab, stacks, page tables.")
MEMORY_SLAB_RECLAIMABLE_BYTES: Final = _gauge(
    "memory_slab_reclaimable_bytes", "Kernel caches (dentries, inodes) the kernel drops before it kills."
)
MEMORY_MAPPED_FILE_BYTES: Final = _gauge(
    "memory_mapped_file_bytes", "Page cache mapped into processes (model weights)."
)
MEMORY_SWAP_BYTES: Final = _gauge("memory_swap_bytes", "Swap in use; absent without swap accounting.")
MEMORY_PEAK_BYTES: Final = _gauge(
    "memory_peak_bytes", "The kernel's high-water mark of usage since the cgroup's start."
)
MEMORY_LIMIT_BYTES: Final = _gauge(
    "memory_limit_bytes", "The limit in effect: the least of its own, every ancestor's and the host's total."
)
LIMITED: Final = _gauge("limited", "1 where a limit below the host's total applies or is declared, else 0.")
MEMORY_HIGH_BYTES: Final = _gauge("memory_high_bytes", "memory.high of its own: above it the kernel throttles.")
MEMORY_HIGH_RATIO: Final = _gauge("memory_high_ratio", "used / memory.high.")
MEMORY_RESERVATION_BYTES: Final = _gauge(
    "memory_reservation_bytes", "Memory protected for it (v2 memory.low, v1 soft limit)."
)
MEMORY_USED_RATIO: Final = _gauge(
    "memory_used_ratio", "(used + swap) / (limit + swap room): 1 is where the kernel kills."
)
MEMORY_WORKING_SET_RATIO: Final = _gauge("memory_working_set_ratio", "working set / limit.")
MEMORY_AVAILABLE_BYTES: Final = _gauge(
    "memory_available_bytes",
    "What can still be allocated: the least over its levels of limit - used, and the host's MemAvailable.",
)
MEMORY_PRESSURE_SOME_RATIO: Final = _gauge(
    "memory_pressure_some_ratio", "Share of the last 10 s in which some task waited for memory."
)
MEMORY_PRESSURE_FULL_RATIO: Final = _gauge(
    "memory_pressure_full_ratio", "Share of the last 10 s in which all tasks waited for memory."
)
MEMORY_PRESSURE_SOME_SECONDS: Final = _counter(
    "memory_pressure_some_seconds_total", "Time in which some task waited for memory."
)
MEMORY_PRESSURE_FULL_SECONDS: Final = _counter(
    "memory_pressure_full_seconds_total", "Time in which all tasks waited for memory."
)
MEMORY_LIMIT_HITS: Final = _counter(
    "memory_limit_hits_total", "Times usage hit the limit and was reclaimed (v2 events max, v1 failcnt)."
)
MEMORY_HIGH_HITS: Final = _counter("memory_high_hits_total", "Times usage went over memory.high.")
MEMORY_REFAULTS: Final = _counter("memory_refaults_total", "Pages read back soon after they were evicted.")
MEMORY_LARGEST_PROCESS_BYTES: Final = _gauge("memory_largest_process_bytes", "RSS of its largest process.")
MEMORY_THRESHOLD_RATIO: Final = _gauge(
    "memory_threshold_ratio", "The level in force, by level (alert, restart).", "level"
)
MEMORY_OOM_KILLS: Final = _counter(
    "memory_oom_kills_total", "Processes killed by the OOM killer; outlives the cgroup for an hour."
)
PROCESSES: Final = _gauge("processes", "Processes in it, sub-cgroups included.")
CPU_SECONDS: Final = _counter("cpu_seconds_total", "CPU time used.")
CPU_LIMIT_CORES: Final = _gauge("cpu_limit_cores", "CPU quota in cores; absent where there is none.")
CPU_THROTTLED_SECONDS: Final = _counter("cpu_throttled_seconds_total", "Time in which the CPU quota was used up.")
START_TIME_SECONDS: Final = _gauge(
    "start_time_seconds", "When it started (a container's StartedAt, else its oldest process), since the epoch."
)
OOM_KILLS_BY_CAUSE: Final = Metric(
    "brimline_container_memory_oom_kills_by_cause_total",
    "OOM kills by whose limit was hit and by what died: the main process or a worker.",
    MetricKind.COUNTER,
    (*SUBJECT_LABELS[Kind.CONTAINER], "cause", "victim"),
)

FAMILIES: Final[tuple[Family, ...]] = (
    MEMORY_USAGE_BYTES,
    MEMORY_USED_BYTES,
    MEMORY_WORKING_SET_BYTES,
    MEMORY_ANON_BYTES,
    MEMORY_FILE_BYTES,
    MEMORY_SHMEM_BYTES,
    MEMORY_KERNEL_BYTES,
    MEMORY_SLAB_RECLAIMABLE_BYTES,
    MEMORY_MAPPED_FILE_BYTES,
    MEMORY_SWAP_BYTES,
    MEMORY_PEAK_BYTES,
    MEMORY_LIMIT_BYTES,
    LIMITED,
    MEMORY_HIGH_BYTES,
    MEMORY_HIGH_RATIO,
    MEMORY_RESERVATION_BYTES,
    MEMORY_USED_RATIO,
    MEMORY_WORKING_SET_RATIO,
    MEMORY_AVAILABLE_BYTES,
    MEMORY_PRESSURE_SOME_RATIO,
    MEMORY_PRESSURE_FULL_RATIO,
    MEMORY_PRESSURE_SOME_SECONDS,
    MEMORY_PRESSURE_FULL_SECONDS,
    MEMORY_LIMIT_HITS,
    MEMORY_HIGH_HITS,
    MEMORY_REFAULTS,
    MEMORY_LARGEST_PROCESS_BYTES,
    PROCESSES,
    CPU_SECONDS,
    CPU_LIMIT_CORES,
    CPU_THROTTLED_SECONDS,
    START_TIME_SECONDS,
)
METRICS: Final[tuple[Metric, ...]] = (
    *(metric for family in (*FAMILIES, MEMORY_THRESHOLD_RATIO, MEMORY_OOM_KILLS) for metric in family.values()),
    OOM_KILLS_BY_CAUSE,
)


@dataclass(slots=True)
class Facts:
    """What the kernel says of one cgroup right now; None where it does not say. Filled in place by its reader."""

    usage: int = 0
    anon: int | None = None
    file: int | None = None
    shmem: int | None = None
    kernel: int | None = None
    slab_reclaimable: int | None = None
    mapped_file: int | None = None
    active_file: int = 0
    inactive_file: int = 0
    swap: int | None = None
    refaults: int | None = None
    oom_kills: int | None = None
    oom_kills_below: int = 0  # v1: of levels below, which oom_kills leaves out; what is gone stays in the sum
    ooms: int | None = None  # rises when the cgroup (v2: or one below it) is out of memory; counts no incidents
    ooms_below: int = 0
    limit_hits: int | None = None
    high_hits: int | None = None
    hierarchical_limit: int | None = None  # v1: already the least over ancestors, the hidden ones too
    limit: int | None = None
    swap_limit: int | None = None  # what may be swapped beyond the limit
    high: int | None = None
    peak: int | None = None
    reservation: int | None = None
    pressure_some: float | None = None
    pressure_full: float | None = None
    pressure_some_seconds: float | None = None
    pressure_full_seconds: float | None = None
    processes: int | None = None
    largest_process: int | None = None
    cpu_seconds: float | None = None
    cpu_limit: float | None = None
    cpu_throttled_seconds: float | None = None
    started: float | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What limits a cgroup from itself up to the host."""

    limit: int
    limited: bool
    swap_limit: int | None  # the least over the levels; None: only the host's free swap limits it


def droppable(facts: Facts) -> int:
    """Return what the kernel empties before it kills: both file lists and reclaimable slab."""
    return facts.active_file + facts.inactive_file + (facts.slab_reclaimable or 0)


def used(facts: Facts) -> int:
    """Return what cannot be dropped without swap."""
    return max(0, facts.usage - droppable(facts))


def working_set(facts: Facts) -> int:
    """Return what docker stats, cAdvisor and the kubelet call used."""
    return max(0, facts.usage - facts.inactive_file)


def bounds(levels: Iterable[Facts], declared: int | None, host_total: int) -> Bounds:
    """Return the limit in effect over the levels, nearest first; a declared one stands in where there is none."""
    limits, swap_limits = [], []
    for level in levels:
        limits += [v for v in (level.limit, level.hierarchical_limit) if v is not None]
        swap_limits += [level.swap_limit] if level.swap_limit is not None else []
    least = min(limits, default=None)
    if (least is None or least >= host_total) and declared is not None:
        least = declared
    limited = least is not None and least < host_total
    limit = min(least, host_total) if least is not None else host_total
    return Bounds(limit, limited, min(swap_limits, default=None))


def swap_room(swap: int | None, swap_limit: int | None, host_swap_free: int) -> int:
    """Return how much may lie in swap in all; without swap accounting none."""
    if swap is None:
        return 0
    room = swap + host_swap_free
    return room if swap_limit is None else min(room, swap_limit)
