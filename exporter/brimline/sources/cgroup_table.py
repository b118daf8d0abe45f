"""Rows of one kind's subjects turned into columns: a row is made when its facts change, the columns every tick."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Final

from brimline.model import Column, Kind, Metric, Subject
from brimline.sources import cgroup
from brimline.sources.cgroup import Bounds, Facts, Family

Row = tuple[float | None, ...]

# A row's families, in its order: those every subject has, then those a kernel or a configuration may lack.
ALWAYS: Final[tuple[Family, ...]] = (
    cgroup.MEMORY_USAGE_BYTES,
    cgroup.MEMORY_USED_BYTES,
    cgroup.MEMORY_WORKING_SET_BYTES,
    cgroup.MEMORY_LIMIT_BYTES,
    cgroup.LIMITED,
    cgroup.MEMORY_USED_RATIO,
    cgroup.MEMORY_WORKING_SET_RATIO,
)
PERHAPS: Final[tuple[Family, ...]] = (
    cgroup.MEMORY_ANON_BYTES,
    cgroup.MEMORY_FILE_BYTES,
    cgroup.MEMORY_SHMEM_BYTES,
    cgroup.MEMORY_KERNEL_BYTES,
    cgroup.MEMORY_SLAB_RECLAIMABLE_BYTES,
    cgroup.MEMORY_MAPPED_FILE_BYTES,
    cgroup.MEMORY_SWAP_BYTES,
    cgroup.MEMORY_PEAK_BYTES,
    cgroup.MEMORY_HIGH_BYTES,
    cgroup.MEMORY_HIGH_RATIO,
    cgroup.MEMORY_RESERVATION_BYTES,
    cgroup.MEMORY_PRESSURE_SOME_RATIO,
    cgroup.MEMORY_PRESSURE_FULL_RATIO,
    cgroup.MEMORY_PRESSURE_SOME_SECONDS,
    cgroup.MEMORY_PRESSURE_FULL_SECONDS,
    cgroup.MEMORY_LIMIT_HITS,
    cgroup.MEMORY_HIGH_HITS,
    cgroup.MEMORY_REFAULTS,
    cgroup.MEMORY_LARGEST_PROCESS_BYTES,
    cgroup.PROCESSES,
    cgroup.CPU_SECONDS,
    cgroup.CPU_LIMIT_CORES,
    cgroup.CPU_THROTTLED_SECONDS,
    cgroup.START_TIME_SECONDS,
)


def make_row(facts: Facts, bounds: Bounds, host_swap_free: int) -> Row:
    """Return one subject's values in the order of ALWAYS and PERHAPS."""
    used, working_set = cgroup.used(facts), cgroup.working_set(facts)
    room = cgroup.swap_room(facts.swap, bounds.swap_limit, host_swap_free)
    return (
        facts.usage,
        used,
        working_set,
        bounds.limit,
        1 if bounds.limited else 0,
        (used + (facts.swap or 0)) / (bounds.limit + room) if bounds.limit + room else 1.0,
        working_set / bounds.limit if bounds.limit else 1.0,
        facts.anon,
        facts.file,
        facts.shmem,
        facts.kernel,
        facts.slab_reclaimable,
        facts.mapped_file,
        facts.swap,
        facts.peak,
        facts.high,
        used / facts.high if facts.high else None,
        facts.reservation,
        facts.pressure_some,
        facts.pressure_full,
        facts.pressure_some_seconds,
        facts.pressure_full_seconds,
        facts.limit_hits,
        facts.high_hits,
        facts.refaults,
        facts.largest_process,
        facts.processes,
        facts.cpu_seconds,
        facts.cpu_limit,
        facts.cpu_throttled_seconds,
        facts.started,
    )


def used_ratio(row: Row) -> float:
    """Return the row's memory_used_ratio."""
    return row[5] or 0.0


class Columns:
    """Turns rows into columns; keeps the tuples of subjects the same until a subject or a presence changes."""

    def __init__(self, kind: Kind, subjects: Sequence[Subject]) -> None:
        self._kind = kind
        self.subjects = tuple(subjects)
        self._presence: dict[Metric, tuple[bytes, tuple[Subject, ...]]] = {}
        self._rows: Sequence[Row] = ()
        self._columns: list[Column] = []

    def build(self, rows: Sequence[Row], available: Sequence[float]) -> list[Column]:
        """Return every column that any subject has a value for."""
        if not self.subjects:
            return []
        if rows != self._rows:  # the same rows are the same objects: a comparison of pointers
            self._rows, self._columns = rows, list(self._turn(rows))
        left = Column(cgroup.MEMORY_AVAILABLE_BYTES[self._kind], self.subjects, available)
        return [*self._columns[: len(ALWAYS)], left, *self._columns[len(ALWAYS) :]]

    def _turn(self, rows: Sequence[Row]) -> Iterator[Column]:
        kind, subjects = self._kind, self.subjects
        columns = list(zip(*rows, strict=True))
        for family, values in zip(ALWAYS, columns, strict=False):
            yield Column(family[kind], subjects, values)
        for family, values in zip(PERHAPS, columns[len(ALWAYS) :], strict=True):
            metric, holes = family[kind], values.count(None)
            if holes == len(values) or (family is cgroup.START_TIME_SECONDS and kind is Kind.CONTAINER):
                continue  # a container's start is its StartedAt, which Docker tells
            if not holes:
                yield Column(metric, subjects, values)
                continue
            present = bytes(v is not None for v in values)
            known, having = self._presence.get(metric, (b"", ()))
            if present != known:
                having = tuple(compress(subjects, present))
                self._presence[metric] = (present, having)
            yield Column(metric, having, tuple(compress(values, present)))
