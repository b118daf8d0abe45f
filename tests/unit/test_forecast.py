"""The forecast, gate by gate, and that it says either nothing or a time that is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.rules.forecast import LANES, SLOW, START_PERIOD, Forecast

GIB = float(1 << 30)
HOUR = 3600.0


def said(
    share: Callable[[float], float], until: float, *, step: float = 5.0, begins: float = START_PERIOD, uid: str = "a"
) -> Iterator[tuple[float, float | None]]:
    """Yield (age, what is said) of a service that holds `share(age)` of 1 GiB."""
    forecast = Forecast()
    for tick in range(int((until - begins) / step)):
        age = begins + tick * step
        yield age, forecast.observe(uid, 1e6 + age, share(age) * GIB, 0.0, GIB, age)


def last(share: Callable[[float], float], until: float, **more: float) -> float | None:
    return list(said(share, until, **more))[-1][1]


def leak(per_hour: float) -> Callable[[float], float]:
    return lambda age: 0.4 + per_hour * age / HOUR


def test_a_slow_leak_is_told_with_its_time() -> None:
    left = last(leak(0.10), 4 * HOUR)
    assert left == pytest.approx((1 - 0.8) / 0.10 * HOUR, rel=0.05)


def test_the_time_is_counted_from_the_tip_of_a_saw_tooth() -> None:
    left = last(lambda age: leak(0.10)(age) + 0.1 * (age % 60) / 60, 4 * HOUR)
    assert left is not None
    assert left < (1 - 0.8 - 0.1) / 0.10 * HOUR


def test_swap_counts() -> None:
    forecast, left = Forecast(), None
    for tick in range(2000):
        age = 200.0 + 5 * tick
        left = forecast.observe("a", age, 0.4 * GIB, 0.1 * GIB * age / HOUR, GIB, age)
    assert left is not None


def test_nothing_is_said_within_the_start_period_nor_before_the_bins_are_full() -> None:
    words = list(said(leak(0.10), 2 * HOUR, begins=0.0))
    first = next(age for age, left in words if left is not None)
    assert START_PERIOD + SLOW.seconds * SLOW.bins <= first <= START_PERIOD + SLOW.seconds * (SLOW.bins + 1)


@pytest.mark.parametrize(
    "share",
    [
        pytest.param(lambda _: 0.6, id="flat"),
        pytest.param(lambda age: 0.3 + 0.55 * (age > 2 * HOUR), id="one step"),
        pytest.param(lambda age: 0.3 + 0.55 * min(1.0, max(0.0, (age - HOUR) / 40)), id="a load"),
        pytest.param(lambda age: 0.3 + 0.3 * (age % 90) / 90, id="saw-tooth"),
        pytest.param(lambda age: 0.6 - 0.02 * age / HOUR, id="falling"),
        pytest.param(lambda age: 0.4 + 0.015 * age / HOUR, id="rises by less than 2 % of the limit an hour"),
    ],
)
def test_what_is_no_leak_is_not_called_one_for_longer_than_a_load_takes(share: Callable[[float], float]) -> None:
    called = [age for age, left in said(share, 5 * HOUR) if left is not None]
    assert not called or called[-1] - called[0] < 120


def test_a_rise_that_slows_down_is_taken_back() -> None:
    words = list(said(lambda age: 0.3 + 0.4 * min(1.0, age / (4 * HOUR)), 7 * HOUR))
    assert any(left is not None for age, left in words if age < 4 * HOUR)
    assert all(left is None for age, left in words if age > 6 * HOUR)


def test_a_repeated_rise_is_a_leak_only_where_it_passes_its_old_peak() -> None:
    def recycled(age: float) -> float:
        return 0.4 + 0.3 * (age % (3 * HOUR)) / (3 * HOUR)

    words = list(said(recycled, 12 * HOUR))
    assert any(left is not None for age, left in words if age < 3 * HOUR), "the first one cannot be told from a leak"
    assert all(left is None for age, left in words if age > 3.1 * HOUR)


def ages(start: float, seconds: float) -> Iterator[float]:
    return (start + 5 * tick for tick in range(int(seconds / 5)))


def leaking_forecast() -> tuple[Forecast, float]:
    forecast, left = Forecast(), None
    for age in ages(200.0, 2 * HOUR):
        left = forecast.observe("a", age, (0.4 + 0.1 * age / HOUR) * GIB, 0.0, GIB, age)
    assert left is not None
    return forecast, age


@pytest.mark.parametrize(
    ("uid", "share", "ceiling", "age"),
    [
        pytest.param("b", 0.62, GIB, 8000.0, id="another incarnation"),
        pytest.param("a", 0.62, GIB, 500.0, id="another start"),
        pytest.param("a", 0.62, 2 * GIB, 8000.0, id="another limit"),
        pytest.param("a", 0.40, GIB, 8000.0, id="a drop by more than 30 %"),
    ],
)
def test_history_begins_anew(uid: str, share: float, ceiling: float, age: float) -> None:
    forecast, now = leaking_forecast()
    left: list[float | None] = []
    for more in ages(5.0, HOUR):
        used = share * ceiling + 0.1 * GIB * more / HOUR
        left.append(forecast.observe(uid, now + more, used, 0.0, ceiling, age + more))
    assert all(word is None for word in left[80:])


def test_a_ceiling_that_breathes_with_the_hosts_free_swap_forgets_nothing() -> None:
    forecast, left = Forecast(), None
    for age in ages(200.0, 2 * HOUR):
        ceiling = GIB * (1 + 0.01 * math.sin(age))
        left = forecast.observe("a", age, (0.4 + 0.1 * age / HOUR) * ceiling, 0.0, ceiling, age)
    assert left is not None


def test_a_source_that_was_silent_for_a_while_costs_no_history_and_invents_none() -> None:
    forecast, now = leaking_forecast()
    later = now + 900.0
    assert forecast.observe("a", later, (0.4 + 0.1 * later / HOUR) * GIB, 0.0, GIB, later) is not None
    silent = Forecast()
    for age in (200.0, 20_000.0, 40_000.0):
        assert silent.observe("a", age, (0.4 + age / 1e5) * GIB, 0.0, GIB, age) is None


def test_who_is_gone_is_forgotten() -> None:
    forecast, now = leaking_forecast()
    forecast.retain({"b"})
    assert forecast.observe("a", now + 5, 0.65 * GIB, 0.0, GIB, now + 5) is None


def test_bins_of_many_subjects_do_not_end_in_one_tick() -> None:
    forecast = Forecast()
    for tick in range(2):
        for uid in map(str, range(1000)):
            forecast.observe(uid, 1000.0 + tick, 0.5 * GIB, 0.0, GIB, 1000.0)
    ends = sorted(history.steep.ends for history in forecast._histories.values())
    assert ends[-1] - ends[0] > LANES[0].seconds * 0.9


@given(st.lists(st.tuples(st.floats(0.001, 30.0), st.floats(0.0, 1.2)), max_size=400), st.floats(-0.001, 0.01))
def test_it_says_nothing_or_a_time_that_is_left(samples: list[tuple[float, float]], drift: float) -> None:
    forecast, now = Forecast(), 1000.0
    for seconds, share in samples:
        now += seconds
        left = forecast.observe("a", now, max(0.0, share * 0.1 + 0.3 + drift * (now - 1000.0)) * GIB, 0.0, GIB, now)
        assert left is None or 0.0 < left <= 6 * HOUR
