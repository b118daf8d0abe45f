"""Comparisons and conditions in PromQL: the same subjects, the same numbers, the same truth. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from brimline.model import Kind
from brimline.rules import selector
from brimline.rules.quantity import plain
from brimline.rules.terms import LEVELS, Comparison, Condition, Func, Pattern, Rule, Selector
from brimline.units import spell_duration

_FUNCTIONS: Final[Mapping[Func, str]] = MappingProxyType(
    {
        Func.INCREASE: "increase",
        Func.RATE: "rate",
        Func.MAX: "max_over_time",
        Func.MIN: "min_over_time",
        Func.AVG: "avg_over_time",
    }
)


def expression(rule: Rule) -> str:
    """Return `expr`: the condition, and with `clear` also what keeps a firing alert firing until it is met.

    A pending alert never takes the second way: ALERTS holds it with another alertstate. The labels that ALERTS has
    beside the series' own are ignored in matching, and only those: another rule of the same name stays apart.
    """
    when = _condition(rule.when, rule.selector)
    if not rule.stays:
        return when
    own = {"alertname": rule.alert, "alertstate": "firing", **dict(rule.all_labels)}
    alerts = ",".join(f"{label}={quoted(value)}" for label, value in own.items())
    stays = " and ".join(_comparison(comparison, rule.selector) for comparison in rule.stays)
    return f"({when}) or ({stays} and ignoring ({', '.join(own)}) ALERTS{{{alerts}}})"


def quoted(text: str) -> str:
    """Return the text as a PromQL string: Go's escapes."""
    plainly = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
    return '"' + "".join(plainly.get(char, char) for char in text) + '"'


def _condition(condition: Condition, selector_: Selector) -> str:
    alternatives = [
        " and ".join(_comparison(c, selector_) for c in alternative) for alternative in condition.alternatives
    ]
    if len(alternatives) == 1:
        return alternatives[0]
    return " or ".join(f"({text})" for text in alternatives)


def _comparison(comparison: Comparison, selector_: Selector) -> str:
    operand = comparison.operand
    series = operand.measure.metric.name + _matchers(selector_)
    if operand.func is not None and operand.window is not None:
        series = f"{_FUNCTIONS[operand.func]}({series}[{spell_duration(operand.window)}])"
    if isinstance(comparison.threshold, str):
        level = level_series(selector_.kind, comparison.threshold)
        return f"{series} {comparison.op} ignoring (level) {level}"
    return f"{series} {comparison.op} {plain(comparison.threshold)}"


def level_series(kind: Kind, name: str, more: str = "") -> str:
    """Return the series of a level in force."""
    return f'brimline_{kind}_memory_threshold_ratio{{level="{LEVELS[name]}"{more}}}'


def _matchers(selector_: Selector) -> str:
    matchers = ",".join(map(_matcher, selector_.patterns))
    return f"{{{matchers}}}" if matchers else ""


def _matcher(pattern: Pattern) -> str:
    exactly = selector.literal(pattern)
    if exactly is not None:
        return f"{pattern.label}{'!=' if pattern.negated else '='}{quoted(exactly)}"
    return f"{pattern.label}{'!~' if pattern.negated else '=~'}{quoted(pattern.regex)}"
