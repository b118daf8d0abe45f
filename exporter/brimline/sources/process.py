"""Groups of processes: how many, their memory, CPU and restarts; the source `process` and its metrics.

A group that has no process says so with `processes` 0; its memory is then absent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from brimline.fds import FdBudget
from brimline.model import SUBJECT_LABELS, Column, Kind, Metric, MetricKind, Now, SourceReport, Subject
from brimline.procfs import BootTime, Procfs
from brimline.sources.groups import GroupOptions, ProcessOptions, configured_group, everything
from brimline.sources.process_membership import PULSE, Entry, Membership
from brimline.sources.pss import Measure, Scales, Weighing, psutil_measure

__all__ = ["METRICS", "Alone", "GroupOptions", "ProcessOptions", "ProcessSource"]


def _metric(measure: str, text: str, kind: MetricKind = MetricKind.GAUGE) -> Metric:
    return Metric(f"brimline_process_{measure}", text, kind, SUBJECT_LABELS[Kind.PROCESS])


PROCESSES = _metric("processes", "Living processes of the group.")
MEMORY_RSS = _metric("memory_rss_bytes", "Resident memory of all processes; what they share counts once for each.")
MEMORY_PSS = _metric("memory_pss_bytes", "Proportional resident memory of all processes; what they share counts once.")
MEMORY_USS = _metric("memory_uss_bytes", "Resident memory that no other process shares.")
MEMORY_SWAP = _metric("memory_swap_bytes", "Memory of all processes that is swapped out.")
MEMORY_LARGEST = _metric("memory_largest_process_bytes", "Resident memory of the group's largest process.")
MEMORY_LIMIT = _metric("memory_limit_bytes", "The group's own limit, else that of the cgroup all its processes share.")
MEMORY_USED_RATIO = _metric("memory_used_ratio", "PSS where it is known, else RSS, as a share of the limit.")
CPU_SECONDS = _metric(
    "cpu_seconds_total", "CPU time of all processes, those that have ended included.", MetricKind.COUNTER
)
OLDEST_START = _metric(
    "oldest_start_time_seconds", "When the group's oldest process began, in seconds since the epoch."
)
RESTARTS = _metric(
    "restarts_total", "Masters that began after another one had ended, since Brimline's start.", MetricKind.COUNTER
)

METRICS: Final[tuple[Metric, ...]] = (
    PROCESSES,
    MEMORY_RSS,
    MEMORY_PSS,
    MEMORY_USS,
    MEMORY_SWAP,
    MEMORY_LARGEST,
    MEMORY_LIMIT,
    MEMORY_USED_RATIO,
    CPU_SECONDS,
    OLDEST_START,
    RESTARTS,
)

_FIRST_LOOK: Final = 2.0  # seconds that the start may wait for it
_GLANCE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Alone:
    """The group of every process in sight, for Brimline inside a container without any other source."""

    group: str
    limit: int | None


class ProcessSource:
    """Reads the groups once a tick. `cgroup_limit` answers the effective limit of a process's cgroup, None: unlimited.

    With `alone` the groups and presets of the options are left aside: every process is in that one group.
    """

    name = "process"

    def __init__(  # noqa: PLR0913 - the parts it is made of, named
        self,
        options: ProcessOptions,
        procfs: Procfs,
        fds: FdBudget,
        *,
        cgroup_limit: Callable[[int], int | None] = lambda _: None,
        alone: Alone | None = None,
        measure: Measure | None = None,
    ) -> None:
        self._procfs = procfs
        self._cgroup_limit = cgroup_limit
        groups = [everything(alone.group, alone.limit)] if alone else [configured_group(o) for o in options.groups]
        self._membership = Membership(procfs, fds, groups, () if alone else options.presets)
        self._scales: Scales | None = None
        if any(group.pss for group in groups):
            measure = measure or psutil_measure(procfs.root, lambda pid: procfs.stat(pid).start)
            self._scales = Scales(measure, options.pss_budget)
        self._boot_time = BootTime(procfs)
        self._booted = 0.0
        self._limits: dict[Subject, int | None] = {}
        self._slow_at: float | None = None
        self._subjects: dict[Metric, tuple[Subject, ...]] = {}

    def start(self, patience: float = _FIRST_LOOK) -> None:
        """Begin to follow processes; waits so many seconds for the first look at all of them."""
        with suppress(OSError):  # there is no /proc: every read says so and tries again
            self._membership.start(patience)
        if self._scales is not None:
            self._scales.start()

    async def first(self, timeout: float) -> None:  # noqa: ASYNC109 - not being done in time is an answer
        """Wait for the first look, which a thread is at."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._membership.looking:  # noqa: ASYNC110 - a thread cannot set asyncio's Event
                    await asyncio.sleep(_GLANCE)

    def read(self, now: Now) -> SourceReport:
        """Read everything now."""
        try:
            entries = self._membership.update(now)
            self._read_slow(now.mono)
        except (OSError, ValueError, IndexError) as error:
            problem = f"{self._procfs.root}: {error}; --path.procfs must name the host's /proc"
            return SourceReport(self.name, (), error=problem)
        if not self._membership.complete:
            problem = "the first look at every process is not done yet; it goes on in the background"
            return SourceReport(self.name, (), error=problem)
        failed = {e.subject: reason for e in entries if (reason := self._failure(e))}
        weighings = self._weighings(entries, now.mono)
        rows = [(e.subject, self._values(e, weighings.get(e.subject))) for e in entries if e.subject not in failed]
        columns = self._columns(rows)
        info = self._info(weighings.values())
        return SourceReport(self.name, columns, failed=failed, info=info)

    def pids(self, group: str) -> tuple[int, ...]:
        """Return the processes of a group, by its name, as of the last tick."""
        return self._membership.pids(group)

    def close(self) -> None:
        """Give back every descriptor and thread."""
        if self._scales is not None:
            self._scales.close()
        self._membership.close()

    def _read_slow(self, mono: float) -> None:
        """Read what changes seldom: limits, and when the machine booted."""
        if self._slow_at is not None and mono - self._slow_at < PULSE:
            return
        self._slow_at = mono
        self._limits = {}
        self._booted = self._boot_time.at(mono)

    def _failure(self, entry: Entry) -> str | None:
        """Return why a group's figures would be wrong, None where they are right."""
        if entry.group.flaw is not None:
            return entry.group.flaw
        if entry.tally.denied:
            return f"{entry.tally.denied} of {len(entry.tally.members)} processes may not be read; run Brimline as root"
        if self._membership.hides and entry.group.configured and not entry.tally.members:
            return "no process found, but /proc hides some from us (hidepid); run Brimline as root"
        return None

    def _limit(self, entry: Entry) -> int | None:
        if entry.group.limit is not None:
            return entry.group.limit
        oldest = entry.tally.oldest
        if oldest is None:
            return None
        if entry.subject not in self._limits:
            shared = entry.tally.shared_cgroup()
            self._limits[entry.subject] = self._cgroup_limit(oldest.pid) if shared else None
        return self._limits[entry.subject]

    def _weighings(self, entries: Sequence[Entry], mono: float) -> dict[Subject, Weighing]:
        if self._scales is None:
            return {}
        watched = {}
        for entry in entries:
            if entry.group.pss:
                members = sorted(entry.tally.members.values(), key=lambda m: (m.start, m.pid))
                watched[entry.subject.name] = tuple((m.pid, m.start) for m in members)
        self._scales.watch(watched)
        latest = {e.subject: self._scales.latest(e.subject.name, mono) for e in entries if e.group.pss}
        return {subject: weighing for subject, weighing in latest.items() if weighing is not None}

    def _values(self, entry: Entry, weighing: Weighing | None) -> dict[Metric, float]:
        tally = entry.tally
        values: dict[Metric, float] = {PROCESSES: len(tally.members), RESTARTS: tally.restarts}
        if tally.members or tally.cpu_ticks:
            values[CPU_SECONDS] = tally.cpu_ticks / self._procfs.ticks_per_second
        limit = self._limit(entry)
        if limit is not None:
            values[MEMORY_LIMIT] = limit
        if (oldest := tally.oldest) is None or not tally.rss_pages:
            return values
        values[OLDEST_START] = self._booted + oldest.start / self._procfs.ticks_per_second
        used = values[MEMORY_RSS] = sum(tally.rss_pages) * self._procfs.page_size
        values[MEMORY_LARGEST] = max(tally.rss_pages) * self._procfs.page_size
        if weighing is not None and weighing.share is not None:
            share = weighing.share
            used = share.pss
            values |= {MEMORY_PSS: share.pss, MEMORY_USS: share.uss, MEMORY_SWAP: share.swap}
        if limit:
            values[MEMORY_USED_RATIO] = used / limit
        return values

    def _columns(self, rows: Sequence[tuple[Subject, dict[Metric, float]]]) -> tuple[Column, ...]:
        columns = []
        for metric in METRICS:
            subjects = tuple(subject for subject, values in rows if metric in values)
            if subjects:
                if subjects != self._subjects.get(metric):
                    self._subjects[metric] = subjects
                column = [values[metric] for _, values in rows if metric in values]
                columns.append(Column(metric, self._subjects[metric], column))
        return tuple(columns)

    def _info(self, weighings: Iterable[Weighing]) -> dict[str, str]:
        pss = "off"
        if self._scales is not None:
            pss = "denied" if any(w.denied for w in weighings) else "on"
        return {
            "pss": pss,
            "descriptors": "kept" if self._membership.all_kept else "partly",
            "hidden": "yes" if self._membership.hides else "no",
            "reader": "stuck" if self._membership.hung else "ok",
        }
