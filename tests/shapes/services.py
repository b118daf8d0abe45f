"""The shapes of shapes.csv as services: how much one holds at any age. Pure, and the same for the same seed."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

TABLE: Final = Path(__file__).with_name("shapes.csv")
TUNING: Final = range(60)
REPORTED: Final = range(100, 120)
DAY: Final = 86_400.0
INTERVAL: Final = 5.0
MIB: Final = 1 << 20
CALM: Final = 60.0  # s in which the noise forgets where it was
Curve = Callable[[float], float]  # age -> share of the limit


@dataclass(frozen=True, slots=True)
class Shape:
    """One line of the table; a range is (least, most)."""

    name: str
    healthy: bool
    ranges: Mapping[str, tuple[float, float]]


def shapes() -> list[Shape]:
    """Read the table."""
    with TABLE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return [
        Shape(row.pop("shape"), row.pop("fate") == "healthy", {k: _range(v) for k, v in row.items()}) for row in rows
    ]


def _range(text: str) -> tuple[float, float]:
    least, _, most = text.partition("..")
    return float(least), float(most or least)


class Service:
    """One service of a shape. Its memory is asked for at rising ages."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape = shape
        self._random = Random(f"{shape.name} {seed}")  # noqa: S311 - a simulation
        drawn = {name: self._random.uniform(*limits) for name, limits in shape.ranges.items()}
        self.limit = round(drawn.pop("limit")) * MIB
        self.drawn = {k: v / 100 if k in _SHARES else v for k, v in drawn.items()}
        self._body = _BODIES[shape.name](self.drawn, self._random)
        self._tooth = _teeth(self.drawn["tooth"], self.drawn["every"], self._random)
        self._noise = self._at = 0.0

    def used(self, age: float) -> float:
        """Return the bytes that cannot be dropped at this age; at the limit or above it the kernel kills."""
        drawn, random = self.drawn, self._random
        keep = math.exp((self._at - age) / CALM)
        self._noise = self._noise * keep + random.gauss(0.0, drawn["noise"]) * math.sqrt(1 - keep * keep)
        self._at = age
        if age < drawn["load"]:
            return self.limit * (drawn["base"] + drawn["spike"]) * age / drawn["load"]
        share = drawn["base"] + self._body(age - drawn["load"]) + self._tooth(age) + self._noise
        return self.limit * (share if not self.shape.healthy else min(share, 0.97))


_SHARES: Final = frozenset({"base", "spike", "amplitude", "tooth", "noise", "rate"})
Drawn = Mapping[str, float]


def _teeth(height: float, every: float, random: Random) -> Curve:
    """Return the requests' saw: each grows to its own height and is freed at once."""
    end = length = top = 0.0

    def at(age: float) -> float:
        nonlocal end, length, top
        while age >= end:
            length = every * random.uniform(0.5, 1.5)
            end, top = (end or age) + length, height * min(1.6, random.lognormvariate(0.0, 0.25))
        return top * (1 - (end - age) / length)

    return at if height and every else lambda _: 0.0


def _nothing(_: Drawn, __: Random) -> Curve:
    return lambda _: 0.0


def _second_load(drawn: Drawn, _: Random) -> Curve:
    return lambda age: drawn["amplitude"] * min(1.0, max(0.0, (age - drawn["onset"]) / drawn["period"]))


def _saturating(drawn: Drawn, _: Random) -> Curve:
    return lambda age: drawn["amplitude"] * (1 - math.exp(-age / drawn["period"]))


def _steps(drawn: Drawn, random: Random, step: Callable[[float], float]) -> Curve:
    level, due = 0.0, random.expovariate(1 / drawn["period"])

    def at(age: float) -> float:
        nonlocal level, due
        while age >= due:
            level += step(level)
            due += random.expovariate(1 / drawn["period"])
        return level

    return at


def _ratchet(drawn: Drawn, random: Random) -> Curve:
    return _steps(drawn, random, lambda level: (drawn["amplitude"] - level) * random.uniform(0.02, 0.2))


def _ratchet_leak(drawn: Drawn, random: Random) -> Curve:
    return _steps(drawn, random, lambda _: drawn["rate"] * drawn["period"] / 3600 * random.uniform(0.3, 1.7))


def _recycled(drawn: Drawn, random: Random) -> Curve:
    began, length = 0.0, drawn["period"]

    def at(age: float) -> float:
        nonlocal began, length
        if age >= began + length:
            began, length = age, drawn["period"] * random.uniform(0.9, 1.1)
        return drawn["amplitude"] * (age - began) / length

    return at


def _recycled_leak(drawn: Drawn, random: Random) -> Curve:
    saw, leak = _recycled(drawn, random), _leak(drawn, random)
    return lambda age: saw(age) + leak(age)


def _diurnal(drawn: Drawn, random: Random) -> Curve:
    turn = random.uniform(0, 2 * math.pi)
    return lambda age: drawn["amplitude"] * (1 + math.sin(2 * math.pi * age / drawn["period"] + turn)) / 2


def _leak(drawn: Drawn, _: Random) -> Curve:
    return lambda age: drawn["rate"] * max(0.0, age - drawn["onset"]) / 3600


def _filled(drawn: Drawn, random: Random) -> Curve:
    leak = _leak(drawn, random)
    return lambda age: min(drawn["amplitude"], leak(age))


def _batches(drawn: Drawn, random: Random) -> Curve:
    began, hold = drawn["onset"], random.uniform(600, 1800)

    def at(age: float) -> float:
        nonlocal began, hold
        level = drawn["rate"] * (age - began) / 3600
        if level > drawn["amplitude"] + drawn["rate"] * hold / 3600:
            began, hold = began + drawn["period"] * random.uniform(0.7, 1.3), random.uniform(600, 1800)
            return 0.0
        return min(max(0.0, level), drawn["amplitude"])

    return at


_BODIES: Final[Mapping[str, Callable[[Drawn, Random], Curve]]] = {
    "steady": _nothing,
    "model_load": _second_load,
    "warm_up": _saturating,
    "request_sawtooth": _nothing,
    "ratchet": _ratchet,
    "recycle_sawtooth": _recycled,
    "diurnal": _diurnal,
    "cache_fill": _filled,
    "batch": _batches,
    "slow_leak": _leak,
    "slow_leak_sawtooth": _leak,
    "ratchet_leak": _ratchet_leak,
    "recycle_leak": _recycled_leak,
    "ten_minute_leak": _leak,
    "steep_leak": _leak,
}
