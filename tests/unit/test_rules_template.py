"""Annotations: checked at load, filled with numbers for people, n/a where there is nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brimline.model import Kind
from brimline.rules import expression, template
from brimline.rules.shown import show
from brimline.rules.slips import SlipError
from brimline.rules.terms import Condition, Unit
from unit.rule_texts import words


def condition(*alternatives: str) -> Condition:
    return Condition(tuple((expression.parse(text, Kind.CONTAINER, words()),) for text in alternatives))


HIGH = condition("memory_used_ratio > 85%")


def rendered(text: str, values: Mapping[str, str | float | None], when: Condition = HIGH) -> str:
    return template.render(template.parse(text, Kind.CONTAINER, when, words()), lambda part: values[part.name])


def said(text: str, when: Condition = HIGH, kind: Kind = Kind.CONTAINER) -> list[tuple[str, str]]:
    with pytest.raises(SlipError) as error:
        template.parse(text, kind, when, words())
    return [(text[slip.start : slip.start + slip.length], slip.message) for slip in error.value.slips]


def test_placeholders_are_filled_by_their_unit() -> None:
    text = "{container} holds {memory_used_ratio} of its {memory_limit_bytes}: {value} > {threshold}"
    values = {
        "container": "whisper",
        "memory_used_ratio": 0.8712,
        "memory_limit_bytes": 2**31,
        "value": 0.8712,
        "threshold": 0.85,
    }
    assert rendered(text, values) == "whisper holds 87.1 % of its 2 GiB: 87.1 % > 85.0 %"


def test_absent_is_not_zero() -> None:
    values: dict[str, str | float | None] = {"memory_swap_bytes": None, "compose_project": ""}
    assert rendered("{memory_swap_bytes} {compose_project}", values) == "n/a n/a"


def test_doubled_braces_are_braces() -> None:
    assert rendered("{{{container}}} {{}}", {"container": "x"}) == "{x} {}"
    found = template.parse("{{{container}}} {{}}", Kind.CONTAINER, HIGH, words())
    assert template.spell(found) == "{{{container}}} {{}}"


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("{contaner}", "{contaner}", 'did you mean "container"?'),
        ("{}", "{}", "write {container}"),
        ("{group}", "{group}", 'a container has no "group"'),
        ("{memory_pss_bytes}", "{memory_pss_bytes}", 'a container has no "memory_pss_bytes"'),
        ("a { b", "{", 'a single "{"; write "{{"'),
        ("a } b", "}", 'a single "}"; write "}}"'),
        ("{{ $value }} is high", "{{ $value }}", "this is how Prometheus writes it"),
        ("{{ humanize 3 }}", "{{ humanize 3 }}", "this is how Prometheus writes it"),
    ],
)
def test_a_mistake_says_what_to_write(text: str, word: str, expected: str) -> None:
    [(found, message)] = said(text)
    assert found == word
    assert expected in message


def test_every_mistake_is_found_at_once() -> None:
    assert [word for word, _ in said("{a} { {b}")] == ["{a}", "{", "{b}"]


def test_alternatives_must_agree_on_what_value_and_threshold_mean() -> None:
    mixed = condition("memory_used_ratio > 85%", "memory_available_bytes < 1MiB")
    assert "of several units" in said("{value}", mixed)[0][1]
    assert "of several units" in said("{threshold}", mixed)[0][1]
    levels = condition("memory_used_ratio > 85%", "max(memory_used_ratio, 1m) > 95%")
    assert "several thresholds" in said("{threshold}", levels)[0][1]
    assert rendered("{value}", {"value": 0.9}, levels) == "90.0 %"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.5 * 2**30, Unit.BYTES, "1.50 GiB"),
        (10 * 2**20, Unit.BYTES_PER_SECOND, "10 MiB/s"),
        (0.2, Unit.SECONDS_PER_SECOND, "20.0 %"),
        (95.0, Unit.SECONDS, "1m 35s"),
        (3.0, Unit.COUNT, "3"),
        (1234567.0, Unit.COUNT, "1234567"),
        (2.34567, Unit.COUNT, "2.346"),
        (1.0, Unit.FLAG, "1"),
        (5.5, Unit.PER_SECOND, "5.5/s"),
        (math.inf, Unit.BYTES, "inf"),
        (math.nan, Unit.COUNT, "nan"),
        (None, Unit.RATIO, "n/a"),
    ],
)
def test_numbers_for_people(value: float | None, unit: Unit, text: str) -> None:
    assert show(value, unit) == text


@given(st.integers(0, 253_402_300_799))
def test_a_moment_is_a_date(seconds: int) -> None:
    expected = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    assert show(float(seconds), Unit.MOMENT) == re.sub(r"^\d+", lambda year: year[0].zfill(4), expected)
