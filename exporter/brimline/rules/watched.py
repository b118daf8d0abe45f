"""What is remembered between ticks of who is judged: when it began, whether it was healthy, where it stood. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from brimline.errors import UnitError
from brimline.model import Column, Container, Now, Subject
from brimline.rules.alongside import Subjects
from brimline.rules.diagnosis import DIAGNOSES
from brimline.units import parse_duration

START_LABEL: Final = "brimline.start-period"

NEVER_HEALTHY: Final = 10  # start periods after which one that was never healthy is judged all the same
EARLY: Final = 60.0  # seconds after the start period: judged so soon, it was judged from its start
SETTLED: Final = 300.0  # seconds above the level until that counts as where it stands
SETTLED_LATE: Final = 3600.0  # of one that began before it was watched: what crept up would have moved meanwhile
RATE_SECONDS: Final = 10.0  # between two looks at a counter


class Base:
    """The subjects of one column of ratios, and what follows from who they are."""

    def __init__(self, subjects: Subjects) -> None:
        self.subjects = subjects
        self.kind = subjects[0].kind
        self.uids = [subject.uid for subject in subjects]
        self.repeated = tuple(subject for subject in subjects for _ in DIAGNOSES)
        self.names = tuple((name,) for name in DIAGNOSES) * len(subjects)
        self.starts: Sequence[float] = ()
        self.health: Sequence[str] = ()  # as the engine says it; "" without a health check
        self._containers: Mapping[Subject, Container] | None = None
        self._levels: Sequence[float] = ()
        self._told: Sequence[Column] = ()

    def follow(self, containers: Mapping[Subject, Container], start_period: float) -> None:
        """Take each one's own start period from its labels, and what its health check says."""
        if containers is not self._containers:
            self._containers = containers
            found = [containers.get(subject) for subject in self.subjects]
            self.starts = [start_period_of(c.labels, start_period) if c else start_period for c in found]
            self.health = [c.health if c else "" for c in found]

    def levels(self, told: Sequence[Column], default: float) -> Sequence[float]:
        """Return the level at which each one alerts, which its source serves."""
        same = len(told) == len(self._told) and all(
            new.subjects is old.subjects and new.values == old.values for new, old in zip(told, self._told, strict=True)
        )
        if not self._levels or not same:
            found = dict.fromkeys(self.uids, default)
            for column in told:
                rows = zip(column.subjects, column.extra or (), column.values, strict=True)
                found.update((s.uid, v) for s, (name,), v in rows if name == "alert" and s.uid in found)
            self._levels, self._told = list(found.values()), told
        return self._levels


def start_period_of(labels: Mapping[str, str], default: float) -> float:
    """Return the start period that a container's labels ask for."""
    try:
        return parse_duration(labels[START_LABEL].strip()) if START_LABEL in labels else default
    except UnitError:
        return default


class Watched:
    """One incarnation."""

    __slots__ = ("_began", "_healthy", "_judged", "_lowest", "_settles", "_started", "highest")

    def __init__(self, mono: float) -> None:
        self._began = mono  # by the clock that never jumps
        self._started: float | None = None
        self._healthy = False
        self._judged: float | None = None  # since when
        self._settles = 0.0
        self._lowest: float | None = None  # None: it has been at or below the level
        self.highest = 0.0

    def age(self, now: Now, started: float | None) -> float:
        """Return the seconds since its start; where that is not told, since it was first seen."""
        if started is not None and started != self._started:
            self._started, self._began = started, now.mono - max(0.0, now.wall - started)
            self._judged = None
        return now.mono - self._began

    def waits(self, age: float, start: float, health: str) -> bool:
        """Tell whether its start period goes on: until it was healthy once; without a health check, for a time."""
        if health == "healthy":
            self._healthy = True
        return not self._healthy and age < (NEVER_HEALTHY * start if health else start)

    def stand(self, mono: float, ratio: float, level: float, *, late: float) -> None:
        """Note where it stands; `late`: how long after its start period this is."""
        if self._judged is None:
            self._judged = mono
            self._settles = mono + (SETTLED if late <= EARLY else SETTLED_LATE)
            self._lowest = self.highest = ratio
        if self._lowest is None:
            return
        if ratio <= level:
            self._lowest = None
        elif ratio < self._lowest:
            self._lowest = ratio
        elif ratio > self.highest:
            self.highest = ratio

    def settled(self, mono: float) -> float | None:
        """Return the lowest it stood at if it was above the level all the time and long enough."""
        return self._lowest if self._judged is not None and mono >= self._settles else None

    def since(self, mono: float) -> float:
        """Return for how many seconds it has been judged."""
        return 0.0 if self._judged is None else mono - self._judged


class Rates:
    """How fast one counter rises for each incarnation, looked at every few seconds."""

    def __init__(self) -> None:
        self._at = float("-inf")
        self._last: Mapping[str, tuple[float, float]] = {}  # uid -> (when, how much)
        self._rates: dict[str, float] = {}

    def due(self, mono: float) -> bool:
        """Tell whether it is time to look again; then `look` must follow for all subjects at once."""
        return mono - self._at >= RATE_SECONDS

    def look(self, mono: float, counts: Mapping[str, float]) -> None:
        """Take in the counter of every incarnation."""
        known, self._at = self._last, mono
        self._rates = {
            uid: max(0.0, count - known[uid][1]) / (mono - known[uid][0])
            for uid, count in counts.items()
            if uid in known
        }
        self._last = {uid: (mono, count) for uid, count in counts.items()}

    def of(self, uids: Sequence[str]) -> Sequence[float | None]:
        """Return the rates a second; None where there is none yet."""
        return [self._rates.get(uid) for uid in uids] if self._rates else [None] * len(uids)


def keep(watched: dict[str, Watched], uids: Collection[str]) -> None:
    """Forget every other incarnation."""
    for uid in watched.keys() - uids:
        del watched[uid]
