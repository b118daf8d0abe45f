"""Where a value stands in a picture, and which round values its axes are marked at. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Final

_BYTE_STEPS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 250, 500)  # of a unit
_HOUR: Final = 3600
_TIME_STEPS: Final = (60, 300, 600, 1800, _HOUR, 2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, 24 * _HOUR)
_MOST: Final = 10  # marks of an axis


@dataclass(frozen=True, slots=True)
class Axes:
    """A picture of `width` by `height`: time from the left to the right, bytes from the bottom up to `top`."""

    began: float
    ended: float
    top: float
    width: int
    height: int

    left: int = 84
    above: int = 56

    @property
    def right(self) -> int:
        """Return where the curves end."""
        return self.width - 20

    @property
    def bottom(self) -> int:
        """Return where 0 is."""
        return self.height - 58

    def x(self, at: float) -> float:
        """Return where a moment is; one outside stands at the edge."""
        share = (at - self.began) / max(self.ended - self.began, 1.0)
        return round(self.left + min(max(share, 0.0), 1.0) * (self.right - self.left), 1)

    def y(self, value: float) -> float:
        """Return where a value is; one above the picture stands at its upper edge."""
        share = min(max(value / self.top, 0.0), 1.0)
        return round(self.bottom - share * (self.bottom - self.above), 1)


def byte_ticks(top: float) -> list[float]:
    """Return 0 and up to six round sizes."""
    steps = (float(step << (10 * unit)) for unit in range(6) for step in _BYTE_STEPS)
    step = next((step for step in steps if top / step <= 6), top)  # noqa: PLR2004 - more are hard to read
    return list(takewhile(lambda value: value <= top, (step * number for number in count())))


def time_ticks(began: float, ended: float, midnight: Callable[[float], bool]) -> Iterator[tuple[float, str]]:
    """Yield round moments, each with how it is written: the date where a day begins, else the time of day."""
    step = next((s for s in _TIME_STEPS if (ended - began) / s <= _MOST), _TIME_STEPS[-1])
    first = -(-began // step) * step
    for at in takewhile(lambda at: at <= ended, (first + number * step for number in count())):
        yield at, "%b %d" if midnight(at) else "%H:%M"
