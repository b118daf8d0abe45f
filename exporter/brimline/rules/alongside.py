"""Columns laid beside one tuple of subjects, by identity: what was laid once costs no look-up again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from brimline.model import Column, Snapshot, Subject

Subjects = tuple[Subject, ...]


class Alongside:
    """The columns of a tick by name, laid beside any tuple of subjects."""

    def __init__(self) -> None:
        self._columns: Mapping[str, Sequence[Column]] = {}
        self._places: dict[tuple[int, int], tuple[Subjects, Subjects, Sequence[int | None]]] = {}
        self._used: dict[tuple[int, int], tuple[Subjects, Subjects, Sequence[int | None]]] = {}

    def look(self, snapshot: Snapshot) -> None:
        """Take in a tick; of the one before only what was used is kept."""
        columns: dict[str, list[Column]] = {}
        for report in snapshot.reports:
            for column in report.columns:
                columns.setdefault(column.metric.name, []).append(column)
        self._columns = columns
        self._places, self._used = self._used, {}

    def columns(self, name: str) -> Sequence[Column]:
        """Return the metric's columns."""
        return self._columns.get(name, ())

    def values(self, name: str, beside: Subjects) -> Sequence[float | None]:
        """Return the metric of each of the subjects; None where it has none."""
        columns = self._columns.get(name, ())
        if len(columns) == 1 and columns[0].subjects is beside:
            return columns[0].values
        found: list[float | None] = [None] * len(beside)
        for column in columns:
            for place, value in zip(self._lay(column.subjects, beside), column.values, strict=True):
                if place is not None:
                    found[place] = value
        return found

    def _lay(self, subjects: Subjects, beside: Subjects) -> Iterable[int | None]:
        key = (id(subjects), id(beside))
        known = self._used.get(key) or self._places.get(key)
        if known is None or known[0] is not subjects or known[1] is not beside:
            places = {subject: place for place, subject in enumerate(beside)}
            known = subjects, beside, [places.get(subject) for subject in subjects]
        self._used[key] = known
        return known[2]
