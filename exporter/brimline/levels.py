"""At which ratios a subject is spoken of: its owner's labels, else the first glob that names it, else the default.

The levels in force are served as series; rules, twins, bars and dashboards all compare with those.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from brimline.errors import UnitError
from brimline.labels import names
from brimline.model import Column, Container, Kind, Snapshot, SourceReport, Subject
from brimline.sources.cgroup import KINDS, MEMORY_THRESHOLD_RATIO, MEMORY_USED_RATIO
from brimline.units import parse_ratio

_log: Final = logging.getLogger(__name__)
ALERT_LABEL: Final = "brimline.alert-at"
RESTART_LABEL: Final = "brimline.restart-at"
_NAMES: Final = (("alert",), ("restart",))
_NOBODY: Final[Mapping[Subject, Container]] = MappingProxyType({})

Declared = tuple[float | None, float | None]
_SILENT: Final[Declared] = (None, None)


@dataclass(frozen=True, slots=True)
class Override:
    """Levels for the subjects a glob names; None leaves a level as it was."""

    glob: str
    alert_at: float | None
    restart_at: float | None


@dataclass(frozen=True, slots=True)
class LevelBook:
    """The default levels and the overrides, in the order they are written: the first that says something wins."""

    alert_at: float
    restart_at: float
    overrides: tuple[Override, ...] = ()

    def of(self, subject: Subject, declared: Declared = _SILENT) -> tuple[float, float]:
        """Return the subject's alert and restart levels; what its owner declared on itself comes first."""
        named = [o for o in self.overrides if any(fnmatchcase(name, o.glob) for name in names(subject))]
        alerts = (declared[0], *(o.alert_at for o in named), self.alert_at)
        restarts = (declared[1], *(o.restart_at for o in named), self.restart_at)
        return next(v for v in alerts if v is not None), next(v for v in restarts if v is not None)


class Levels:
    """Turns a snapshot into the series of the levels in force; `version` moves whenever any of them may have changed.

    What an owner declared is remembered while the container lives: a silent engine must not tighten a lax level.
    """

    def __init__(self, book: LevelBook) -> None:
        self.version = 0
        self._book = book
        self._declared: dict[str, Declared] = {}
        self._containers = _NOBODY
        self._made: dict[tuple[Kind, int], tuple[tuple[Subject, ...], Column]] = {}
        self._complained: set[tuple[str, str]] = set()

    def use(self, book: LevelBook) -> None:
        """Take other levels."""
        self._book = book
        self._change()

    def of(self, subject: Subject) -> tuple[float, float]:
        """Return a subject's alert and restart levels, by what its owner is known to have declared."""
        return self._book.of(subject, self._declared.get(subject.uid, _SILENT))

    def report(self, snapshot: Snapshot) -> SourceReport:
        """Return the levels of everything whose ratio is known."""
        self._learn(snapshot.containers or _NOBODY)
        found = [
            (kind, column)
            for kind in KINDS
            for report in snapshot.reports
            for column in report.columns
            if column.metric is MEMORY_USED_RATIO[kind] and column.subjects
        ]
        made = {}
        for nth, (kind, column) in enumerate(found):
            known = self._made.get((kind, nth))
            if known is None or known[0] is not column.subjects:
                known = (column.subjects, self._column(kind, column.subjects))
            made[kind, nth] = known
        self._made = made
        return SourceReport("levels", tuple([column for _, column in made.values()]))

    def _learn(self, containers: Mapping[Subject, Container]) -> None:
        if containers is self._containers or not containers:
            return
        self._containers = containers
        read = {
            s.uid: (self._read(s, c.labels, ALERT_LABEL), self._read(s, c.labels, RESTART_LABEL))
            for s, c in containers.items()
        }
        declared = {uid: levels for uid, levels in read.items() if levels != _SILENT}
        if declared != self._declared:
            self._declared = declared
            self._change()

    def _change(self) -> None:
        self.version += 1
        self._made.clear()

    def _read(self, subject: Subject, labels: Mapping[str, str], label: str) -> float | None:
        try:
            return parse_ratio(labels[label].strip()) if label in labels else None
        except UnitError as error:
            if (subject.name, label) not in self._complained:
                self._complained.add((subject.name, label))
                _log.warning("container %s: label %s is ignored: %s", subject.name, label, error)
            return None

    def _column(self, kind: Kind, subjects: tuple[Subject, ...]) -> Column:
        values = [v for s in subjects for v in self.of(s)]
        twice = tuple([s for s in subjects for _ in _NAMES])
        return Column(MEMORY_THRESHOLD_RATIO[kind], twice, values, _NAMES * len(subjects))
