"""The steepest lane of the forecast: a rise that kills within seconds, followed from sample to sample. Pure.

It never says much more than it has seen: the rise must have lasted twice as long as what is left of it.
"""

from __future__ import annotations

from typing import Final

SLOWEST: Final = 0.0005  # of the ceiling a second: half an hour from empty to full is no steep rise
STEPS: Final = 4
LEAST_RISE: Final = 0.05  # of the ceiling
LARGEST_STEP: Final = 0.5  # of the rise: a model comes in one step
SECOND_HALF: Final = 0.5  # of the whole slope: what gets slower is coming to its end
EVIDENCE: Final = 2.0  # how much longer it has lasted than what is left of it


class Ramp:
    """One steep rise, in shares of the ceiling: its beginning, its middle, its largest step."""

    __slots__ = ("_at", "_began", "_level", "_middle", "_middle_at", "_peak", "_start", "_step", "_steps")

    def __init__(self, level: float, now: float, peak: float) -> None:
        self._begin(level, now, peak)

    def _begin(self, level: float, now: float, peak: float) -> None:
        self._start = self._middle = self._level = level
        self._began = self._middle_at = self._at = now
        self._peak = peak
        self._step = 0.0
        self._steps = 0

    def follow(self, level: float, now: float, peak: float) -> float | None:
        """Take in a sample and return the seconds left; `peak`: the highest before it since the start."""
        step, seconds = level - self._level, now - self._at
        if step < SLOWEST * seconds and not self._steps:  # nothing rises: the common case
            self._start = self._middle = self._level = level
            self._began = self._middle_at = self._at = now
            self._peak = peak
            return None
        return self._rise(step, seconds, peak) if seconds > 0.0 else None

    def _rise(self, step: float, seconds: float, peak: float) -> float | None:
        self._level, self._at = level, now = self._level + step, self._at + seconds
        self._step = max(self._step, step)
        self._steps += 1
        rise, lasted = level - self._start, now - self._began
        slope = rise / lasted
        recent = (level - self._middle) / (now - self._middle_at)
        if slope < SLOWEST or min(recent, step / seconds) < SECOND_HALF * slope:
            self._begin(level, now, peak)
            return None
        if now - self._middle_at >= 2 * (self._middle_at - self._began):
            self._middle, self._middle_at = level, now
        if self._steps < STEPS or rise < LEAST_RISE or self._step > LARGEST_STEP * rise or level <= self._peak:
            return None
        left = (1.0 - level) / min(slope, recent)
        return left if 0.0 < left * EVIDENCE <= lasted else None
