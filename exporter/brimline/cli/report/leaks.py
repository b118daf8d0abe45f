"""Leaks in the samples of the past: the gates of the forecast, and what only hindsight knows, how they ended. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from brimline.journal.history import Sample, Spread
from brimline.rules.forecast import DROPPED, LIMIT_CHANGED, LONG, SLOW, Envelope, Lane

_WEEK: Final = 7 * 86_400.0
# Samples are a minute apart: the lanes of seconds see nothing in them. A report looks further ahead than an alert.
_LANES: Final = (SLOW, replace(LONG, longest=_WEEK))
_FLOORS: Final = 60  # of which the slope is taken at most
_FLOOR_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Leak:
    """One stretch in which the floor kept rising, until it fell at once or the samples end."""

    began: float  # wall time of the first floor it was told by
    ended: float  # of the last
    slope: float  # bytes a second
    left: float | None  # seconds from its end to the limit; None: it fell back
    floor: int  # bytes, at its end
    limit: int


class _Known(NamedTuple):
    sample: Sample
    used: Spread
    limit: int


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Places among the samples, the last included; `over`: it fell, and did not only stop rising."""

    first: int
    last: int
    over: bool


class _Watch:
    """The envelopes of one life of a subject."""

    def __init__(self, at: float, limit: int) -> None:
        self.limit = limit
        self._at = at  # the last sample
        self._lanes = [(lane, Envelope(at + lane.seconds)) for lane in _LANES]

    def is_over(self, known: _Known, starts: Sequence[float]) -> bool:
        """Tell whether this sample is of another life: after a start, or under another limit."""
        changed = abs(known.limit - self.limit) > LIMIT_CHANGED * self.limit
        return changed or any(self._at < start <= known.sample.at for start in starts)

    def take(self, known: _Known) -> Lane | None:
        """Take a sample in; return the lane that sees a leak now."""
        self._at = known.sample.at
        ends = known.sample.at + known.sample.seconds
        for lane, envelope in self._lanes:
            envelope.low = min(envelope.low, known.used.least / self.limit)
            envelope.high = max(envelope.high, known.used.greatest / self.limit)
            if ends >= envelope.ends:
                envelope.close(lane, ends)
        return next((lane for lane, envelope in self._lanes if envelope.deadline is not None), None)


def leaks(samples: Sequence[Sample], starts: Sequence[float] = ()) -> tuple[Leak, ...]:
    """Return the leaks, oldest first. What stopped rising by itself, as a cache or the daily rhythm does, was none.

    `starts` are the moments at which it was started anew: its history begins anew there too.
    """
    known = [_Known(s, s.used, s.limit.greatest) for s in samples if s.used and s.limit and s.limit.greatest]
    joined: list[_Stretch] = []
    for stretch in _stretches(known, starts):
        if joined and stretch.first <= joined[-1].last:  # a pause of one bin
            joined[-1] = replace(stretch, first=joined[-1].first)
        else:
            joined.append(stretch)
    ends = len(known) - 1
    return tuple(_leak(known[s.first : s.last + 1], over=s.over) for s in joined if s.over or s.last == ends)


def _stretches(known: Sequence[_Known], starts: Sequence[float]) -> Iterator[_Stretch]:
    watch: _Watch | None = None
    begin, first, leaking = 0, 0, None
    for place, one in enumerate(known):
        if watch is None or watch.is_over(one, starts):
            if leaking is not None:
                yield _Stretch(first, place - 1, over=True)
            watch, begin, leaking = _Watch(one.sample.at, one.limit), place, None
        lane = watch.take(one)
        if lane is not None and leaking is None:
            first = max(begin, _back(known, place, lane.bins * lane.seconds))
        elif leaking is not None and lane is None:
            yield _ended(known, first, place, leaking)
        leaking = lane
    if leaking is not None:
        yield _Stretch(first, len(known) - 1, over=False)


def _back(known: Sequence[_Known], place: int, seconds: float) -> int:
    """Return the first place within so many seconds before one."""
    at = known[place].sample.at - seconds
    while place and known[place - 1].sample.at >= at:
        place -= 1
    return place


def _ended(known: Sequence[_Known], first: int, place: int, lane: Lane) -> _Stretch:
    """Say how a leak ended: where its floor fell by a third within a bin, the leak ended at the tip before that."""
    recent = _back(known, place, lane.seconds)
    before = max(first, _back(known, recent, lane.seconds))
    floor = min((one.used.least for one in known[before:recent]), default=0)
    if min(one.used.least for one in known[recent : place + 1]) >= (1 - DROPPED) * floor:
        return _Stretch(first, place, over=False)
    tip = max(range(before, place + 1), key=lambda at: known[at].used.average)
    return _Stretch(first, tip, over=True)


def _leak(part: Sequence[_Known], *, over: bool) -> Leak:
    floors = _floors(part)
    slope, floor = _slope(floors), floors[-1][1]
    last = part[-1]
    left = None if over or slope <= 0.0 else max(0.0, last.limit - floor) / slope
    return Leak(part[0].sample.at, last.sample.at + last.sample.seconds, slope, left, floor, last.limit)


def _floors(part: Sequence[_Known]) -> list[tuple[float, int]]:
    """Return the least of every few minutes, at most so many."""
    begin = part[0].sample.at
    width = max(_FLOOR_SECONDS, (part[-1].sample.at - begin) // _FLOORS + 1)
    floors: dict[int, int] = {}
    for one in part:
        number = int((one.sample.at - begin) // width)
        floors[number] = min(floors.get(number, one.used.least), one.used.least)
    return [(begin + number * width, floor) for number, floor in sorted(floors.items())]


def _slope(floors: Sequence[tuple[float, int]]) -> float:
    """Return the median slope of all pairs, which no single step moves."""
    slopes = sorted(
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for place, later in enumerate(floors)
        for earlier in floors[:place]
    )
    return slopes[len(slopes) // 2] if slopes else 0.0
