"""Which rows a comparison over a window could hold for: never one too few, and few too many. Pure.

The exact function is then asked for those rows only; a screen reads each new sample once, in whole columns.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from types import MappingProxyType
from typing import Final, Protocol

from brimline.rules.history import Ring
from brimline.rules.terms import INVERSE, Func, Op
from brimline.rules.windows import factor

Scan = Callable[[Iterable[int], Sequence[float], float], list[int]]

SCANS: Final[Mapping[Op, Scan]] = MappingProxyType(
    {
        Op.GT: lambda rows, values, t: [r for r, v in zip(rows, values, strict=False) if v > t],
        Op.GE: lambda rows, values, t: [r for r, v in zip(rows, values, strict=False) if v >= t],
        Op.LT: lambda rows, values, t: [r for r, v in zip(rows, values, strict=False) if v < t],
        Op.LE: lambda rows, values, t: [r for r, v in zip(rows, values, strict=False) if v <= t],
        Op.EQ: lambda rows, values, t: [r for r, v in zip(rows, values, strict=False) if v == t],
        Op.NE: lambda rows, values, t: [r for r, v in zip(rows, values, strict=False) if v != t],
    }
)
ABOVE: Final = frozenset({Op.GT, Op.GE})
_SOME: Final = frozenset({(Func.MAX, Op.GT), (Func.MAX, Op.GE), (Func.MIN, Op.LT), (Func.MIN, Op.LE)})
_MARGIN: Final = 1e-9  # of the threshold: beyond any rounding


class Screen(Protocol):
    """What is asked once a tick."""

    def rows(self, ring: Ring, start: int, end: int, bound: float) -> Iterable[int]:
        """Return every row whose function over (start, end] may compare with `bound`."""
        ...


def screen(func: Func, op: Op) -> Screen:
    """Return the screen for a function and an operator."""
    if op in {Op.EQ, Op.NE}:
        return Anything()
    match func:
        case Func.INCREASE | Func.RATE:
            return Rise(op, per_second=func is Func.RATE)
        case Func.AVG:
            return Mean(op)
        case _:
            return Extreme(op, some=(func, op) in _SOME)


class Anything:
    """No screen: every row with a sample."""

    def rows(self, ring: Ring, start: int, end: int, bound: float) -> Iterable[int]:
        """Return every row that has a sample."""
        del end, bound
        known = {row for row, value in enumerate(ring.now(start)) if value == value}  # noqa: PLR0124 - no NaN
        return known.union(ring.odd_since(start))


class Rise:
    """The last sample less the first, times the most (or the least) the extrapolation can make of it."""

    def __init__(self, op: Op, *, per_second: bool) -> None:
        self._op = op
        self._per_second = per_second

    def rows(self, ring: Ring, start: int, end: int, bound: float) -> Iterable[int]:
        """Return the rows that rose far enough, and those with a gap or a reset."""
        low, high = ring.span(start, end)
        found = set(ring.odd_since(start))
        if high - low >= 2:  # noqa: PLR2004 - one sample has no slope
            per = (end - start) / 1000 if self._per_second else None
            clamp = None if self._op in ABOVE else 0.0
            scale = factor((ring.times[low], ring.times[high - 1]), high - low, (start, end), clamp, per)
            slack = abs(bound) * _MARGIN
            at = (bound - slack if self._op in ABOVE else bound + slack) / scale
            first, last = ring.frames[low], ring.frames[high - 1]
            if first is not last or SCANS[self._op]((0,), (0.0,), at):
                rises = [new - old for old, new in zip(first, last, strict=False)]
                found.update(SCANS[self._op](count(), rises, at))
        return found


class Extreme:
    """Rows by when a sample last decided: one that holds (some of them is enough), or one that does not (all must)."""

    def __init__(self, op: Op, *, some: bool) -> None:
        self._op = op
        self._some = some
        self._bound: float | None = None
        self._until = 0
        self._last: dict[int, int] = {}

    def rows(self, ring: Ring, start: int, end: int, bound: float) -> Iterable[int]:
        """Return the rows some sample of which holds, or no sample of which fails."""
        if bound != self._bound:
            self._bound, self._until, self._last = bound, start, {}
        self._read(ring, bound)
        self._last = {row: at for row, at in self._last.items() if at > start}
        if self._some:
            return self._last
        del end
        holding = SCANS[self._op](count(), ring.now(start), bound)
        return {*holding, *ring.odd_since(start)} - self._last.keys()

    def _read(self, ring: Ring, bound: float) -> None:
        decides = self._op if self._some else INVERSE[self._op]
        low, high = ring.span(self._until, ring.times[-1] if ring.times else self._until)
        before, hits = None, list[int]()
        for frame, at in zip(ring.frames[low:high], ring.times[low:high], strict=True):
            if frame is not before:
                hits = SCANS[decides](count(), frame, bound)
            self._last.update(dict.fromkeys(hits, at))
            before, self._until = frame, at


class Mean:
    """Running sums of the rows without gaps; a row near the threshold is let through, so no rounding error decides.

    Each tick a few rows are summed anew, so that rounding errors do not grow.
    """

    def __init__(self, op: Op) -> None:
        self._op = op
        self._inside: deque[tuple[int, array[float]]] = deque()
        self._sums: list[float] = []
        self._turn = 0
        self._largest = (0.0, 0.0)  # sums of this round and of the one before: rounding errors are of their size

    def rows(self, ring: Ring, start: int, end: int, bound: float) -> Iterable[int]:
        """Return the rows whose average is near the threshold or beyond it, and those with a gap."""
        self._move(ring, start, end)
        found = set(ring.odd_since(start))
        if self._inside:
            total = bound * len(self._inside)
            slack = (abs(total) + max(self._largest)) * _MARGIN
            at = total - slack if self._op in ABOVE else total + slack
            found.update(SCANS[self._op](count(), self._sums, at))
        return found

    def _move(self, ring: Ring, start: int, end: int) -> None:
        inside = self._inside
        while inside and inside[0][0] <= start:
            self._add(inside.popleft()[1], -1.0)
        low, high = ring.span(max(start, inside[-1][0] if inside else start), end)
        for at, frame in zip(ring.times[low:high], ring.frames[low:high], strict=True):
            inside.append((at, frame))
            self._add(frame, 1.0)
        self._renew()

    def _add(self, frame: array[float], sign: float) -> None:
        sums = self._sums
        if len(sums) < len(frame):
            sums += [0.0] * (len(frame) - len(sums))
        rest = sums[len(frame) :]
        new = [s + sign * v if v == v else s for s, v in zip(sums, frame, strict=False)]  # noqa: PLR0124 - no NaN
        self._sums = new + rest
        self._largest = (max(self._largest[0], max(new, default=0.0), -min(new, default=0.0)), self._largest[1])

    def _renew(self) -> None:
        if not self._inside:
            self._sums = []
            return
        step = len(self._sums) // len(self._inside) + 1
        for row in range(self._turn, min(self._turn + step, len(self._sums))):
            known = (frame[row] for _, frame in self._inside if row < len(frame))
            self._sums[row] = sum(value for value in known if value == value)  # noqa: PLR0124 - no NaN
        self._turn += step
        if self._turn >= len(self._sums):
            self._turn, self._largest = 0, (max(map(abs, self._sums), default=0.0), self._largest[0])
