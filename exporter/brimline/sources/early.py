"""When to look again before the next tick: where the next level lies, how fast it comes, and the v1 alarm set on it.

Pure but for the alarms, which go through Watch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Protocol

from brimline.model import Subject
from brimline.sources.cgroup import ALERT_AT, RESTART_AT
from brimline.sources.watch import Watch

LEVELS: Final = (ALERT_AT, RESTART_AT)  # until a subject's own are known
_HALF_LIFE: Final = 1.0  # seconds after which a fill rate that was not seen again counts half
_SLOWEST: Final = 1e-4  # of the limit a second: half an hour from a level to the next
_LOOKS_BEFORE: Final = 2.0  # look again after half of the time that is left: a leak may get steeper
_MOVED: Final = 0.02  # an alarm follows the page cache when that moved by this share of the limit


class LevelsInForce(Protocol):
    """The levels that each subject is judged by."""

    @property
    def version(self) -> int:
        """Return a number that moves whenever the levels of any subject may have changed."""
        ...

    def of(self, subject: Subject) -> tuple[float, float]:
        """Return a subject's alert and restart levels."""
        ...


def level_of(ratio: float, levels: tuple[float, float]) -> int:
    """Return how many levels the ratio is above."""
    return sum(ratio > level for level in levels)


class Fill:
    """How fast one cgroup fills, and so when to look at it again before it reaches one of its levels."""

    __slots__ = ("_at", "_ratio", "levels", "rate")

    def __init__(self) -> None:
        self._at = self._ratio = 0.0
        self.levels: tuple[float, float] = LEVELS
        self.rate = 0.0  # share of the limit a second

    def note(self, ratio: float, mono: float) -> None:
        """Take in a reading that changed."""
        if self._at and mono > self._at:
            self.rate = max((ratio - self._ratio) / (mono - self._at), self._faded(mono))
        self._at, self._ratio = mono, ratio

    def seconds_to_next_level(self, mono: float) -> float | None:
        """Return when to look again so that the next level, at last the limit, is not overrun; None: not filling."""
        rate = self._faded(mono)
        if rate < _SLOWEST:
            self.rate = 0.0
            return None
        ahead = min((level for level in (*self.levels, 1.0) if level > self._ratio), default=None)
        return None if ahead is None else (ahead - self._ratio) / rate / _LOOKS_BEFORE

    def _faded(self, mono: float) -> float:
        return self.rate * math.exp2((self._at - mono) / _HALF_LIFE)


class Thresholds:
    """The v1 eventfds on memory.usage_in_bytes at which the next levels of one cgroup are crossed.

    The kernel compares usage, which holds droppable cache; so the alarm stands at level + what is droppable now, and
    where that is beyond the limit (the cache gives way first) there is none and the fill rate must do.
    """

    __slots__ = ("_armed", "_directory", "_ready", "_watch", "refused")

    def __init__(self, watch: Watch, directory: str, ready: Callable[[], None]) -> None:
        self._watch = watch
        self._directory = directory
        self._ready = ready
        self._armed: dict[float, tuple[int, int]] = {}  # level -> (bytes, eventfd)
        self.refused = False

    def arm(self, levels: tuple[float, float], *, limit: int, room: int, swap: int, droppable: int) -> None:
        """Set the alarms for the state just read; other levels than before ask for `disarm` first."""
        for level in levels:
            wanted = int(level * (limit + room)) - swap + droppable
            at, event = self._armed.get(level, (0, None))
            if event is not None and abs(wanted - at) <= _MOVED * limit:
                continue
            self._watch.forget_event(event)
            self._armed.pop(level, None)
            if not 0 < wanted < limit or self.refused:
                continue
            event = self._watch.on_event(self._directory, "memory.usage_in_bytes", str(wanted), self._ready)
            if event is None:
                self.refused = True
            else:
                self._armed[level] = (wanted, event)

    def disarm(self) -> None:
        """Take all alarms back."""
        for _, event in self._armed.values():
            self._watch.forget_event(event)
        self._armed.clear()
