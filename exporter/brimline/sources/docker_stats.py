"""Memory by Docker's stats, one shot at a time, for engines whose cgroups cannot be read from here (Desktop, remote).

A sample costs the engine milliseconds and us a request: never used while a single cgroup is readable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from brimline.dockerapi import DockerApi
from brimline.errors import SourceError
from brimline.model import Column, Container, Kind, Subject
from brimline.sources.cgroup import Facts, bounds, used
from brimline.sources.cgroup_table import Columns, Row, make_row
from brimline.sources.docker_container import MAX_INT

SAMPLES: Final = 4  # at a time


def parse_stats(answer: Mapping[str, object]) -> Facts | None:
    """Read /containers/{id}/stats as the facts of a cgroup; None: it does not say what can be dropped.

    The engine's own "memory usage" subtracts part of the page cache and says not how much, so it is of no use; Podman
    gives a total only.
    """
    memory, cpu = _mapping(answer, "memory_stats"), _mapping(answer, "cpu_stats")
    stats, usage = _mapping(memory, "stats"), _number(memory, "usage")
    first = "total_" if "total_inactive_file" in stats else ""  # cgroup v1: with its descendants
    active, inactive = _number(stats, f"{first}active_file"), _number(stats, f"{first}inactive_file")
    if usage is None or active is None or inactive is None:
        return None
    facts = Facts(usage=usage, active_file=active, inactive_file=inactive, limit=_number(memory, "limit"))
    facts.shmem = _number(stats, f"{first}shmem")
    if first:
        facts.anon, facts.file = _number(stats, "total_rss"), _number(stats, "total_cache")
        facts.mapped_file, facts.swap = _number(stats, "total_mapped_file"), _number(stats, "total_swap")
        facts.peak = _number(memory, "max_usage")
        facts.limit_hits = _number(memory, "failcnt") or 0  # left out at 0
        own, both = _number(stats, "hierarchical_memory_limit"), _number(stats, "hierarchical_memsw_limit")
        facts.swap_limit = None if own is None or both is None else max(0, both - own)
    else:
        facts.anon, facts.file = _number(stats, "anon"), _number(stats, "file")
        facts.mapped_file, facts.slab_reclaimable = _number(stats, "file_mapped"), _number(stats, "slab_reclaimable")
        facts.kernel = _number(stats, "kernel")
    total = _number(_mapping(cpu, "cpu_usage"), "total_usage")
    facts.cpu_seconds = None if total is None else total / 1e9
    throttled = _number(_mapping(cpu, "throttling_data"), "throttled_time")
    facts.cpu_throttled_seconds = None if throttled is None else throttled / 1e9
    return facts


class StatsPoll:
    """Samples the wanted containers every `interval()`; `wanted` is empty while cgroups are readable."""

    def __init__(
        self,
        interval: Callable[[], float],
        wanted: Callable[[], Sequence[Container]],
        declared: Callable[[Container], int | None],
    ) -> None:
        self.failed: dict[Subject, str] = {}
        self._interval = interval
        self._wanted = wanted
        self._declared = declared
        self._rows: dict[Subject, tuple[Row, float]] = {}
        self._table = Columns(Kind.CONTAINER, ())
        self._slots = asyncio.Semaphore(SAMPLES)

    async def run(self, api: DockerApi) -> None:
        """Sample until cancelled."""
        total: int | None = None
        while True:
            wanted = self._wanted()
            for gone in (self._rows.keys() | self.failed.keys()) - {c.subject for c in wanted}:
                self._rows.pop(gone, None)
                self.failed.pop(gone, None)
            if wanted:
                total = total or await _memory_total(api)
                await asyncio.gather(*(self._sample(api, container, total) for container in wanted))
            await asyncio.sleep(self._interval())

    def columns(self) -> tuple[Column, ...]:
        """Return what was sampled last, in the shape the cgroup source gives it."""
        subjects = tuple(self._rows)
        if subjects != self._table.subjects:
            self._table = Columns(Kind.CONTAINER, subjects)
        rows = [row for row, _ in self._rows.values()]
        return tuple(self._table.build(rows, [available for _, available in self._rows.values()]))

    def knows(self, subjects: Iterable[Subject]) -> bool:
        """Tell whether each was sampled, or why it could not be."""
        return all(s in self._rows or s in self.failed for s in subjects)

    async def _sample(self, api: DockerApi, container: Container, total: int | None) -> None:
        try:
            async with self._slots:
                answer = await api.stats(container.id)
        except SourceError as error:
            self._fail(container, str(error))
            return
        facts = None if answer is None else parse_stats(answer)
        if facts is None:
            self._fail(container, "the engine's stats do not say how much of its memory is page cache")
            return
        self.failed.pop(container.subject, None)
        limits = bounds([facts], self._declared(container), total or facts.limit or facts.usage)
        self._rows[container.subject] = (make_row(facts, limits, 0), max(0, limits.limit - used(facts)))

    def _fail(self, container: Container, why: str) -> None:
        self._rows.pop(container.subject, None)
        self.failed[container.subject] = why


async def _memory_total(api: DockerApi) -> int | None:
    try:
        return await api.memory_total()
    except SourceError:
        return None


def _mapping(mapping: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}


def _number(mapping: Mapping[str, object], key: str) -> int | None:
    value = mapping.get(key)
    return value if isinstance(value, int) and 0 <= value < MAX_INT else None
