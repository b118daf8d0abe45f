"""Who is judged: one row per subject of a kind, kept while anything remembers it. A row outlives an incarnation.

Sources hand out the same tuple of subjects until the topology changes, so what belongs to a tuple is computed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from brimline.model import Subject


@dataclass(frozen=True, slots=True)
class Places:
    """One tuple of subjects: the row of each, and where each row stands in it."""

    subjects: tuple[Subject, ...]  # kept, so that its identity is not used again
    rows: tuple[int, ...]
    position: dict[int, int]


@dataclass(slots=True)
class Roll:
    """The rows of one kind. `freed` rises when rows end and may soon mean other subjects."""

    subjects: list[Subject | None] = field(default_factory=list)  # by row: its present incarnation, or the last one
    present: set[int] = field(default_factory=set)
    left: dict[int, int] = field(default_factory=dict)  # rows that are not present, and since when (milliseconds)
    freed: int = 0
    _rows: dict[tuple[str, ...], int] = field(default_factory=dict)
    _free: list[int] = field(default_factory=list)
    _places: dict[int, Places] = field(default_factory=dict)
    _shown: tuple[int, ...] = ()

    def show(self, tuples: Iterable[tuple[Subject, ...]], at: int) -> None:
        """Take in the tuples of this tick, in the order of their sources: the first to name a subject says its uid."""
        shown = {id(subjects): subjects for subjects in tuples}
        if tuple(shown) == self._shown:
            return
        self._shown = tuple(shown)
        self._places = {key: self._places.get(key) or self._place(subjects) for key, subjects in shown.items()}
        before, self.present = self.present, set()
        for places in self._places.values():
            for subject, row in zip(places.subjects, places.rows, strict=True):
                if row not in self.present:
                    self.present.add(row)
                    self.subjects[row] = subject
                    self.left.pop(row, None)
        for row in before - self.present:
            self.left[row] = at

    def of(self, subjects: tuple[Subject, ...]) -> Places:
        """Return the places of a tuple that was shown this tick."""
        return self._places[id(subjects)]

    def row(self, subject: Subject) -> int:
        """Return the subject's row, a new one where it has none."""
        row = self._rows.get(subject.labels)
        if row is None:
            row = self._free.pop() if self._free else len(self.subjects)
            self._rows[subject.labels] = row
            self.subjects[row : row + 1] = [subject]
        return row

    def find(self, labels: tuple[str, ...]) -> int | None:
        """Return the row of these labels, if there is one."""
        return self._rows.get(labels)

    def sweep(self, until: int, active: set[int]) -> None:
        """Free the rows that left before `until` and have no alert."""
        over = {row for row, since in self.left.items() if since < until and row not in active}
        if over:
            self._rows = {labels: row for labels, row in self._rows.items() if row not in over}
            for row in over:
                self.subjects[row] = None
                del self.left[row]
            self._free += over
            self.freed += 1

    def _place(self, subjects: Sequence[Subject]) -> Places:
        rows = tuple(self.row(subject) for subject in subjects)
        return Places(tuple(subjects), rows, {row: index for index, row in enumerate(rows)})
