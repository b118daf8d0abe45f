"""What `brimline top` shows and in which order: rows with their trend, and what each key does to the screen. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from brimline.model import Alert, Kind, Phase, Subject
from brimline.standing import Measures, Row, State, matches, qualified, rows
from brimline.units import format_bytes

TREND_SECONDS: Final = 60.0
_NOISE: Final = 1024.0  # bytes a second


class Order(StrEnum):
    """By what the rows are sorted; the first letter is its key."""

    STATE = "state"
    RATIO = "ratio"
    USED = "used"
    TREND = "trend"
    LEFT = "left"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Line:
    """One subject in one reading."""

    row: Row
    trend: float | None  # bytes a second; None: seen once
    left: float | None  # seconds to the limit, where it leaks
    trouble: str  # its diagnosis, unless it is well
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class Screen:
    """What a person chose to see."""

    order: Order = Order.STATE
    backwards: bool = False
    pattern: str = ""
    typing: bool = False  # keys go into the pattern
    alerts: bool = True
    over: bool = False

    def press(self, key: str) -> Screen:
        """Return the screen after a key."""
        return self._type(key) if self.typing else self._sort(key) or self._choose(key)

    def _sort(self, key: str) -> Screen | None:
        order = next((order for order in Order if order.value[0] == key), None)
        if order is None:
            return None
        return replace(self, order=order, backwards=order is self.order and not self.backwards)

    def _choose(self, key: str) -> Screen:
        match key:
            case "q" | "\x03" | "\x04":
                return replace(self, over=True)
            case "/":
                return replace(self, typing=True, pattern="")
            case "\x1b":
                return replace(self, pattern="")
            case "a":
                return replace(self, alerts=not self.alerts)
            case _:
                return self

    def _type(self, key: str) -> Screen:
        match key:
            case "\r" | "\n":
                return replace(self, typing=False)
            case "\x1b":
                return replace(self, typing=False, pattern="")
            case "\x7f" | "\b":
                return replace(self, pattern=self.pattern[:-1])
            case "\x03" | "\x04":
                return replace(self, over=True)
            case _:
                return replace(self, pattern=self.pattern + key) if key.isprintable() else self


class Trends:
    """How fast each subject's memory moved within the last minute."""

    def __init__(self) -> None:
        self._seen: dict[Subject, deque[tuple[float, float]]] = {}

    def look(self, at: float, found: Sequence[Row]) -> dict[Subject, float]:
        """Take a reading in; return bytes a second of all that were seen before."""
        kept = {}
        for row in found:
            if row.used is not None:
                seen = self._seen.get(row.subject, deque())
                seen.append((at, row.used))
                while seen[0][0] < at - TREND_SECONDS:
                    seen.popleft()
                kept[row.subject] = seen
        self._seen = kept
        return {s: (v[-1][1] - v[0][1]) / (v[-1][0] - v[0][0]) for s, v in kept.items() if v[-1][0] > v[0][0]}


def lines(measures: Measures, trends: Mapping[Subject, float]) -> list[Line]:
    """Return a line a subject, the worst first."""
    found = []
    for row in rows(measures):
        trouble = measures.trouble(row.subject)
        left = measures.get(row.subject, "memory_time_to_limit_seconds")
        alerts = tuple(measures.alerts_of(row.subject))
        found.append(Line(row, trends.get(row.subject), left, "" if trouble is None else trouble.name, alerts))
    return found


_KEYS: Final[Mapping[Order, Callable[[Line], float | str]]] = {
    Order.RATIO: lambda line: -(line.row.ratio if line.row.ratio is not None else -1.0),
    Order.USED: lambda line: -(line.row.used or 0.0),
    Order.TREND: lambda line: -(line.trend or 0.0),
    Order.LEFT: lambda line: line.left if line.left is not None else float("inf"),
    Order.NAME: lambda line: line.row.name,
}


def chosen(every: Sequence[Line], screen: Screen) -> list[Line]:
    """Return the lines that are shown, in their order; those that compare equal stay worst first."""
    found = [line for line in every if not screen.pattern or _is_meant(line.row, screen.pattern)]
    if (key := _KEYS.get(screen.order)) is not None:
        found.sort(key=key)
    return found[::-1] if screen.backwards else found


def _is_meant(row: Row, pattern: str) -> bool:
    return matches(row.subject, pattern) or pattern.lower() in row.name.lower()


def firing(every: Sequence[Line]) -> list[Alert]:
    """Return the alerts that fire, of all subjects."""
    return [alert for line in every for alert in line.alerts if alert.phase is Phase.FIRING]


def summary(every: Sequence[Line]) -> str:
    """Return `1 critical, 12 normal, 2 alerts firing`."""
    counts = [(sum(line.row.state is state for line in every), state) for state in _STATES]
    parts = [f"{number} {state}" for number, state in counts if number]
    number = len(firing(every))
    parts += [f"{number} alert{'' if number == 1 else 's'} firing"] if number else []
    return ", ".join(parts) or "nothing to measure"


_STATES: Final = (State.CRITICAL, State.WARNING, State.UNKNOWN, State.NORMAL)


def name_of(line: Line) -> str:
    """Return the name with its kind, short for a container of a project."""
    subject = line.row.subject
    if subject.kind is Kind.CONTAINER:
        return subject.name
    return qualified(subject)


def moved(line: Line) -> str:
    """Return `+1.20 MiB`, a second; nothing for what stands still."""
    if line.trend is None or abs(line.trend) < _NOISE:
        return ""
    return f"{'+' if line.trend > 0 else '-'}{format_bytes(abs(line.trend))}"
