from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.rules.terms import Func
from brimline.rules.windows import mean, reduce


def over(func: Func, samples: list[tuple[int, float]]) -> float | None:
    return reduce(func, [at for at, _ in samples], [value for _, value in samples], 0, 60_000)


# Worked out by hand from promql/functions.go of Prometheus 3.
@pytest.mark.parametrize(
    ("samples", "increase"),
    [
        ([], None),
        ([(30_000, 5.0)], None),
        ([(15_000, 10.0), (30_000, 11.0), (45_000, 12.0), (60_000, 13.0)], 4.0),  # reaches both edges: x 60/45
        ([(30_000, 10.0), (45_000, 11.0), (60_000, 12.0)], 2 * 37.5 / 30),  # the start is far: half a distance
        ([(15_000, 10.0), (30_000, 11.0)], 1 * (15 + 15 + 7.5) / 15),  # the end is far
        ([(15_000, 0.0), (30_000, 1.0), (45_000, 2.0), (60_000, 3.0)], 3.0),  # a counter was never below zero
        ([(15_000, 1.0), (30_000, 3.0), (45_000, 5.0), (60_000, 7.0)], 6 * 52.5 / 45),
        ([(15_000, 10.0), (30_000, 2.0), (45_000, 3.0), (60_000, 4.0)], 4.0 * 60 / 45),  # a reset in between
        ([(30_000, 1.0), (45_000, 2.0), (60_000, 3.0)], 2 * 37.5 / 30),  # zero lies beyond half a distance (3, not 2)
    ],
)
def test_increase(samples: list[tuple[int, float]], increase: float | None) -> None:
    assert over(Func.INCREASE, samples) == increase
    rate = over(Func.RATE, samples)
    assert rate == (None if increase is None else pytest.approx(increase / 60))


def test_gauges() -> None:
    samples = [(10_000, 3.0), (20_000, 1.0), (30_000, 2.0)]
    assert [over(func, samples) for func in (Func.MAX, Func.MIN, Func.AVG)] == [3.0, 1.0, 2.0]
    assert over(Func.AVG, []) is None


@given(st.floats(1e-9, 1e15), st.integers(1, 400))
def test_the_average_of_one_number_is_the_number(value: float, times: int) -> None:
    assert mean([value] * times) == pytest.approx(value, rel=1e-15)


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=300))
def test_the_average_loses_nothing(values: list[float]) -> None:
    exact = math.fsum(values) / len(values)
    assert mean(values) == pytest.approx(exact, rel=1e-14, abs=1e-300 + 1e-16 * max(map(abs, values)))
