"""When a subject reaches its limit, by the lower envelope of its memory; None where nothing leaks. Pure.

A leak lifts, again and again, the floor that requests and recycled workers fall back to; a load, a warm-up or a filling
cache lifts it once. Every gate refuses a healthy shape: docs/forecast.md says which.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from brimline.rules.forecast_fast import Ramp

START_PERIOD: Final = 120.0
LIMIT_CHANGED: Final = 0.05  # the host's free swap is in the ceiling and moves by itself
DROPPED: Final = 0.3  # of the floor before
NEW_PEAK: Final = 0.01  # of the ceiling: what repeats reaches its old peak again and a little more
PAIRS_RISING: Final = 0.75
LARGEST_STEP: Final = 0.5  # of the rise
SECOND_HALF: Final = 0.5  # of the whole slope
EASED: Final = 0.5  # of two gates once it leaks: a leak that pauses for a bin is still one
SURPRISE: Final = 1.25  # the burst that kills is larger than any before it
NOTHING: Final = float("inf"), float("-inf")  # the least and the most of no samples
_GOLDEN: Final = 0.618034  # spreads the bins' ends: a thousand subjects are not judged in one tick


@dataclass(frozen=True, slots=True)
class Lane:
    """An envelope: its bins, and what is told of them."""

    seconds: float  # a bin
    bins: int
    needed: int  # bins before it says anything
    least_rise: float  # of the ceiling, over the bins
    first_half: float  # of the whole slope: a rise that has just begun is a batch, not yet a leak
    shortest: float  # seconds: it cannot tell less apart
    longest: float  # seconds: what is further away is no news


STEEP: Final = Lane(15.0, bins=8, needed=6, least_rise=0.05, first_half=0.0, shortest=60.0, longest=600.0)
SLOW: Final = Lane(300.0, bins=12, needed=12, least_rise=0.02, first_half=0.5, shortest=300.0, longest=21_600.0)
# For a saw-tooth longer than 5 min (recycled workers), in which no bin of SLOW has the floor.
LONG: Final = Lane(1800.0, bins=8, needed=8, least_rise=0.05, first_half=0.5, shortest=300.0, longest=21_600.0)
LANES: Final = (STEEP, SLOW, LONG)


class Envelope:
    """The floors and tips of one subject's last bins in one lane, in shares of its ceiling."""

    __slots__ = ("_before", "_burst", "_floors", "_tips", "deadline", "ends", "high", "low")

    def __init__(self, ends: float) -> None:
        self._floors, self._tips = array("f"), array("f")
        self._before = 0.0  # the highest tip that is no longer in the bins
        self._burst = 0.0  # the largest tip over its floor
        self.ends = ends
        self.low, self.high = NOTHING
        self.deadline: float | None = None

    def close(self, lane: Lane, now: float) -> None:
        """End the current bin, judge anew and begin the next; a bin that nobody saw repeats the one before it."""
        floors, tips = self._floors, self._tips
        missed = int((now - self.ends) // lane.seconds)
        if floors and self.low < (1.0 - DROPPED) * floors[-1]:
            self._before = max(self._before, self.high, *tips)
            self._burst, self.high = 0.0, self.low  # the tip belongs to the history that ends here
            del floors[:], tips[:]
        floors.extend(floors[-1:] * min(missed, lane.bins))
        tips.extend(tips[-1:] * min(missed, lane.bins))
        floors.append(self.low)
        tips.append(self.high)
        if (spare := len(floors) - lane.bins) > 0:
            self._before = max(self._before, *tips[:spare])
            del floors[:spare], tips[:spare]
        self._burst = max(self._burst, self.high - self.low)
        self.low, self.high = NOTHING
        self.ends += lane.seconds * (1 + missed)
        left = self._judge(lane)
        self.deadline = None if left is None else now + max(left, lane.shortest)

    def _judge(self, lane: Lane) -> float | None:
        """Return the seconds left."""
        floors, half = self._floors, len(self._floors) // 2
        ease = 1.0 if self.deadline is None else EASED
        if len(floors) < lane.needed or floors[-1] - floors[0] < ease * lane.least_rise:
            return None
        slopes = _slopes(floors)
        slope = _median(slopes)
        if slope <= 0.0 or _median(_slopes(floors[half:])) < ease * SECOND_HALF * slope:
            return None
        if self.deadline is None and not self._begins(lane, slopes, slope):
            return None
        tip = floors[-1] + slope + SURPRISE * max(0.0, self._burst - slope)  # the last floor is a bin old
        left = (1.0 - tip) / slope * lane.seconds
        return left if left <= lane.longest else None

    def _begins(self, lane: Lane, slopes: list[float], slope: float) -> bool:
        """Tell whether this is the beginning of a leak; for it to go on less is asked."""
        floors = self._floors
        return (
            max(self._tips) > self._before + NEW_PEAK
            and max(b - a for a, b in pairwise(floors)) <= LARGEST_STEP * (floors[-1] - floors[0])
            and sum(s > 0.0 for s in slopes) >= PAIRS_RISING * len(slopes)
            and _median(_slopes(floors[: len(floors) // 2])) >= lane.first_half * slope
        )


def _slopes(floors: array[float]) -> list[float]:
    """Return the slope a bin of every pair of floors, the later against the earlier."""
    return [(floors[j] - floors[i]) / (j - i) for j in range(1, len(floors)) for i in range(j)]


def _median(values: list[float]) -> float:
    """Return the middle; without `statistics`, which would bring decimal, fractions and random along."""
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


class _History:
    """What is remembered of one subject."""

    __slots__ = ("age", "ceiling", "deadline", "envelopes", "peak", "ramp", "steep")

    def __init__(self, level: float, now: float, ceiling: float, age: float, phase: float) -> None:
        self.age = age
        self.ceiling = ceiling
        self.peak = level
        self.ramp = Ramp(level, now, level)
        self.envelopes = tuple(Envelope(now + lane.seconds * (1.0 + phase)) for lane in LANES)
        self.steep = self.envelopes[0]
        self.deadline: float | None = None

    def close(self, now: float) -> None:
        """End the bins that are due, the fine ones into the coarse ones."""
        for i, lane in enumerate(LANES):
            envelope = self.envelopes[i]
            if now < envelope.ends:
                break
            for coarser in self.envelopes[i + 1 : i + 2]:
                coarser.low, coarser.high = min(coarser.low, envelope.low), max(coarser.high, envelope.high)
            envelope.close(lane, now)
        self.deadline = min((e.deadline for e in self.envelopes if e.deadline is not None), default=None)


class Forecast:
    """The time to the limit of every subject it is shown; each costs less than 2 KB."""

    def __init__(self) -> None:
        self._histories: dict[str, _History] = {}
        self._phase = 0.0

    def observe(  # noqa: PLR0913, PLR0917 - called a thousand times a tick
        self, uid: str, now: float, used: float, swap: float, ceiling: float, age: float, start: float = START_PERIOD
    ) -> float | None:
        """Take in one subject's memory and return the seconds until it is at its ceiling (limit + swap room).

        `age` is the time since its start and `start` how much of that it is not judged for.
        """
        history = self._histories.get(uid)
        level = (used + swap) / ceiling
        if history is None or age < history.age - 1.0 or abs(ceiling - history.ceiling) > LIMIT_CHANGED * ceiling:
            self._begin(uid, now, level, ceiling, age, start)
            return None
        history.age = age
        steep = history.steep
        if level < steep.low:  # noqa: PLR1730 - min() costs three times as much, here and below
            steep.low = level
        if level > steep.high:  # noqa: PLR1730
            steep.high = level
        left = history.ramp.follow(level, now, history.peak)
        if level > history.peak:  # noqa: PLR1730
            history.peak = level
        if now >= steep.ends:
            history.close(now)
        if history.deadline is None:
            return left
        until = max(history.deadline - now, STEEP.shortest)
        return until if left is None else min(left, until)

    def _begin(self, uid: str, now: float, level: float, ceiling: float, age: float, start: float) -> None:  # noqa: PLR0913, PLR0917
        self._histories.pop(uid, None)
        if age >= start:
            self._phase = (self._phase + _GOLDEN) % 1.0
            self._histories[uid] = _History(level, now, ceiling, age, self._phase)

    def retain(self, uids: Collection[str]) -> None:
        """Forget every other subject."""
        for uid in self._histories.keys() - uids:
            del self._histories[uid]
