"""What three estimators say of a service and when that is an alarm: ours, predict_linear over 1 h, and Holt's. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from brimline.rules.forecast import Forecast
from brimline.sources.early import Fill
from shapes.services import DAY, INTERVAL, Service, Shape

LEAK_WITHIN: Final = 1800.0  # InferenceLeak: time to limit < 30m for 5m
LEAK_FOR: Final = 300.0
STEEP_WITHIN: Final = 60.0  # the half of InferenceMemoryExhausted that looks ahead: > 85 % and < 60s for 5s
EXHAUSTED: Final = 0.85
STEEP_FOR: Final = 5.0
PAUSE: Final = 300.0  # an alarm that is off for less is still the same warning
SCRAPE: Final = 15.0  # what Prometheus has of a service
SHORTEST: Final = 0.1


class Estimator(Protocol):
    """Says in how many seconds a service reaches its limit; None: not at all."""

    def observe(self, age: float, used: float, limit: float) -> float | None:
        """Take in one sample."""
        ...


class Ours:
    """Brimline's forecast."""

    def __init__(self) -> None:
        self._forecast = Forecast()

    def observe(self, age: float, used: float, limit: float) -> float | None:
        return self._forecast.observe("one", age, used, 0.0, limit, age)


class PredictLinear:
    """predict_linear(used[1h]): least squares, and when the line crosses the limit."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()
        self._sums = [0.0] * 4
        self._left: float | None = None

    def observe(self, age: float, used: float, limit: float) -> float | None:
        if not self._samples or age - self._samples[-1][0] >= SCRAPE:
            self._take(age, used / limit, 1)
            self._samples.append((age, used / limit))
            while self._samples[0][0] <= age - 3600.0:
                self._take(*self._samples.popleft(), -1)
            self._left = self._cross(age)
        return self._left

    def _take(self, x: float, y: float, sign: int) -> None:
        for i, term in enumerate((x, y, x * x, x * y)):
            self._sums[i] += sign * term

    def _cross(self, age: float) -> float | None:
        n, (x, y, xx, xy) = len(self._samples), self._sums
        spread = n * xx - x * x
        slope = (n * xy - x * y) / spread if n > 1 and spread > 0 else 0.0
        level = (y - slope * x) / n + slope * age
        return max(0.0, (1.0 - level) / slope) if slope > 1e-9 else None


class Holt:
    """Double exponential smoothing of level (0.1) and trend (0.05), over all samples since the start."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._level = self._trend = 0.0
        self._left: float | None = None

    def observe(self, age: float, used: float, limit: float) -> float | None:
        if self._at is None or age - self._at >= SCRAPE:
            before, value = self._level, used / limit
            self._level = value if self._at is None else 0.1 * value + 0.9 * (before + self._trend)
            self._trend = 0.0 if self._at is None else 0.05 * (self._level - before) + 0.95 * self._trend
            self._at = age
            steps = (1.0 - self._level) / self._trend if self._trend > 1e-9 else None
            self._left = None if steps is None else max(0.0, steps * SCRAPE)
        return self._left


ESTIMATORS: Final[dict[str, Callable[[], Estimator]]] = {
    "ours": Ours,
    "predict_linear[1h]": PredictLinear,
    "Holt": Holt,
}


class Alarm:
    """A threshold on the time that is left, held for some seconds."""

    def __init__(self, within: float, hold: float) -> None:
        self._within, self._hold = within, hold
        self._since: float | None = None
        self.firing = False
        self.fired: list[float] = []
        self._on_at = float("-inf")
        self._warned: float | None = None

    def see(self, age: float, left: float | None) -> None:
        if left is None or left >= self._within:
            self._since, self.firing = None, False
            return
        self._since = age if self._since is None else self._since
        if age - self._since >= self._hold:
            if not self.firing:
                self.firing = True
                self.fired.append(age)
                if age - self._on_at > PAUSE:
                    self._warned = age
            self._on_at = age

    def warned(self, age: float) -> float | None:
        """Return since when it has been on but for pauses, if it is on at this age."""
        return self._warned if age - self._on_at <= PAUSE else None


@dataclass
class Life:
    """One service's day and what was said of it."""

    died: float | None = None
    seconds: float = 0.0
    leak: dict[str, Sequence[float]] = field(default_factory=dict)  # estimator -> ages at which it fired
    steep: dict[str, Sequence[float]] = field(default_factory=dict)
    warned: dict[str, float | None] = field(default_factory=dict)  # since when one of them was on, until the death
    said: dict[str, float | None] = field(default_factory=dict)  # the age at which it first said anything
    present: dict[str, int] = field(default_factory=dict)  # samples at which it said something

    def lead(self, estimator: str) -> float | None:
        """Return for how many seconds an alarm had been on at the death; None: none was."""
        fired = self.warned[estimator]
        return None if self.died is None or fired is None else self.died - fired


def samples(service: Service) -> Iterator[tuple[float, float]]:
    """Yield (age, used) as the engine takes them: every 5 s, sooner the faster a level comes near, until death."""
    fill, age = Fill(), 0.0
    while age < DAY:
        used = service.used(age)
        yield age, used
        if used >= service.limit:
            return
        fill.note(used / service.limit, age)
        look = fill.seconds_to_next_level(age)
        age += INTERVAL if look is None else min(INTERVAL, max(SHORTEST, look))


def live(shape: Shape, seed: int, estimators: Sequence[str] = ("ours",)) -> Life:
    """Let one service live for a day or die."""
    service, life = Service(shape, seed), Life()
    watched = [(n, ESTIMATORS[n](), Alarm(LEAK_WITHIN, LEAK_FOR), Alarm(STEEP_WITHIN, STEEP_FOR)) for n in estimators]
    life.said, life.present = dict.fromkeys(estimators), dict.fromkeys(estimators, 0)
    for age, used in samples(service):
        life.seconds = age
        if used >= service.limit:
            life.died = age
            break
        for name, estimator, leak, steep in watched:
            left = estimator.observe(age, used, service.limit)
            leak.see(age, left)
            steep.see(age, left if used > EXHAUSTED * service.limit else None)
            if left is not None and life.said[name] is None:
                life.said[name] = age
            life.present[name] += left is not None
    for name, _, leak, steep in watched:
        life.leak[name], life.steep[name] = leak.fired, steep.fired
        warned = [since for alarm in (leak, steep) if (since := alarm.warned(life.seconds)) is not None]
        life.warned[name] = min(warned, default=None)
    return life
