"""The last samples of the measures that some rule's window needs, one array of doubles a sample for all subjects. Pure.

Bounded: subjects x 8 bytes x samples, and never more than MOST samples however often a tick comes early. A column that
did not change is the array before it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from math import nan
from typing import Final

from brimline.model import Metric, MetricKind
from brimline.rules.terms import Func
from brimline.rules.windows import reduce

MOST: Final = 8192  # samples of one measure: an hour of one a second with room to spare
_SLACK: Final = 64  # samples beyond the window before the oldest are dropped together

Part = tuple[Sequence[int], Sequence[float]]  # rows and their values


class Ring:
    """One measure's samples of all rows; no number (NaN) where a row has none."""

    def __init__(self, window: int, *, counter: bool, most: int = MOST) -> None:
        self.window = window
        self.times: list[int] = []
        self.frames: list[array[float]] = []
        self.odd: dict[int, int] = {}  # row -> when it last appeared, was lost or (a counter) fell
        self._counter = counter
        self._spacing = window // most

    def record(self, at: int, parts: Iterable[Part], rows: int) -> None:
        """Take in one sample of each row that has one; `rows` is how many there are."""
        if self.times and at - self.times[-1] < max(self._spacing, 1):
            return
        frame = array("d", [nan]) * rows
        for places, values in parts:
            for row, value in zip(places, values, strict=True):
                frame[row] = value
        if self.frames:
            frame = self._compared(at, self.frames[-1], frame)
        self.times.append(at)
        self.frames.append(frame)
        self._trim(at)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return which samples lie in (start, end], as two indices."""
        return bisect_right(self.times, start), bisect_right(self.times, end)

    def value(self, func: Func, row: int, start: int, end: int) -> float | None:
        """Return the function over one row's samples in (start, end], exactly as Prometheus 3."""
        low, high = self.span(start, end)
        frames, times = self.frames[low:high], self.times[low:high]
        try:
            values = [frame[row] for frame in frames]
        except IndexError:  # frames older than the row
            held = [(at, frame) for at, frame in zip(times, frames, strict=True) if row < len(frame)]
            times, values = [at for at, _ in held], [frame[row] for _, frame in held]
        if self.odd.get(row, start) > start or (values and values[0] != values[0]):
            known = [(at, value) for at, value in zip(times, values, strict=True) if value == value]  # noqa: PLR0124 - no NaN
            times, values = [at for at, _ in known], [value for _, value in known]
        return reduce(func, times, values, start, end)

    def now(self, start: int) -> Sequence[float]:
        """Return the latest sample of each row, nothing where it is not after `start`."""
        return self.frames[-1] if self.times and self.times[-1] > start else ()

    def odd_since(self, start: int) -> list[int]:
        """Return the rows that appeared, were lost or fell after `start`."""
        return [row for row, at in self.odd.items() if at > start]

    def _compared(self, at: int, before: array[float], frame: array[float]) -> array[float]:
        """Note what is odd in the new frame; return the old one where nothing changed."""
        if len(before) < len(frame):
            before = before + array("d", [nan]) * (len(frame) - len(before))
        elif before.tobytes() == frame.tobytes():
            return before
        if self._counter:
            odd = [row for row, (old, new) in enumerate(zip(before, frame, strict=True)) if not new >= old]
            odd = [row for row in odd if before[row] == before[row] or frame[row] == frame[row]]
        else:
            pairs = enumerate(zip(before, frame, strict=True))
            odd = [row for row, (old, new) in pairs if (old != old) is not (new != new)]  # noqa: PLR0124 - NaN
        for row in odd:
            self.odd[row] = at
        return frame

    def _trim(self, at: int) -> None:
        over = bisect_right(self.times, at - self.window)
        if over > _SLACK or over == len(self.times):
            del self.times[:over], self.frames[:over]
            oldest = self.times[0] if self.times else at
            self.odd = {row: moment for row, moment in self.odd.items() if moment > oldest}


class History:
    """The rings: one per measure with a window, as long as its longest."""

    def __init__(self, most: int = MOST) -> None:
        self.rings: dict[Metric, Ring] = {}
        self._most = most

    def need(self, windows: Mapping[Metric, int]) -> None:
        """Keep these measures so many milliseconds back; what is already remembered of them stays."""
        rings = {}
        for metric, window in windows.items():
            rings[metric] = ring = Ring(window, counter=metric.kind is MetricKind.COUNTER, most=self._most)
            if (old := self.rings.get(metric)) is not None:
                ring.times, ring.frames, ring.odd = old.times, old.frames, old.odd
        self.rings = rings
