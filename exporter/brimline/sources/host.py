"""The host's memory: total, available, swap, pressure and kills; node_exporter does the rest.

One descriptor each for meminfo, vmstat and pressure/memory. Where the kernel has no PSI its metrics are absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from brimline.fds import FdBudget, KeptFile
from brimline.model import Column, HostFacts, Kind, Metric, MetricKind, Now, SourceReport, Subject
from brimline.procfs import Procfs, parse_meminfo, parse_pressure, parse_vmstat


def _gauge(measure: str, text: str) -> Metric:
    return Metric(f"brimline_host_{measure}", text, MetricKind.GAUGE, ())


def _counter(measure: str, text: str) -> Metric:
    return Metric(f"brimline_host_{measure}", text, MetricKind.COUNTER, ())


MEMORY_TOTAL = _gauge("memory_total_bytes", "Memory the kernel can use (MemTotal).")
MEMORY_AVAILABLE = _gauge("memory_available_bytes", "Memory that can be had without swapping (MemAvailable).")
MEMORY_USED = _gauge("memory_used_bytes", "Total less available memory.")
MEMORY_USED_RATIO = _gauge("memory_used_ratio", "Used memory as a share of the total.")
MEMORY_AVAILABLE_RATIO = _gauge("memory_available_ratio", "Available memory as a share of the total.")
MEMORY_SWAP_TOTAL = _gauge("memory_swap_total_bytes", "Size of all swap areas.")
MEMORY_SWAP_FREE = _gauge("memory_swap_free_bytes", "Swap not in use.")
MEMORY_PRESSURE_SOME = _gauge(
    "memory_pressure_some_ratio", "Share of the last 10 s in which at least one task waited for memory (PSI avg10)."
)
MEMORY_PRESSURE_FULL = _gauge(
    "memory_pressure_full_ratio", "Share of the last 10 s in which every busy task waited for memory (PSI avg10)."
)
MEMORY_PRESSURE_SOME_SECONDS = _counter(
    "memory_pressure_some_seconds_total", "Time in which at least one task waited for memory (PSI total)."
)
MEMORY_PRESSURE_FULL_SECONDS = _counter(
    "memory_pressure_full_seconds_total", "Time in which every busy task waited for memory (PSI total)."
)
MEMORY_OOM_KILLS = _counter(
    "memory_oom_kills_total", "Processes the kernel killed for want of memory since boot, whatever the reason."
)

METRICS: Final[tuple[Metric, ...]] = (
    MEMORY_TOTAL,
    MEMORY_AVAILABLE,
    MEMORY_USED,
    MEMORY_USED_RATIO,
    MEMORY_AVAILABLE_RATIO,
    MEMORY_SWAP_TOTAL,
    MEMORY_SWAP_FREE,
    MEMORY_PRESSURE_SOME,
    MEMORY_PRESSURE_FULL,
    MEMORY_PRESSURE_SOME_SECONDS,
    MEMORY_PRESSURE_FULL_SECONDS,
    MEMORY_OOM_KILLS,
)

_KEYS: Final = ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree")


class HostSource:
    """Reads the host once a tick; `facts` are those of the last read, None while it fails."""

    name = "host"

    def __init__(self, procfs: Procfs, fds: FdBudget) -> None:
        self._meminfo = KeptFile(procfs.path("meminfo"), fds)
        self._vmstat = KeptFile(procfs.path("vmstat"), fds)
        self._pressure = KeptFile(procfs.path("pressure/memory"), fds)
        self._subjects = (Subject(Kind.HOST, "host", (), procfs.boot_id()),)
        self.facts: HostFacts | None = None

    def read(self, now: Now) -> SourceReport:  # noqa: ARG002 - a source is handed the tick's time
        """Read everything now."""
        try:
            memory = parse_meminfo(self._meminfo.read(), _KEYS)
            total = memory["MemTotal"]
        except (OSError, KeyError, ValueError, IndexError) as error:
            self.facts = None
            reason = f"{self._meminfo.path}: {error or 'unreadable'}; --path.procfs must name the host's /proc"
            return SourceReport(self.name, (), error=reason)
        self.facts = HostFacts(total, memory.get("MemAvailable"), memory.get("SwapFree"))
        values = memory_values(memory) | self._pressures() | self._kills()
        columns = tuple(Column(m, self._subjects, (values[m],)) for m in METRICS if m in values)
        return SourceReport(self.name, columns)

    def close(self) -> None:
        """Give back every descriptor."""
        for file in (self._meminfo, self._vmstat, self._pressure):
            file.close()

    def _pressures(self) -> dict[Metric, float]:
        try:
            pressure = parse_pressure(self._pressure.read())
        except (OSError, ValueError, KeyError):  # ENOENT before 4.20, EOPNOTSUPP with psi=0 (kernel/sched/psi.c)
            return {}
        values = {MEMORY_PRESSURE_SOME: pressure.some_ratio, MEMORY_PRESSURE_SOME_SECONDS: pressure.some_seconds}
        if pressure.full_ratio is not None and pressure.full_seconds is not None:
            values |= {MEMORY_PRESSURE_FULL: pressure.full_ratio, MEMORY_PRESSURE_FULL_SECONDS: pressure.full_seconds}
        return values

    def _kills(self) -> dict[Metric, float]:
        text = b""
        try:
            # One read yields at most a page of whole lines (seq_file), and the key stands in the first or the second.
            while (kills := parse_vmstat(text, "oom_kill")) is None:
                more = self._vmstat.read(offset=len(text))
                if not more:
                    return {}
                text += more
        except OSError:
            return {}
        return {MEMORY_OOM_KILLS: kills}


def memory_values(memory: Mapping[str, int]) -> dict[Metric, float]:
    """Turn meminfo into measures; what needs a key this kernel lacks is absent."""
    total = memory["MemTotal"]
    values: dict[Metric, float] = {MEMORY_TOTAL: total}
    if (available := memory.get("MemAvailable")) is not None:
        used = max(0, total - available)  # both are read while memory moves, and a balloon changes the total
        values |= {MEMORY_AVAILABLE: available, MEMORY_USED: used}
        if total:
            values |= {MEMORY_USED_RATIO: used / total, MEMORY_AVAILABLE_RATIO: available / total}
    if "SwapTotal" in memory and "SwapFree" in memory:
        values |= {MEMORY_SWAP_TOTAL: memory["SwapTotal"], MEMORY_SWAP_FREE: memory["SwapFree"]}
    return values
