"""What is doubtful in rules that load: they hold never or always, restart at once, say it twice. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import inf
from typing import Final

from brimline.errors import Problem
from brimline.model import Kind, MetricKind
from brimline.rules import expression, overlap, quantity, selector
from brimline.rules.regions import NOT_NEGATIVE, UP_TO_ONE, Interval, Region, both, region, within
from brimline.rules.terms import Comparison, Operand, Pattern, Rule, RuleSet, Unit

_NEVER_EMPTY: Final = frozenset({"container", "cgroup", "group"})
# https://github.com/moby/moby/blob/v27.0.0/daemon/names/names.go: what a container's name may consist of.
_NOT_IN_CONTAINER_NAMES: Final = re.compile(r"[^\w.\-]", re.ASCII)
_SHARE_OF_TIME: Final = re.compile(r"memory_pressure_(some|full)_ratio", re.ASCII)


def lint(rules: RuleSet) -> list[Problem]:
    """Return every warning, in the order of the rules."""
    found: list[Problem] = []
    for rule in rules.rules:
        sentences = [*_conditions(rule), *_selector(rule), *_restart(rule), *_counters(rule)]
        sentences += [] if _impossible(rule) else overlap.sentences(rule, rules.rules)
        found += [Problem(rule.where, f'rule "{rule.alert}": {sentence}') for sentence in sentences]
    return found


def _conditions(rule: Rule) -> Iterator[str]:
    reasons = [why for alternative in rule.when.alternatives if (why := _never(alternative, rule.kind))]
    if _impossible(rule):
        yield f"it can never fire: {'; '.join(reasons)}"
    else:
        yield from (f"one alternative can never hold: {why}" for why in reasons)
    for alternative in rule.when.alternatives:
        if all(_always(comparison, rule.kind) for comparison in alternative):
            yield f"it fires for whatever has the measure: {_listed(alternative)} always holds"


def _impossible(rule: Rule) -> bool:
    return all(_never(alternative, rule.kind) for alternative in rule.when.alternatives)


def _never(comparisons: Sequence[Comparison], kind: Kind) -> str:
    """Return why the comparisons never hold together, or nothing."""
    for operand in dict.fromkeys(comparison.operand for comparison in comparisons):
        same = [c for c in comparisons if c.operand == operand and not isinstance(c.threshold, str)]
        natural = _natural(operand, kind)
        met: Region = (natural,)
        for comparison in same:
            met = both(met, _region(comparison))
        if met:
            continue
        possible = [comparison for comparison in same if both((natural,), _region(comparison))]
        if len(possible) == len(same):
            return f"{_listed(same)} exclude each other"
        refused = next(comparison for comparison in same if comparison not in possible)
        unit = operand.unit
        top = "" if natural.high == inf else f" or above {quantity.spell(natural.high, unit)}"
        return f'"{expression.spell(refused)}", and the measure is never below {quantity.spell(0.0, unit)}{top}'
    return ""


def _always(comparison: Comparison, kind: Kind) -> bool:
    if isinstance(comparison.threshold, str):
        return False
    return within((_natural(comparison.operand, kind),), _region(comparison))


def _natural(operand: Operand, kind: Kind) -> Interval:
    """Return the numbers a measure can be: a group's own limit and a declared one may be exceeded, the host's not."""
    measure = operand.measure
    share = measure.unit is Unit.RATIO and (kind is Kind.HOST or _SHARE_OF_TIME.fullmatch(measure.name))
    return UP_TO_ONE if share or measure.unit is Unit.FLAG else NOT_NEGATIVE


def _region(comparison: Comparison) -> Region:
    return region(comparison.op, float(comparison.threshold))


def _listed(comparisons: Sequence[Comparison]) -> str:
    return " and ".join(f'"{expression.spell(comparison)}"' for comparison in comparisons)


def _selector(rule: Rule) -> Iterator[str]:
    for pattern in rule.selector.patterns:
        if why := _no_match(pattern):
            yield f'"where" matches nothing: {why}'
    texts = {pattern.label: pattern.text for pattern in rule.selector.patterns}
    if texts.get("compose_project") == "" and texts.get("compose_service", "") not in {"", "*"}:
        yield '"where" matches nothing: a compose_service has a compose_project'


def _no_match(pattern: Pattern) -> str:
    exactly = selector.literal(pattern)
    if pattern.negated and not pattern.regex.replace(".*", ""):
        return f'"{pattern.text}" excludes every {pattern.label}' if pattern.regex else ""  # "!": whatever has one
    if pattern.negated:
        return ""
    if exactly == "":
        return f"no {pattern.label} is empty" if pattern.label in _NEVER_EMPTY else ""
    plain = re.sub(r"\[[^\]]*\]|[*?]", "", pattern.text)
    if pattern.label == "container" and (strange := _NOT_IN_CONTAINER_NAMES.search(plain)):
        hint = "; write compose_project and compose_service apart" if strange[0] == "/" else ""
        return f'no container\'s name holds "{strange[0]}"{hint}'
    return ""


def _restart(rule: Rule) -> Iterator[str]:
    if "restart" in rule.actions and not rule.for_seconds:
        yield 'it restarts at the first sample that meets it; write "for: 30s"'


def _counters(rule: Rule) -> Iterator[str]:
    for comparison in dict.fromkeys(c for alternative in rule.when.alternatives for c in alternative):
        operand = comparison.operand
        if operand.func is None and operand.measure.metric.kind is MetricKind.COUNTER:
            instead = f'"increase({operand.measure.name}, 10m) > 0"'
            yield f"{operand.measure.name} is a counter and never falls, so the alert never resolves; write {instead}"
