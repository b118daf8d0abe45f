"""Annotations: `{container} holds {memory_used_ratio}`. Pure; placeholders are checked at load, absent is n/a."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from brimline.mistakes import did_you_mean
from brimline.model import SUBJECT_LABELS, Kind
from brimline.rules.shown import show
from brimline.rules.slips import Slip, SlipError
from brimline.rules.terms import Condition, Placeholder, Slot, Template, Vocabulary

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_PROMETHEUS: Final = re.compile(r"\{\{\s*(?:\$|-|humanize|with|query|\.)[^}]*(?:\}\})?")


def parse(text: str, kind: Kind, condition: Condition | None, vocabulary: Vocabulary) -> Template:
    """Read an annotation of a rule; raises SlipError with every mistake. Without a condition, its slots pass."""
    slips: list[Slip] = []
    parts: list[str | Placeholder] = []
    if foreign := _PROMETHEUS.search(text):
        message = 'this is how Prometheus writes it; write "{value}", "{container}" or "{memory_used_ratio}"'
        raise SlipError([Slip(foreign.start(), len(foreign[0]), message)])
    end = 0
    for token in _TOKEN.finditer(text):
        parts.append(text[end : token.start()])
        end = token.end()
        if token[1] is None:
            if len(token[0]) == 1:
                slips.append(Slip(token.start(), 1, f'a single "{token[0]}"; write "{token[0] * 2}" for a brace'))
            parts.append(token[0][0])
            continue
        found = _placeholder(token[1].strip(), kind, condition, vocabulary)
        if isinstance(found, str):
            slips.append(Slip(token.start(), len(token[0]), found))
        else:
            parts.append(found)
    if slips:
        raise SlipError(slips)
    return Template(tuple(_joined([*parts, text[end:]])))


def _joined(parts: list[str | Placeholder]) -> Iterator[str | Placeholder]:
    """Yield the parts with neighbouring texts as one, and no empty one."""
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        if text:
            yield text
        yield part
        text = ""
    if text:
        yield text


def _placeholder(name: str, kind: Kind, condition: Condition | None, vocabulary: Vocabulary) -> Placeholder | str:
    """Return what fills `{name}`, or what is wrong with it."""
    measures = vocabulary[kind]
    if name in SUBJECT_LABELS[kind]:
        return Placeholder(name, Slot.LABEL)
    if name in measures:
        return Placeholder(name, Slot.MEASURE, measures[name].unit, measures[name])
    if name in {"value", "threshold"}:
        return _of_condition(name, condition)
    known = [*SUBJECT_LABELS[kind], *measures, "value", "threshold"]
    hint = did_you_mean(name, known) if name else ""
    if not hint.startswith("; did"):
        hint = f"; write {_among(kind)}"
    return f'a {kind} has no "{name}"{hint}'


def _among(kind: Kind) -> str:
    labels = "".join(f"{{{label}}}, " for label in SUBJECT_LABELS[kind])
    return f'{labels}{{value}}, {{threshold}} or a measure, or "{{{{" for a brace'


def _of_condition(name: str, condition: Condition | None) -> Placeholder | str:
    """Return the slot of what is compared first; alternatives must agree, or a text could not say which one held."""
    slot = Slot(name)
    if condition is None:
        return Placeholder(name, slot)
    firsts = [alternative[0] for alternative in condition.alternatives]
    found = {first.operand.unit for first in firsts}
    if len(found) > 1:
        return f'"{name}" is of several units in these alternatives; write the measures, or one rule for each'
    if slot is Slot.THRESHOLD and len({first.threshold for first in firsts}) > 1:
        return "the alternatives have several thresholds; write the number, or one rule for each"
    return Placeholder(name, slot, found.pop())


def spell(template: Template) -> str:
    """Write the template so that `parse` reads the same."""
    return "".join(
        part.replace("{", "{{").replace("}", "}}") if isinstance(part, str) else f"{{{part.name}}}"
        for part in template.parts
    )


def render(template: Template, fill: Callable[[Placeholder], str | float | None]) -> str:
    """Fill the placeholders; `fill` returns a label, a number, or None for what is absent."""
    return "".join(part if isinstance(part, str) else show(fill(part), part.unit) for part in template.parts)
