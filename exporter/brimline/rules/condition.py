"""A rule's conditions, compiled: which rows they hold for, found in whole columns, and the truth for one row. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from brimline.model import Column, Kind, Metric, Now
from brimline.rules.history import History
from brimline.rules.machine import Truth, milliseconds
from brimline.rules.roll import Places
from brimline.rules.screens import ABOVE, SCANS, screen
from brimline.rules.sight import Sight
from brimline.rules.terms import Comparison, Condition, Op

HOLDS: Final[Mapping[Op, Callable[[float, float], bool]]] = MappingProxyType(
    {
        Op.GT: operator.gt,
        Op.GE: operator.ge,
        Op.LT: operator.lt,
        Op.LE: operator.le,
        Op.EQ: operator.eq,
        Op.NE: operator.ne,
    }
)


@dataclass(frozen=True, slots=True)
class Tick:
    """What the rules see in one tick."""

    sight: Sight
    history: History
    now: Now
    at: int  # milliseconds of the clock that never jumps


class Sieve:
    """One comparison on one kind; what it found this tick is kept for the other rules that write the same."""

    def __init__(self, kind: Kind, comparison: Comparison) -> None:
        operand = comparison.operand
        self.kind = kind
        self.metric = operand.measure.metric
        self.func = operand.func
        self.window = milliseconds(operand.window or 0.0)
        self._op = comparison.op
        self._threshold = comparison.threshold
        self._screen = None if operand.func is None else screen(operand.func, comparison.op)
        self._moment = -1
        self._hits: frozenset[int] = frozenset()
        self._read: tuple[Places, Column, int] | None = None
        self._values: dict[int, float] = {}  # of a window, by row, this tick

    def threshold(self, tick: Tick, row: int) -> float:
        """Return what the row's value is compared with."""
        return (
            tick.sight.level(self.kind, row, self._threshold) if isinstance(self._threshold, str) else self._threshold
        )

    def hits(self, tick: Tick) -> frozenset[int]:
        """Return the rows it holds for."""
        if self._moment != tick.at:
            self._moment, self._values = tick.at, {}
            self._hits = self._scan(tick) if self._screen is None else frozenset(self._sift(tick))
        return self._hits

    def value(self, tick: Tick, row: int) -> float | None:
        """Return the left side for one row; None where there is none."""
        if self.func is None:
            return tick.sight.value(self.kind, self.metric, row)
        if row not in self._values or self._moment != tick.at:
            value = tick.history.rings[self.metric].value(self.func, row, tick.at - self.window, tick.at)
            if value is None or self._moment != tick.at:
                return value
            self._values[row] = value
        return self._values[row]

    def truth(self, tick: Tick, row: int) -> Truth:
        """Return whether it holds for one row."""
        value = self.value(tick, row)
        missing = value is None if self.func is None else tick.sight.value(self.kind, self.metric, row) is None
        if missing and tick.sight.unknown(self.kind, self.metric, row):
            return Truth.UNKNOWN
        holds = value is not None and HOLDS[self._op](value, self.threshold(tick, row))
        return Truth.TRUE if holds else Truth.FALSE

    def _scan(self, tick: Tick) -> frozenset[int]:
        found = list(tick.sight.columns(self.kind, self.metric))
        if len(found) != 1:
            self._read = None
            return frozenset(row for places, column in found for row in self._of(tick, places, column.values))
        places, column = found[0]
        if self._read is not None and isinstance(column.values, tuple):
            old_places, old, version = self._read
            if old_places is places and old.values is column.values and version == tick.sight.levels_version:
                return self._hits
        self._read = (places, column, tick.sight.levels_version)
        return frozenset(self._of(tick, places, column.values))

    def _of(self, tick: Tick, places: Places, values: Sequence[float]) -> list[int]:
        if not isinstance(self._threshold, str):
            return SCANS[self._op](places.rows, values, self._threshold)
        levels, holds = tick.sight.levels(self.kind, places, self._threshold), HOLDS[self._op]
        return [row for row, value, level in zip(places.rows, values, levels, strict=True) if holds(value, level)]

    def _sift(self, tick: Tick) -> Iterable[int]:
        if self._screen is None:
            return
        ring, holds = tick.history.rings[self.metric], HOLDS[self._op]
        for row in self._screen.rows(ring, tick.at - self.window, tick.at, self._bound(tick)):
            value = self.value(tick, row)
            if value is not None and holds(value, self.threshold(tick, row)):
                gone = tick.sight.trouble and tick.sight.value(self.kind, self.metric, row) is None
                if not (gone and tick.sight.unknown(self.kind, self.metric, row)):
                    yield row

    def _bound(self, tick: Tick) -> float:
        if not isinstance(self._threshold, str):
            return self._threshold
        least, greatest = tick.sight.bounds(self.kind, self._threshold)
        return least if self._op in ABOVE else greatest


class Sieves:
    """The sieves of all rules: comparisons that are written alike are one."""

    def __init__(self) -> None:
        self._known: dict[tuple[Kind, Comparison], Sieve] = {}
        self._used: dict[tuple[Kind, Comparison], Sieve] = {}

    def sieve(self, kind: Kind, comparison: Comparison) -> Sieve:
        """Return the sieve of a comparison; one from before a reload keeps what it has read."""
        key = (kind, comparison)
        if key not in self._used:
            self._used[key] = self._known.get(key) or Sieve(kind, comparison)
        return self._used[key]

    def settle(self) -> None:
        """Forget the sieves that no rule of this loading asked for."""
        self._known, self._used = self._used, {}

    def all(self) -> Iterable[Sieve]:
        """Return every sieve in use."""
        return self._known.values()

    def kinds(self) -> dict[Metric, Kind]:
        """Return the measures that are remembered, and whose they are."""
        return {sieve.metric: sieve.kind for sieve in self._known.values() if sieve.func is not None}

    def windows(self) -> dict[Metric, int]:
        """Return how far back each measure is needed."""
        longest: dict[Metric, int] = {}
        for sieve in self._known.values():
            if sieve.func is not None:
                longest[sieve.metric] = max(sieve.window, longest.get(sieve.metric, 0))
        return longest


class Whether:
    """`when` and `clear` of one rule."""

    def __init__(self, sieves: Sieves, kind: Kind, when: Condition, stays: Sequence[Comparison]) -> None:
        self._alternatives = tuple(tuple(sieves.sieve(kind, one) for one in every) for every in when.alternatives)
        self._stays = tuple(sieves.sieve(kind, one) for one in stays)

    def hits(self, tick: Tick) -> dict[int, float]:
        """Return the rows `when` holds for, each with the value of the first comparison of what holds."""
        found: dict[int, float] = {}
        for alternative in self._alternatives:
            rows = alternative[0].hits(tick)
            for sieve in alternative[1:]:
                rows = rows and rows & sieve.hits(tick)
            for row in rows:
                if row not in found:
                    value = alternative[0].value(tick, row)
                    found[row] = 0.0 if value is None else value
        return found

    def miss(self, tick: Tick, row: int, *, firing: bool) -> tuple[Truth, float | None]:
        """Return what it means that `when` does not hold for the row, and the value to show."""
        first = self._alternatives[0][0]
        if tick.sight.trouble and self._unknown(tick, row):
            return Truth.UNKNOWN, None
        if firing and self._stays:
            truths = {sieve.truth(tick, row) for sieve in self._stays}
            if truths == {Truth.TRUE}:
                return Truth.HELD, first.value(tick, row)
            if Truth.FALSE not in truths:
                return Truth.UNKNOWN, None
        return Truth.FALSE, first.value(tick, row)

    def threshold(self, tick: Tick, row: int) -> float:
        """Return what the first comparison compares the row's value with."""
        return self._alternatives[0][0].threshold(tick, row)

    def _unknown(self, tick: Tick, row: int) -> bool:
        """Return whether some alternative is unknown: in a list, one comparison that is false decides."""
        for alternative in self._alternatives:
            truths = {sieve.truth(tick, row) for sieve in alternative}
            if Truth.FALSE not in truths and Truth.UNKNOWN in truths:
                return True
        return False
