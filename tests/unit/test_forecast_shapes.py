"""The forecast over the shapes of tests/shapes, on seeds it was not tuned with; `make bench` prints the whole table."""

from __future__ import annotations

from functools import cache
from statistics import median

import pytest

from shapes.alarms import Life, live
from shapes.services import REPORTED, TUNING, Service, Shape, shapes

SEEDS = REPORTED[:6]
SHAPES = {shape.name: shape for shape in shapes()}
HEALTHY = [shape for shape in SHAPES.values() if shape.healthy]
WITH_A_SAW_TOOTH = ["slow_leak_sawtooth", "recycle_leak"]


@cache
def lives(name: str) -> list[Life]:
    return [live(SHAPES[name], seed) for seed in SEEDS]


def leads(name: str) -> list[float]:
    return [lead for life in lives(name) if (lead := life.lead("ours")) is not None]


def test_the_table_holds_fifteen_shapes_and_the_seeds_are_apart() -> None:
    assert len(HEALTHY) == 9
    assert len(SHAPES) == 15
    assert min(len(TUNING), len(REPORTED)) >= 20
    assert not set(TUNING) & set(REPORTED)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_service_is_the_same_for_the_same_seed(shape: Shape) -> None:
    first, second = (list(map(Service(shape, 1).used, range(0, 7200, 60))) for _ in range(2))
    assert first == second
    assert first != list(map(Service(shape, 2).used, range(0, 7200, 60)))


def test_the_healthy_shapes_together_give_at_most_one_false_alarm_a_day() -> None:
    alarms = {s.name: sum(len(x.leak["ours"]) + len(x.steep["ours"]) for x in lives(s.name)) for s in HEALTHY}
    assert all(life.died is None for shape in HEALTHY for life in lives(shape.name))
    assert sum(alarms.values()) <= len(SEEDS), alarms


@pytest.mark.parametrize("name", WITH_A_SAW_TOOTH)
def test_every_slow_leak_with_a_saw_tooth_is_caught_an_hour_ahead(name: str) -> None:
    assert len(leads(name)) == len(SEEDS)
    assert median(leads(name)) >= 3600


@pytest.mark.parametrize("name", ["slow_leak", "ratchet_leak"])
def test_other_slow_leaks_are_caught_half_an_hour_ahead(name: str) -> None:
    assert len(leads(name)) == len(SEEDS)
    assert median(leads(name)) >= 1800


def test_a_leak_of_ten_minutes_is_caught_two_minutes_ahead() -> None:
    assert len(leads("ten_minute_leak")) == len(SEEDS)
    assert min(leads("ten_minute_leak")) >= 120


def test_a_leak_of_a_minute_is_told_before_it_kills() -> None:
    assert all(life.said["ours"] is not None for life in lives("steep_leak"))


def test_a_line_through_the_last_hour_alarms_on_every_healthy_shape_and_misses_the_saw_tooth() -> None:
    line = "predict_linear[1h]"
    fired = {s.name: any(live(s, seed, [line]).leak[line] for seed in SEEDS[:3]) for s in HEALTHY}
    assert all(fired.values()), fired
    assert not [n for n in WITH_A_SAW_TOOTH for seed in SEEDS if live(SHAPES[n], seed, [line]).lead(line) is not None]
