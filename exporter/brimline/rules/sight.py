"""What one tick shows to the rules: values by measure and row, levels, and for every nothing which kind it is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from brimline.model import Column, Kind, Metric, Snapshot, SourceReport, Subject
from brimline.rules.roll import Places, Roll
from brimline.rules.terms import ALERT_AT, LEVELS, Levels

_LEVEL_SERIES: Final[Mapping[str, Kind]] = MappingProxyType(
    {f"brimline_{kind}_memory_threshold_ratio": kind for kind in Kind}
)
_ALIGNED: Final = 8  # tuples of subjects whose levels are laid beside them


@dataclass(slots=True)
class Sight:
    """The snapshot of this tick, and of the ticks before it only who reports what."""

    defaults: Levels
    rolls: dict[Kind, Roll] = field(default_factory=lambda: {kind: Roll() for kind in Kind})
    trouble: bool = False  # some source failed, or some subject could not be read
    unseen: set[tuple[Kind, int]] = field(default_factory=set)  # rows that were restored and not met yet
    levels_version: int = 0
    _columns: dict[Metric, list[Column]] = field(default_factory=dict)
    _owners: dict[Metric, set[str]] = field(default_factory=dict)
    _failing: set[str] = field(default_factory=set)
    _failed: dict[str, set[tuple[Kind, tuple[str, ...]]]] = field(default_factory=dict)
    _level_columns: tuple[Column, ...] = ()
    _levels: dict[tuple[Kind, str], dict[int, float]] = field(default_factory=dict)
    _aligned: dict[tuple[int, str], list[float]] = field(default_factory=dict)
    _kept: list[Places] = field(default_factory=list)  # whose identities are keys above

    def use(self, defaults: Levels) -> None:
        """Take other levels for the subjects without their own."""
        self.defaults, self._aligned, self._kept = defaults, {}, []
        self.levels_version += 1

    def look(self, snapshot: Snapshot, at: int) -> None:
        """Take in a snapshot."""
        self._columns, self._failing, self._failed = {}, set(), {}
        level_columns: list[Column] = []
        tuples: dict[Kind, list[tuple[Subject, ...]]] = {}
        for report in snapshot.reports:
            self._note_failures(report)
            for column in report.columns:
                if not column.subjects:
                    continue
                if column.extra is None:
                    self._columns.setdefault(column.metric, []).append(column)
                    self._owners.setdefault(column.metric, set()).add(report.source)
                elif column.metric.name in _LEVEL_SERIES:
                    level_columns.append(column)
                else:
                    continue
                tuples.setdefault(column.subjects[0].kind, []).append(column.subjects)
        for kind, roll in self.rolls.items():
            roll.show(tuples.get(kind, ()), at)
        self.unseen = {(kind, row) for kind, row in self.unseen if row not in self.rolls[kind].present}
        self.trouble = bool(self._failing or self._failed)
        self._read_levels(tuple(level_columns))

    def columns(self, kind: Kind, metric: Metric) -> Iterator[tuple[Places, Column]]:
        """Yield the metric's columns with the rows of their subjects."""
        roll = self.rolls[kind]
        for column in self._columns.get(metric, ()):
            yield roll.of(column.subjects), column

    def value(self, kind: Kind, metric: Metric, row: int) -> float | None:
        """Return the metric of one row, None where there is none."""
        for places, column in self.columns(kind, metric):
            index = places.position.get(row)
            if index is not None:
                return column.values[index]
        return None

    def unknown(self, kind: Kind, metric: Metric, row: int) -> bool:
        """Return whether a missing value is unknown: whoever reports the metric failed, as a whole or for this row."""
        if not self.trouble:
            return False
        if (kind, row) in self.unseen and self._failing:
            return True
        subject = self.rolls[kind].subjects[row]
        asked = (kind, subject.labels if subject is not None else ())
        if any(asked in failed for failed in self._failed.values()):
            return True
        owners = self._owners.get(metric)
        return bool(self._failing if owners is None else self._failing & owners)

    def level(self, kind: Kind, row: int, name: str) -> float:
        """Return the level in force for one row."""
        default = self.defaults.alert_at if name == ALERT_AT else self.defaults.restart_at
        return self._levels.get((kind, LEVELS[name]), {}).get(row, default)

    def levels(self, kind: Kind, places: Places, name: str) -> list[float]:
        """Return the levels in force beside the subjects of a column."""
        key = (id(places), name)
        if key not in self._aligned:
            if len(self._kept) >= _ALIGNED:
                self._aligned, self._kept = {}, []
            self._aligned[key] = [self.level(kind, row, name) for row in places.rows]
            self._kept.append(places)
        return self._aligned[key]

    def bounds(self, kind: Kind, name: str) -> tuple[float, float]:
        """Return the least and the greatest level any subject may have."""
        default = self.defaults.alert_at if name == ALERT_AT else self.defaults.restart_at
        levels = set(self._levels.get((kind, LEVELS[name]), {}).values())
        return min(default, *levels), max(default, *levels)

    def _note_failures(self, report: SourceReport) -> None:
        if report.error is not None:
            self._failing.add(report.source)
        if report.failed:
            self._failed[report.source] = {(subject.kind, subject.labels) for subject in report.failed}

    def _read_levels(self, columns: tuple[Column, ...]) -> None:
        same = len(columns) == len(self._level_columns) and all(
            new.subjects is old.subjects and (new.values is old.values or tuple(new.values) == tuple(old.values))
            for new, old in zip(columns, self._level_columns, strict=True)
        )
        if same:
            return
        self._level_columns, self._levels, self._aligned = columns, {}, {}
        self._kept = []
        self.levels_version += 1
        for column in columns:
            kind = column.subjects[0].kind
            places = self.rolls[kind].of(column.subjects)
            for row, value, (*_, level) in zip(places.rows, column.values, column.extra or (), strict=True):
                self._levels.setdefault((kind, level), {})[row] = value
