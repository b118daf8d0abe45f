from __future__ import annotations

from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brimline.metrics.catalog import by_name
from brimline.rules.condition import HOLDS
from brimline.rules.history import History, Ring
from brimline.rules.screens import screen
from brimline.rules.terms import Func, Op

ROWS = 4
COUNTER = by_name()["brimline_container_memory_oom_kills_total"]
GAUGE = by_name()["brimline_container_memory_used_ratio"]

gauges = st.sampled_from((0.0, 0.2, 0.5, 0.8, 0.85, 1.0, None))
counters = st.sampled_from((0.0, 1.0, 2.0, 3.0, 10.0, None))
gaps = st.sampled_from((1000, 1000, 1000, 5000, 15_000))


def frames(values: st.SearchStrategy[float | None]) -> st.SearchStrategy[list[tuple[int, list[float | None]]]]:
    return st.lists(st.tuples(gaps, st.lists(values, min_size=ROWS, max_size=ROWS)), min_size=1, max_size=40)


def record(ring: Ring, at: int, values: list[float | None], rows: int = ROWS) -> None:
    known = [(row, value) for row, value in enumerate(values) if value is not None]
    ring.record(at, [([row for row, _ in known], [value for _, value in known])], rows)


@settings(max_examples=400)
@given(st.data(), st.sampled_from(list(Func)), st.sampled_from(list(Op)), st.sampled_from((1500, 4000, 10_000)))
def test_a_screen_lets_every_row_through_for_which_the_comparison_holds(
    data: st.DataObject, func: Func, op: Op, window: int
) -> None:
    of_counter = func in {Func.INCREASE, Func.RATE}
    ring, found = Ring(10_000, counter=of_counter), screen(func, op)
    at = 0
    for gap, values in data.draw(frames(counters if of_counter else gauges)):
        at += gap
        record(ring, at, values)
        bound = data.draw(st.sampled_from((0.0, 0.5, 0.8, 1.0, 2.0))) if at % 7000 == 0 else 0.5
        let_through = set(found.rows(ring, at - window, at, bound))
        for row in range(ROWS):
            value = ring.value(func, row, at - window, at)
            if value is not None and HOLDS[op](value, bound):
                assert row in let_through, (func, op, row, value, bound)


@given(frames(counters))
def test_the_value_of_a_row_is_that_of_its_own_samples(samples: list[tuple[int, list[float | None]]]) -> None:
    ring, kept, at = Ring(10_000, counter=True), list[tuple[int, list[float | None]]](), 0
    for gap, values in samples:
        at += gap
        record(ring, at, values)
        kept.append((at, values))
        for row in range(ROWS):
            own = [v[row] for t, v in kept if at - 10_000 < t <= at and v[row] is not None]
            assert ring.value(Func.MAX, row, at - 10_000, at) == (max(v for v in own if v is not None) if own else None)


def test_a_screen_of_few_lets_few_through() -> None:
    ring, high, risen = Ring(60_000, counter=False), screen(Func.MAX, Op.GT), screen(Func.INCREASE, Op.GT)
    mean, counts = screen(Func.AVG, Op.GT), Ring(60_000, counter=True)
    for tick in range(1, 13):
        record(ring, tick * 5000, [0.1, 0.9 if tick == 3 else 0.1, 0.5, 0.95])
        record(counts, tick * 5000, [0.0, 0.0, float(tick > 6), 7.0])
        assert set(high.rows(ring, tick * 5000 - 60_000, tick * 5000, 0.8)) == ({1, 3} if tick >= 3 else {3})
        assert set(mean.rows(ring, tick * 5000 - 60_000, tick * 5000, 0.8)) == {3}
        assert set(risen.rows(counts, tick * 5000 - 60_000, tick * 5000, 0.0)) == ({2} if tick > 6 else set())


def test_samples_end_with_the_window() -> None:
    ring = Ring(10_000, counter=False)
    for tick in range(1000):
        record(ring, tick * 100, [float(tick), None, 1.0, None])
    assert len(ring.frames) == len(ring.times) <= 100 + 64
    assert ring.value(Func.MIN, 0, 89_900, 99_900) == 900.0
    assert ring.value(Func.MIN, 1, 89_900, 99_900) is None


def test_however_often_a_tick_comes_there_is_an_end_to_the_samples() -> None:
    ring = Ring(3_600_000, counter=False, most=100)
    for tick in range(40_000):
        record(ring, tick * 100, [float(tick)], 1)
    assert len(ring.frames) <= 100 + 64


def test_what_did_not_change_is_kept_once() -> None:
    ring = Ring(60_000, counter=True)
    for tick in range(10):
        record(ring, tick * 1000, [1.0, None, 3.0, None])
    assert len({id(frame) for frame in ring.frames}) == 1


def test_a_row_that_came_later_has_its_own_samples_only() -> None:
    ring = Ring(60_000, counter=True)
    record(ring, 1000, [1.0], 1)
    record(ring, 2000, [2.0, 5.0], 2)
    record(ring, 3000, [3.0, 6.0], 2)
    assert ring.value(Func.MIN, 1, -57_000, 3000) == 5.0
    assert ring.value(Func.RATE, 1, -57_000, 3000) == pytest.approx(1.5 / 60)  # one second, and half of one before it


def test_a_longer_window_takes_over_what_is_there() -> None:
    history = History()
    history.need({COUNTER: 10_000})
    record(history.rings[COUNTER], 1000, [1.0] * ROWS)
    history.need({COUNTER: 60_000, GAUGE: 5000})
    assert history.rings[COUNTER].times == [1000]
    assert history.rings[COUNTER].window == 60_000
    history.need({GAUGE: 5000})
    assert set(history.rings) == {GAUGE}


def test_no_number_is_no_sample() -> None:
    ring = Ring(60_000, counter=False)
    record(ring, 1000, [nan, 1.0], 2)
    assert ring.value(Func.AVG, 0, -59_000, 1000) is None
