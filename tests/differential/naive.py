"""Prometheus's alerting for one series set, written again as plainly as possible, as version 2 and as version 3.

Where the two versions would say different things (a sample at the very edge of a window or of the look-back, a counter
clamped at zero), promtool 2.42 must agree with version 2 of this, and Brimline with version 3.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

LOOK_BACK = 300_000
OPS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
INVERSE = {">": "<=", "<=": ">", "<": ">=", ">=": "<", "==": "!=", "!=": "=="}

Samples = Sequence[tuple[int, "float | None"]]  # None: a stale marker


@dataclass(frozen=True)
class Compare:
    """One comparison; `level` names a series instead of a number."""

    measure: str
    op: str
    threshold: float
    func: str = ""
    window: int = 0
    level: str = ""


@dataclass(frozen=True)
class Plan:
    """One rule: any of (all of)."""

    when: tuple[tuple[Compare, ...], ...]
    clear: Compare | None
    hold: int
    keep: int


class Prometheus:
    """One version's reading of samples."""

    def __init__(self, version: int, series: Mapping[str, Samples]) -> None:
        self.version = version
        self.series = series

    def states(self, plan: Plan, times: Sequence[int]) -> list[str]:
        """Return inactive, pending or firing at each evaluation."""
        state, active, since, found = "inactive", 0, None, []
        for at in times:
            true = any(all(self.holds(c, at) for c in alternative) for alternative in plan.when)
            if not true and state == "firing" and plan.clear is not None:
                clear = plan.clear
                kept = Compare(clear.measure, INVERSE[clear.op], clear.threshold, clear.func, clear.window, clear.level)
                true = all(self.holds(kept if c.measure == kept.measure else c, at) for c in plan.when[0])
            if true:
                since = None
                if state == "inactive":
                    state, active = "pending", at
            elif state == "firing" and plan.keep > 0:
                since = at if since is None else since
                if at - since >= plan.keep:
                    state, since = "inactive", None
            else:
                state = "inactive"
            if state == "pending" and at - active >= plan.hold:
                state = "firing"
            found.append(state)
        return found

    def holds(self, compare: Compare, at: int) -> bool:
        left = self.window(compare, at) if compare.func else self.instant(compare.measure, at)
        right = self.instant(compare.level, at) if compare.level else compare.threshold
        return left is not None and right is not None and OPS[compare.op](left, right)

    def instant(self, name: str, at: int) -> float | None:
        before = [sample for sample in self.series.get(name, ()) if sample[0] <= at]
        if not before:
            return None
        moment, value = before[-1]
        age = at - moment
        return value if age < LOOK_BACK or (age == LOOK_BACK and self.version == 2) else None

    def window(self, compare: Compare, at: int) -> float | None:
        start = at - compare.window
        inside = [
            (t, v)
            for t, v in self.series.get(compare.measure, ())
            if v is not None and (start < t <= at or (t == start and self.version == 2))
        ]
        values = [v for _, v in inside]
        if not values:
            return None
        match compare.func:
            case "max":
                return max(values)
            case "min":
                return min(values)
            case "avg":
                return self.average(values)
        return self.extrapolated(inside, start, at, compare) if len(values) > 1 else None

    def average(self, values: Sequence[float]) -> float:
        if self.version == 3:
            total, lost = kahan(values)
            return total / len(values) + lost / len(values)
        mean = lost = 0.0
        for count, value in enumerate(values, 1):
            mean, lost = kahan_step(value / count - mean / count, mean, lost)
        return mean + lost

    def extrapolated(self, inside: Sequence[tuple[int, float]], start: int, end: int, compare: Compare) -> float:
        (first, first_value), (last, last_value) = inside[0], inside[-1]
        rise = last_value - first_value
        for (_, before), (_, after) in pairwise(inside):
            if after < before:
                rise += before
        to_start, to_end, sampled = (first - start) / 1000, (end - last) / 1000, (last - first) / 1000
        average = sampled / (len(inside) - 1)
        limit = average * 1.1
        clamps = rise > 0 and first_value >= 0
        zero = sampled * (first_value / rise) if clamps else math.inf
        if self.version == 2:
            to_start = min(to_start, zero)
            to_start = to_start if to_start < limit else average / 2
        else:
            to_start = average / 2 if to_start >= limit else to_start
            to_start = min(to_start, zero)
        to_end = to_end if to_end < limit else average / 2
        factor = (sampled + to_start + to_end) / sampled
        if compare.func == "rate":
            factor /= (end - start) / 1000
        return rise * factor


def kahan(values: Sequence[float]) -> tuple[float, float]:
    total = lost = 0.0
    for value in values:
        total, lost = kahan_step(value, total, lost)
    return total, lost


def kahan_step(value: float, total: float, lost: float) -> tuple[float, float]:
    after = total + value
    return after, lost + ((total - after) + value if abs(total) >= abs(value) else (value - after) + total)
