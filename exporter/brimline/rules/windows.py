"""What Prometheus 3 makes of a window of samples, in its order of operations: twins agree to the last bit. Pure.

A window is left-open: a sample exactly `window` ago is outside. Times are milliseconds, as in Prometheus.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from brimline.rules.terms import Func

NEAR: Final = 1.1  # average distances: a sample nearer to the window's edge than this reaches up to it


def reduce(func: Func, times: Sequence[int], values: Sequence[float], start: int, end: int) -> float | None:
    """Return the function of the samples in (start, end]; None where Prometheus returns nothing."""
    if not values:
        return None
    match func:
        case Func.MAX:
            return max(values)
        case Func.MIN:
            return min(values)
        case Func.AVG:
            return mean(values)
        case Func.INCREASE:
            return _extrapolated(times, values, start, end)
        case Func.RATE:
            return _extrapolated(times, values, start, end, (end - start) / 1000)


def mean(values: Sequence[float]) -> float:
    """Return the average by Neumaier's compensated sum, as avg_over_time does."""
    total = lost = 0.0
    for value in values:
        after = total + value
        lost += (total - after) + value if abs(total) >= abs(value) else (value - after) + total
        total = after
    return total / len(values) + lost / len(values)


def _extrapolated(
    times: Sequence[int], values: Sequence[float], start: int, end: int, per: float | None = None
) -> float | None:
    """Return extrapolatedRate of promql/functions.go for a counter, in its order of operations."""
    if len(values) < 2:  # noqa: PLR2004 - one sample has no slope
        return None
    rise = values[-1] - values[0]
    before = values[0]
    for value in values:
        if value < before:
            rise += before
        before = value
    sampled = (times[-1] - times[0]) / 1000
    to_zero = sampled * (values[0] / rise) if rise > 0 and values[0] >= 0 else None
    return rise * factor((times[0], times[-1]), len(values), (start, end), to_zero, per)


def factor(
    times: tuple[int, int], count: int, span: tuple[int, int], to_zero: float | None, per: float | None
) -> float:
    """Return what a rise between the first and the last sample is multiplied by; `to_zero` clamps it at the start.

    Prometheus 2 compared the clamped distance with the threshold; Prometheus 3 clamps what the threshold left.
    """
    (first, last), (start, end) = times, span
    to_start, to_end, sampled = (first - start) / 1000, (end - last) / 1000, (last - first) / 1000
    average = sampled / (count - 1)
    if to_start >= average * NEAR:
        to_start = average / 2
    if to_zero is not None and to_zero < to_start:
        to_start = to_zero
    if to_end >= average * NEAR:
        to_end = average / 2
    scale = (sampled + to_start + to_end) / sampled
    return scale if per is None else scale / per
