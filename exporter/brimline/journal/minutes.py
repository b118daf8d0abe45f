"""What every subject used, minute by minute: gathered in the tick without touching a value, summed up beside it.

A tick keeps the columns' own lists, parallel to the tuple of their subjects; every few of them become the least, the
sum and the greatest. The minute is closed and written in the writer's thread.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import groupby
from operator import add
from typing import Final

from brimline.errors import JournalError
from brimline.journal.history import Sample, sample
from brimline.journal.hours import Hours, Key
from brimline.journal.packing import FIELDS, MINUTES, NOTHING, PAGE, Words, pages, unpack, words
from brimline.journal.reading import Reader
from brimline.journal.rows import labels_of
from brimline.journal.writer import Writer
from brimline.model import Metric, Snapshot, Subject

_SECONDS: Final = 60
_TOGETHER: Final = 6  # ticks that are summed up at once


class Measure(IntEnum):
    """What is remembered of a subject."""

    USED = 0
    USAGE = 1
    LIMIT = 2


@dataclass(slots=True)
class _Run:
    """One column over a minute, as long as its subjects stay the same."""

    measure: Measure
    subjects: tuple[Subject, ...]
    ticks: list[Sequence[float]] = field(default_factory=list)
    least: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    greatest: list[float] = field(default_factory=list)
    count: int = 0

    def fold(self) -> None:
        """Sum up the ticks that wait."""
        ticks, self.ticks = self.ticks, []
        if self.count:
            least, greatest = [self.least, *ticks], [self.greatest, *ticks]
            self.total = list(map(add, self.total, map(sum, zip(*ticks, strict=True))))
        else:
            least = greatest = ticks
            self.total = list(map(sum, zip(*ticks, strict=True)))
        self.least = list(least[0]) if len(least) == 1 else list(map(min, *least))
        self.greatest = list(greatest[0]) if len(greatest) == 1 else list(map(max, *greatest))
        self.count += len(ticks)


@dataclass(frozen=True, slots=True)
class Trace:
    """One subject over the last hour: minutes since the epoch, oldest first, with what it used and might use then."""

    minutes: tuple[int, ...]
    used: tuple[int, ...]  # the greatest of each minute, in pages; NOTHING: not known
    limit: tuple[int, ...]

    def shares(self, limit: float, since: float) -> list[tuple[float, float]]:
        """Return wall time and share of the limit of then, or of this one in bytes where there was none."""
        first, otherwise = since / _SECONDS, limit / PAGE
        return [
            (minute * _SECONDS, used / of)
            for minute, used, bound in zip(self.minutes, self.used, self.limit, strict=True)
            if used != NOTHING and minute >= first and (of := bound if bound != NOTHING else otherwise)
        ]


@dataclass(frozen=True, slots=True)
class _Frame:
    minute: int
    places: Mapping[Key, int]
    fields: Sequence[Words]


class Minutes:
    """The samples of one Brimline; `measures` says which metric is which."""

    def __init__(self, writer: Writer, reader: Reader, measures: Mapping[Metric, Measure], room: int) -> None:
        self._writer, self._reader, self._measures = writer, reader, measures
        self._hours = Hours(room)
        self._minute = 0
        self._runs: dict[tuple[Measure, int], _Run] = {}
        self._frames: deque[_Frame] = deque(maxlen=MINUTES)
        writer.opened.append(self._hours.forget)

    def load(self, wall: float) -> None:
        """Take over the last hour of an earlier life."""
        try:
            rows = self._reader.rows("SELECT id, kind, name, labels FROM series")
            names: dict[int, Key] = {series: (kind, name, labels_of(labels)) for series, kind, name, labels in rows}
            minutes = self._reader.rows(
                "SELECT minute, data FROM minutes WHERE minute > ? AND minute <= ? ORDER BY minute",
                (wall // _SECONDS - MINUTES, wall // _SECONDS),
            )
        except JournalError:
            return
        for minute, data in minutes:
            ids, *fields = unpack(data, FIELDS + 1)
            places = {names[series]: place for place, series in enumerate(ids) if series in names}
            self._frames.append(_Frame(minute, places, fields))

    def observe(self, snapshot: Snapshot) -> None:
        """Take a tick in."""
        minute = int(snapshot.at.wall // _SECONDS)
        if minute != self._minute:
            self._close()
            self._minute = minute
        measures, runs = self._measures, self._runs
        for report in snapshot.reports:
            for column in report.columns:
                measure = measures.get(column.metric)
                if measure is None or not column.subjects:
                    continue
                run = runs.get((measure, id(column.subjects)))
                if run is None:  # which keeps the tuple, so that its identity stays its own
                    run = runs[measure, id(column.subjects)] = _Run(measure, column.subjects)
                run.ticks.append(column.values)
                if len(run.ticks) >= _TOGETHER + measure:  # not all of them in the same tick
                    run.fold()

    def recent(self, subject: Subject) -> tuple[Sample, ...]:
        """Return the samples of the last hour, oldest first, whatever the incarnation."""
        key = (str(subject.kind), subject.name, subject.labels)
        return tuple(
            sample(frame.minute * _SECONDS, _SECONDS, [field[place] for field in frame.fields])
            for frame in tuple(self._frames)
            if (place := frame.places.get(key)) is not None
        )

    def hour(self) -> dict[Key, Trace]:
        """Return the last hour of everybody: cheaper than to ask for each, since columns are turned as a whole."""
        found: dict[Key, Trace] = {}
        for _, run in groupby(tuple(self._frames), key=lambda frame: id(frame.places)):
            frames = list(run)
            minutes = tuple([frame.minute for frame in frames])
            used, limit = (
                list(zip(*(frame.fields[measure * 3 + 2] for frame in frames), strict=True))
                for measure in (Measure.USED, Measure.LIMIT)
            )
            for key, place in frames[0].places.items():
                more = Trace(minutes, used[place], limit[place])
                known = found.get(key)
                found[key] = more if known is None else _joined(known, more)
        return found

    def save(self) -> None:
        """Write the minute that is under way: before the process ends."""
        self._close()

    def _close(self) -> None:
        runs, self._runs, minute = list(self._runs.values()), {}, self._minute
        if not runs:
            return
        if not self._writer.up:
            self._frames.append(_frame(minute, runs, self._frames))
            return

        def job(connection: sqlite3.Connection) -> None:
            frame = _frame(minute, runs, self._frames)
            self._frames.append(frame)
            self._hours.write(connection, minute, tuple(frame.places), frame.fields)

        self._writer.post(job)


def _joined(first: Trace, then: Trace) -> Trace:
    return Trace(first.minutes + then.minutes, first.used + then.used, first.limit + then.limit)


def _frame(minute: int, runs: Sequence[_Run], before: Sequence[_Frame]) -> _Frame:
    for run in runs:
        if run.ticks:
            run.fold()
    keys = {run_key: None for run in runs for run_key in _keys(run.subjects)}
    last = before[-1].places if before else {}
    places = last if list(last) == list(keys) else {key: place for place, key in enumerate(keys)}
    fields = [words([NOTHING]) * len(places) for _ in range(FIELDS)]
    for measure in Measure:
        mine = [run for run in runs if run.measure is measure]
        if len(mine) == 1 and len(mine[0].subjects) == len(places):
            least, total, greatest, count = mine[0].least, mine[0].total, mine[0].greatest, mine[0].count
            found = [pages(least), pages([one / count for one in total]), pages(greatest)]
        else:
            found = _merged(mine, places)
        fields[measure * 3 : measure * 3 + 3] = found
    return _Frame(minute, places, fields)


def _keys(subjects: Sequence[Subject]) -> list[Key]:
    return [(str(subject.kind), subject.name, subject.labels) for subject in subjects]


def _merged(runs: Sequence[_Run], places: Mapping[Key, int]) -> list[Words]:
    """Return least, average and greatest where a measure has several columns, or one that leaves subjects out."""
    least, average, greatest = ([-1.0] * len(places) for _ in range(3))
    counts = [0] * len(places)
    for run in runs:
        for key, low, total, high in zip(_keys(run.subjects), run.least, run.total, run.greatest, strict=True):
            place = places[key]
            before = counts[place]
            least[place] = min(low, least[place]) if before else low
            greatest[place] = max(high, greatest[place])
            average[place] = ((average[place] * before if before else 0.0) + total) / (before + run.count)
            counts[place] = before + run.count
    return [pages(least), pages(average), pages(greatest)]
