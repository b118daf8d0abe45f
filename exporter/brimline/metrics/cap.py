"""The limit on the number of series: whole subjects are left off, so that no one is shown by half.

Who is there goes before those of whom only counters are left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import compress
from typing import Final

from brimline.model import Column, Kind, MetricKind, Subject

_ORDER: Final = (Kind.HOST, Kind.CONTAINER, Kind.PROCESS, Kind.CGROUP)  # what is kept first


class SeriesCap:
    """Cuts columns to at most `limit` series; whoever was kept stays kept while it is there and fits."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: set[Subject] = set()
        self._seen: list[Column] = []
        self._cuts: list[_Cut] = []

    def cut(self, columns: Sequence[Column]) -> tuple[Sequence[Column], int]:
        """Return the columns within the limit and how many series were left off."""
        total = sum(len(column.subjects) for column in columns)
        if total <= self._limit:
            self._kept, self._seen, self._cuts = set(), [], []
            return columns, 0
        if not self._same_topology(columns):
            self._kept = self._choose(columns)
            self._cuts = [_Cut(column, self._kept) for column in columns]
        self._seen = list(columns)
        kept = [cut.apply(column) for cut, column in zip(self._cuts, columns, strict=True)]
        return kept, total - sum(len(column.subjects) for column in kept)

    def _same_topology(self, columns: Sequence[Column]) -> bool:
        return len(columns) == len(self._seen) and all(
            new.subjects is old.subjects and new.extra is old.extra and new.metric is old.metric
            for new, old in zip(columns, self._seen, strict=True)
        )

    def _choose(self, columns: Sequence[Column]) -> set[Subject]:
        weights = Counter(subject for column in columns for subject in column.subjects)
        there = {s for column in columns if column.metric.kind is MetricKind.GAUGE for s in column.subjects}
        room = self._limit
        kept = set()
        for subject in sorted(weights, key=lambda s: (s not in there, s not in self._kept, _ORDER.index(s.kind))):
            if weights[subject] <= room:
                room -= weights[subject]
                kept.add(subject)
        return kept


class _Cut:
    """Which rows of one column stay; hands out the same tuples until the topology changes, as a source does."""

    __slots__ = ("_extra", "_stays", "_subjects")

    def __init__(self, column: Column, kept: set[Subject]) -> None:
        self._stays = [subject in kept for subject in column.subjects]
        self._subjects = tuple(compress(column.subjects, self._stays))
        self._extra = None if column.extra is None else tuple(compress(column.extra, self._stays))

    def apply(self, column: Column) -> Column:
        return Column(column.metric, self._subjects, list(compress(column.values, self._stays)), self._extra)
