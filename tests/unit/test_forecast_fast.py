"""The steepest lane: a rise from sample to sample."""

from __future__ import annotations

import pytest

from brimline.rules.forecast_fast import Ramp


def follow(levels: list[float], seconds: float = 2.0, peak: float = 0.0) -> list[float | None]:
    ramp, said = Ramp(levels[0], 0.0, peak), []
    for tick, level in enumerate(levels[1:], 1):
        said.append(ramp.follow(level, tick * seconds, peak))
        peak = max(peak, level)
    return said


def rise(first: float, last: float, steps: int) -> list[float]:
    return [first + (last - first) * step / steps for step in range(steps + 1)]


def test_a_steep_rise_is_told_when_it_has_lasted_twice_as_long_as_is_left() -> None:
    said = follow(rise(0.4, 0.98, 29))
    first = next(tick for tick, left in enumerate(said) if left is not None)
    assert 0.4 + 0.02 * (first + 1) == pytest.approx(0.8, abs=0.021)
    assert said[-1] == pytest.approx(0.02 / 0.01, rel=0.01)


@pytest.mark.parametrize(
    "levels",
    [
        pytest.param([0.3, 0.3, 0.92, 0.92, 0.92, 0.92], id="one step"),
        pytest.param([*rise(0.2, 0.7, 20), *[0.7] * 10], id="a load that ends at 70 %"),
        pytest.param([0.90 + 0.01 * (tick % 2) for tick in range(40)], id="noise near the limit"),
        pytest.param(rise(0.9, 0.92, 40), id="too slow to be steep"),
        pytest.param(rise(0.95, 0.4, 40), id="falling"),
    ],
)
def test_it_says_nothing_of(levels: list[float]) -> None:
    assert follow(levels) == [None] * (len(levels) - 1)


def test_a_rise_to_where_it_has_been_before_says_nothing() -> None:
    assert not any(follow(rise(0.4, 0.93, 29), peak=0.95))


def test_it_falls_silent_with_the_first_sample_that_does_not_rise() -> None:
    said = follow([*rise(0.4, 0.9, 25), 0.9, 0.9])
    assert said[-3] is not None
    assert said[-2:] == [None, None]


def test_two_samples_of_one_moment_are_one() -> None:
    ramp = Ramp(0.4, 1.0, 0.4)
    assert ramp.follow(0.5, 1.0, 0.4) is None
