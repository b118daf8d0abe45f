"""The numbers for which a comparison holds, as intervals: what lies in what, and what excludes what. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final, TypeAlias

from brimline.rules.terms import Op


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`; an end that is open does not belong to it."""

    low: float
    high: float
    low_open: bool = False
    high_open: bool = False

    @property
    def empty(self) -> bool:
        """Return whether no number lies in it."""
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))

    def __and__(self, other: Interval) -> Interval:
        """Return what lies in both."""
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, high_closed = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Interval(low, high, low_open, not high_closed)

    def __contains__(self, other: Interval) -> bool:
        """Return whether all of another interval lies in it."""
        return other.empty or (self & other) == other


Region: TypeAlias = tuple[Interval, ...]
NOT_NEGATIVE: Final = Interval(0.0, inf)
UP_TO_ONE: Final = Interval(0.0, 1.0)


def region(op: Op, threshold: float) -> Region:
    """Return where `x op threshold` holds."""
    match op:
        case Op.GT:
            return (Interval(threshold, inf, low_open=True),)
        case Op.GE:
            return (Interval(threshold, inf),)
        case Op.LT:
            return (Interval(-inf, threshold, high_open=True),)
        case Op.LE:
            return (Interval(-inf, threshold),)
        case Op.EQ:
            return (Interval(threshold, threshold),)
        case Op.NE:
            return (Interval(-inf, threshold, high_open=True), Interval(threshold, inf, low_open=True))


def both(one: Region, other: Region) -> Region:
    """Return what lies in both."""
    met = (a & b for a in one for b in other)
    return tuple(interval for interval in met if not interval.empty)


def within(inner: Region, outer: Region) -> bool:
    """Return whether all of `inner` lies in `outer`: each of its intervals in one of them."""
    return all(any(interval in whole for whole in outer) for interval in inner)
