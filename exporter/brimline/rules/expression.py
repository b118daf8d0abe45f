"""One comparison between its text and its meaning: `parse` and `spell` are each other's inverse. Pure.

memory_used_ratio > 85%        increase(memory_oom_kills_total, 10m) > 0        memory_used_ratio > restart_at
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from brimline.errors import UnitError
from brimline.mistakes import did_you_mean
from brimline.model import Kind, MetricKind
from brimline.rules import quantity
from brimline.rules.slips import Slip, SlipError
from brimline.rules.terms import LEVELLED, LEVELS, OF_COUNTERS, Comparison, Func, Measure, Op, Operand, Unit, Vocabulary
from brimline.units import parse_duration, spell_duration

LONGEST_WINDOW: Final = 86_400.0  # seconds: every window is kept in memory
LEVELLED_KINDS: Final = frozenset({Kind.CONTAINER, Kind.CGROUP})  # those whose levels are served

_OPERATOR: Final = re.compile(r"[<>=!~]+")
_LIKELY: Final[Mapping[str, str]] = MappingProxyType({"=": "==", "=>": ">=", "=<": "<=", "<>": "!=", "=!": "!="})
_MIRRORED: Final[Mapping[str, str]] = MappingProxyType({"<": ">", "<=": ">=", ">": "<", ">=": "<="})
_JOINED: Final = re.compile(r"(?<=\s)(?:and|or|unless|&&|\|\|)(?=\s)", re.IGNORECASE)
_CALL: Final = re.compile(r"([A-Za-z_]\w*)\s*\((.*)\)", re.ASCII)
_RANGE: Final = re.compile(r"\s*(\w+)(?:\{.*\})?\s*\[(.*)\]\s*", re.ASCII)  # PromQL's


def parse(text: str, kind: Kind, vocabulary: Vocabulary) -> Comparison:
    """Read one comparison of a subject of the kind; raises SlipError with every mistake in it."""
    if joined := _JOINED.search(text):
        word = joined[0].lower()
        instead = 'the alternatives as a list below "any:"' if word in {"or", "||"} else 'a list: ["a > 1", "b > 2"]'
        raise SlipError([Slip(*_extent(joined), f'one comparison stands alone; for "{joined[0]}" write {instead}')])
    if text.count("(") != text.count(")"):
        message = 'a "(" or ")" without the other; within [...] put a comparison that holds a "," in quotes'
        raise SlipError([Slip(len(text) - len(text.lstrip()), max(1, len(text.strip())), message)])
    operators = list(_OPERATOR.finditer(text))
    if len(operators) > 1:
        raise SlipError([Slip(*_extent(operators[1]), "a second operator; write two comparisons as a list")])
    reading = _Reading(text, kind, vocabulary)
    comparison = reading.comparison(operators[0]) if operators else None
    if not operators:
        reading.slip(0, len(text), f'no comparison; write "measure > quantity", such as "{LEVELLED} > 85%"')
    if reading.slips or comparison is None:
        raise SlipError(sorted(reading.slips, key=lambda slip: slip.start))
    return comparison


def spell(comparison: Comparison) -> str:
    """Write the comparison so that `parse` reads the same."""
    return f"{spell_operand(comparison.operand)} {comparison.op} {spell_threshold(comparison)}"


def spell_threshold(comparison: Comparison) -> str:
    """Write the right side: `85%`, `restart_at`."""
    threshold = comparison.threshold
    return threshold if isinstance(threshold, str) else quantity.spell(threshold, comparison.operand.unit)


def spell_operand(operand: Operand) -> str:
    """Write the left side: `memory_used_ratio`, `max(memory_used_ratio, 5m)`."""
    if operand.func is None or operand.window is None:
        return operand.measure.name
    return f"{operand.func}({operand.measure.name}, {spell_duration(operand.window)})"


def _extent(found: re.Match[str]) -> tuple[int, int]:
    return found.start(), found.end() - found.start()


@dataclass(slots=True)
class _Reading:
    """One text, read from the left; every slip is kept with its place."""

    text: str
    kind: Kind
    vocabulary: Vocabulary
    slips: list[Slip] = field(default_factory=list)

    def slip(self, start: int, end: int, message: str) -> None:
        """Note a mistake, without the spaces around it."""
        part = self.text[start:end]
        start += len(part) - len(part.lstrip())
        self.slips.append(Slip(start, max(1, len(part.strip())), message))

    def comparison(self, operator: re.Match[str]) -> Comparison | None:
        """Read both sides of the operator."""
        left, right = self.text[: operator.start()].strip(), self.text[operator.end() :].strip()
        if left[:1].isdigit() and right[:1].isalpha() and operator[0] in _MIRRORED:
            instead = f"{right} {_MIRRORED[operator[0]]} {left}"
            self.slip(0, len(self.text), f'the measure stands on the left; write "{instead}"')
            return None
        op = next((op for op in Op if op == operator[0]), None)
        if op is None:
            hint = f'write "{_LIKELY[operator[0]]}"' if operator[0] in _LIKELY else f"write one of {', '.join(Op)}"
            self.slip(operator.start(), operator.end(), f'unknown operator "{operator[0]}"; {hint}')
        operand = self._operand(operator.start())
        if not right:
            example = quantity.EXAMPLES[operand.unit if operand else Unit.RATIO]
            self.slip(operator.start(), operator.end(), f'no quantity; write one, such as "{example}"')
            return None
        threshold = self._threshold(operator.end(), operand)
        return None if op is None or operand is None or threshold is None else Comparison(operand, op, threshold)

    def _operand(self, end: int) -> Operand | None:
        left = self.text[:end]
        start = len(left) - len(left.lstrip())
        call = _CALL.fullmatch(left.strip())
        if call is None:
            measure = self._measure(0, end)
            return None if measure is None else Operand(measure)
        func = self._func(start, call)
        inside, opens = call[2], start + call.start(2)
        if ranged := _RANGE.fullmatch(inside):
            instead = f"{call[1]}({ranged[1]}, {ranged[2] or '5m'})"
            self.slip(opens, opens + len(inside), f'a window stands behind a comma; write "{instead}"')
            return None
        name, comma, _ = inside.partition(",")
        measure = self._measure(opens, opens + len(name))
        if not comma:
            instead = f"{call[1]}({name.strip() or 'measure'}, 5m)"
            self.slip(start, start + call.end(), f'"{call[1]}" needs a window; write "{instead}"')
            return None
        window = self._window(opens + len(name) + 1, opens + len(inside))
        if func is None or measure is None:
            return None
        self._fits(func, measure, start, call)
        return None if window is None else Operand(measure, func, window)

    def _func(self, start: int, call: re.Match[str]) -> Func | None:
        found = next((func for func in Func if func == call[1]), None)
        if found is None:
            short = call[1].removesuffix("_over_time")
            hint = f'; write "{short}"' if short in set(Func) else did_you_mean(call[1], Func)
            self.slip(start, start + len(call[1]), f'unknown function "{call[1]}"{hint}')
        return found

    def _fits(self, func: Func, measure: Measure, start: int, call: re.Match[str]) -> None:
        counter = measure.metric.kind is MetricKind.COUNTER
        if counter == (func in OF_COUNTERS):
            return
        is_, instead = ("counter", "increase or rate") if counter else ("gauge", "max, min or avg")
        message = f'"{func}" takes no {is_}, and {measure.name} is one; write {instead}'
        self.slip(start, start + len(call[1]), message)

    def _window(self, start: int, end: int) -> float | None:
        text = self.text[start:end].strip()
        try:
            window = parse_duration(text)
        except UnitError as error:
            self.slip(start, end, f"the window: {error}")
            return None
        if not 0 < window <= LONGEST_WINDOW:
            longest = spell_duration(LONGEST_WINDOW)
            self.slip(start, end, f'a window of "{text}"; write one above 0s and at most {longest}, such as "5m"')
            return None
        return window

    def _measure(self, start: int, end: int) -> Measure | None:
        name = self.text[start:end].strip()
        measures = self.vocabulary[self.kind]
        if name not in measures:
            self.slip(start, end, self._unknown(name))
            return None
        if measures[name].unit is Unit.MOMENT:
            self.slip(start, end, f'"{name}" is a moment, which no quantity equals; it may stand in annotations only')
            return None
        return measures[name]

    def _unknown(self, name: str) -> str:
        measures = self.vocabulary[self.kind]
        bare = name.partition("{")[0].removeprefix(f"brimline_{self.kind}_")
        if not name:
            return f'no measure; write one, such as "{LEVELLED} > 85%"'
        if bare != name and bare in measures:
            narrowed = "; narrow the rule with where:" if "{" in name else ""
            return f'found "{name}"; write the measure alone, "{bare}"{narrowed}'
        said = f'a {self.kind} has no measure "{name}"'
        if others := [kind for kind in Kind if name in self.vocabulary[kind]]:
            return f'{said}, but "on: {others[0]}" has'
        if close := get_close_matches(name.lower(), sorted(measures), n=1, cutoff=0.6):
            return f'{said}; did you mean "{close[0]}"?'
        return f"{said}; docs/metrics.md lists them"

    def _threshold(self, start: int, operand: Operand | None) -> float | str | None:
        text = self.text[start:].strip()
        if text in LEVELS:
            if self.kind in LEVELLED_KINDS and (operand is None or operand.measure.name == LEVELLED):
                return text
            message = f'"{text}" is a level of {LEVELLED}, of containers and cgroups only; write a quantity'
            self.slip(start, len(self.text), message)
            return None
        if operand is None:
            return None
        unit = operand.unit
        try:
            return quantity.parse(text, unit)
        except UnitError as error:
            self.slip(start, len(self.text), self._refused(text, operand, unit, str(error)))
        return None

    def _refused(self, text: str, operand: Operand, unit: Unit, reason: str) -> str:
        if text in self.vocabulary[self.kind]:
            return f'"{text}" is a measure; write a quantity, such as "{quantity.EXAMPLES[unit]}"'
        if close := get_close_matches(text, LEVELS, n=1, cutoff=0.7):
            return f'"{text}" is no level; did you mean "{close[0]}"?'
        ratio = operand.measure.name.removesuffix("_bytes") + "_ratio"
        if unit is Unit.BYTES and text.endswith("%") and ratio in self.vocabulary[self.kind]:
            return f'{reason}, or compare "{ratio}"'
        return reason
