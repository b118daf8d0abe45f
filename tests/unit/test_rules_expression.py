"""Comparisons: what is written is what is meant, and every mistake says what to write instead."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brimline.model import Kind
from brimline.rules import expression
from brimline.rules.regions import Interval, both, region, within
from brimline.rules.slips import SlipError
from brimline.rules.terms import INVERSE, Comparison, Func, Op, Unit
from unit.rule_texts import comparisons, words

KINDS = st.sampled_from(Kind)


def parsed(text: str, kind: Kind = Kind.CONTAINER) -> Comparison:
    return expression.parse(text, kind, words())


def said(text: str, kind: Kind = Kind.CONTAINER) -> list[str]:
    with pytest.raises(SlipError) as error:
        parsed(text, kind)
    for slip in error.value.slips:
        assert slip.start >= 0
        assert slip.start + slip.length <= max(1, len(text))
    return [f"{text[slip.start : slip.start + slip.length]}: {slip.message}" for slip in error.value.slips]


@settings(max_examples=300)
@given(st.data(), KINDS)
def test_what_is_spelled_is_read_as_the_same(data: st.DataObject, kind: Kind) -> None:
    comparison = data.draw(comparisons(kind))
    assert parsed(expression.spell(comparison), kind) == comparison


@settings(max_examples=300)
@given(st.text(alphabet=st.sampled_from("memory_used_ratio>=<! 85%(),[]{}MiB/s0.\té"), max_size=40), KINDS)
def test_no_text_does_worse_than_slip(text: str, kind: Kind) -> None:
    try:
        comparison = parsed(text, kind)
    except SlipError as error:
        assert error.slips  # noqa: PT017 - either outcome is right
    else:
        assert parsed(expression.spell(comparison), kind) == comparison


@pytest.mark.parametrize(
    ("text", "threshold", "unit"),
    [
        ("memory_used_ratio > 85%", 0.85, Unit.RATIO),
        ("memory_used_ratio>0.85", 0.85, Unit.RATIO),
        ("  memory_used_bytes  >=  1.5 GiB ", 1.5 * 2**30, Unit.BYTES),
        ("memory_available_bytes < 200MB", 200e6, Unit.BYTES),
        ("processes != 3", 3.0, Unit.COUNT),
        ("healthy == 0", 0.0, Unit.FLAG),
        ("avg(healthy, 5m) < 0.5", 0.5, Unit.COUNT),
        ("increase(memory_oom_kills_total, 10m) > 0", 0.0, Unit.COUNT),
        ("rate(memory_refaults_total, 1m) > 100/s", 100.0, Unit.PER_SECOND),
        ("rate(cpu_seconds_total, 1m) > 350%", 3.5, Unit.SECONDS_PER_SECOND),
        ("rate( memory_pressure_full_seconds_total ,1m30s ) > 20%", 0.2, Unit.SECONDS_PER_SECOND),
        ("memory_pressure_full_seconds_total > 1h30m", 5400.0, Unit.SECONDS),
        ("memory_used_ratio > restart_at", "restart_at", Unit.RATIO),
        ("min(memory_used_ratio, 10s) > alert_at", "alert_at", Unit.RATIO),
    ],
)
def test_quantities_are_read_by_the_unit_of_the_left_side(text: str, threshold: float | str, unit: Unit) -> None:
    comparison = parsed(text)
    assert comparison.threshold == threshold
    assert comparison.operand.unit is unit


def test_a_window_is_read_in_seconds() -> None:
    operand = parsed("max(memory_used_bytes, 1m30s) > 1GiB").operand
    assert (operand.func, operand.window, operand.measure.name) == (Func.MAX, 90.0, "memory_used_bytes")
    assert operand.measure.metric.name == "brimline_container_memory_used_bytes"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("memory_usd_ratio > 85%", 'memory_usd_ratio: a container has no measure "memory_usd_ratio"; did you mean'),
        (
            "memory_pss_bytes > 1GiB",
            'memory_pss_bytes: a container has no measure "memory_pss_bytes", but "on: process"',
        ),
        ("brimline_container_memory_used_ratio > 85%", '; write the measure alone, "memory_used_ratio"'),
        ('brimline_container_memory_used_ratio{container="x"} > 85%', "a second operator"),
        ("memory_threshold_ratio > 85%", 'has no measure "memory_threshold_ratio"'),
        ("wombat > 1", "docs/metrics.md lists them"),
        (" > 1", "no measure; write one"),
        ("memory_used_ratio > 85", '85: "85" is above 1; write "85%"'),
        ("memory_used_ratio > 1", '1: "1" could be 1% or 100%'),
        ("memory_used_ratio > 200MiB", '200MiB: "200MiB" is a size, not a ratio; write something like "85%"'),
        (
            "memory_used_bytes > 85%",
            'is a ratio, not a size; write something like "200MiB", or compare "memory_used_ratio"',
        ),
        ("memory_used_bytes > 200", '200: "200" has no unit; write "200MiB"'),
        ("memory_used_bytes > 200M", '200M: "200M": unknown unit "M"; write "200MiB" (powers of 1024)'),
        ("memory_used_bytes > 5m", '"5m" is a duration, not a size'),
        ("memory_pressure_full_seconds_total > 1:30", '1:30: "1:30" is no duration; write "1m30s"'),
        ("processes > 3MiB", '"3MiB" is a size, not a plain number'),
        ("processes > many", '"many" is no plain number'),
        ("healthy == 2", '"2" is neither 0 nor 1'),
        ("rate(memory_refaults_total, 1m) > 5", '5: "5" is not per second; write "5/s"'),
        ("rate(cpu_seconds_total, 1m) > 3", '"3" is above 1; write "300%"'),
        ("increase(memory_oom_kills_total, 1h) > 5/s", '"5/s" is a number per second, not a plain number'),
        ("memory_used_ratio >", 'no quantity; write one, such as "85%"'),
        ("memory_used_ratio > memory_working_set_ratio", '"memory_working_set_ratio" is a measure; write a quantity'),
        ("memory_used_ratio > restart-at", 'did you mean "restart_at"?'),
        ("memory_used_bytes > restart_at", '"restart_at" is a level of memory_used_ratio'),
        ("memory_working_set_ratio > alert_at", '"alert_at" is a level of memory_used_ratio'),
        ("max(memory_used_bytes", 'max(memory_used_bytes: a "(" or ")" without the other; within [...]'),
        ("5m) > 1GiB", 'a "(" or ")" without the other'),
        ("memory_used_ratio", "memory_used_ratio: no comparison"),
        ("", "no comparison"),
        ("85% < memory_used_ratio", 'the measure stands on the left; write "memory_used_ratio > 85%"'),
        ("memory_used_ratio = 85%", '=: unknown operator "="; write "=="'),
        ("memory_used_ratio => 85%", '=>: unknown operator "=>"; write ">="'),
        ("memory_used_ratio =~ 85%", "=~: unknown operator"),
        ("memory_used_ratio > 80% and processes > 3", 'and: one comparison stands alone; for "and" write a list'),
        (
            "memory_used_ratio > 80% or processes > 3",
            'or: one comparison stands alone; for "or" write the alternatives',
        ),
        ("80% < memory_used_ratio < 90%", "<: a second operator"),
        ("max(memory_used_bytes) > 1GiB", 'needs a window; write "max(memory_used_bytes, 5m)"'),
        ("increase(memory_oom_kills_total[5m]) > 0", 'write "increase(memory_oom_kills_total, 5m)"'),
        ("max_over_time(memory_used_bytes, 5m) > 1GiB", 'unknown function "max_over_time"; write "max"'),
        ("maximum(memory_used_bytes, 5m) > 1GiB", 'maximum: unknown function "maximum"; did you mean "max"?'),
        ("max(memory_used_bytes, 5) > 1GiB", '5: the window: "5" is no duration; write "5s"'),
        ("max(memory_used_bytes, 0s) > 1GiB", 'a window of "0s"; write one above 0s'),
        ("max(memory_used_bytes, 2d) > 1GiB", 'a window of "2d"; write one above 0s and at most 1d'),
        (
            "max(memory_oom_kills_total, 5m) > 0",
            'max: "max" takes no counter, and memory_oom_kills_total is one; write increase',
        ),
        (
            "rate(memory_used_bytes, 5m) > 1MiB/s",
            'rate: "rate" takes no gauge, and memory_used_bytes is one; write max',
        ),
        ("start_time_seconds > 5m", '"start_time_seconds" is a moment'),
    ],
)
def test_a_mistake_says_what_to_write(text: str, expected: str) -> None:
    assert any(expected in sentence for sentence in said(text)), said(text)


def test_every_mistake_of_a_comparison_is_found_at_once() -> None:
    assert [sentence.partition(":")[0] for sentence in said("maxi(memory_usd_bytes, 5) = 200M")] == [
        "maxi", "memory_usd_bytes", "5", "=",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [Kind.PROCESS, Kind.HOST])
def test_levels_are_of_containers_and_cgroups(kind: Kind) -> None:
    assert "of containers and cgroups only" in said("memory_used_ratio > alert_at", kind)[0]


NUMBERS = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])


@given(st.sampled_from(Op), NUMBERS, st.sampled_from(Op), NUMBERS)
def test_regions_are_where_comparisons_hold(one: Op, low: float, other: Op, high: float) -> None:
    holds = {
        Op.GT: lambda a, b: a > b, Op.GE: lambda a, b: a >= b, Op.LT: lambda a, b: a < b,
        Op.LE: lambda a, b: a <= b, Op.EQ: lambda a, b: a == b, Op.NE: lambda a, b: a != b,
    }  # fmt: skip
    tried = [x / 4 for x in range(-8, 13)]
    first = {x for x in tried if holds[one](x, low)}
    second = {x for x in tried if holds[other](x, high)}
    assert bool(both(region(one, low), region(other, high))) == bool(first & second)
    assert within(region(one, low), region(other, high)) == (first <= second)
    assert {x for x in tried if holds[INVERSE[one]](x, low)} == set(tried) - first


def test_an_interval_holds_itself_and_nothing_beyond() -> None:
    assert Interval(0, 1) in Interval(0, 1)
    assert Interval(0, 1) not in Interval(0, 1, high_open=True)
    assert Interval(0, 1, high_open=True) in Interval(0, 1)
