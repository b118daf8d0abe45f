"""Annotations as Prometheus's templates: the same words, the numbers as its humanize functions write them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from brimline.model import SUBJECT_LABELS, Kind
from brimline.rules.promql import level_series
from brimline.rules.shown import ABSENT, show
from brimline.rules.terms import Levels, Placeholder, Rule, Slot, Template, Unit

# Labels that a scrape adds: with them a query finds the same Brimline's series.
_SCRAPED: Final = ("instance", "job")
_MAY_BE_MISSING: Final = frozenset({"compose_project", "compose_service"})
_HUMANIZED: Final[Mapping[Unit, str]] = MappingProxyType(
    {
        Unit.BYTES: "{{ %s | humanize1024 }}B",
        Unit.BYTES_PER_SECOND: "{{ %s | humanize1024 }}B/s",
        Unit.RATIO: "{{ %s | humanizePercentage }}",
        Unit.SECONDS_PER_SECOND: "{{ %s | humanizePercentage }}",
        Unit.SECONDS: "{{ %s | humanizeDuration }}",
        Unit.MOMENT: "{{ %s | humanizeTimestamp }}",
        Unit.COUNT: "{{ %s | humanize }}",
        Unit.FLAG: "{{ %s }}",
        Unit.PER_SECOND: "{{ %s | humanize }}/s",
    }
)


def annotation(template: Template, rule: Rule, levels: Levels) -> str:
    """Return the template as Prometheus writes it."""
    parts = (_text(part) if isinstance(part, str) else _placeholder(part, rule, levels) for part in template.parts)
    return "".join(parts)


def _text(text: str) -> str:
    """Write a brace as what prints one: two of them would begin an action."""
    return text.replace("{", '{{ "{" }}')


def _placeholder(part: Placeholder, rule: Rule, levels: Levels) -> str:
    match part.slot:
        case Slot.LABEL:
            label = f"$labels.{part.name}"
            return f'{{{{ or {label} "{ABSENT}" }}}}' if part.name in _MAY_BE_MISSING else f"{{{{ {label} }}}}"
        case Slot.VALUE:
            return _humanized("$value", part.unit)
        case Slot.THRESHOLD:
            threshold = rule.when.alternatives[0][0].threshold
            if isinstance(threshold, str):
                default = levels.alert_at if threshold == "alert_at" else levels.restart_at
                series = level_series(rule.kind, threshold, "," + _same(rule.kind))
                return _query(series, rule.kind, part.unit, show(default, part.unit))
            return show(threshold, part.unit)
        case Slot.MEASURE:
            firsts = {alternative[0].operand for alternative in rule.when.alternatives}
            if part.measure is not None and all(o.func is None and o.measure is part.measure for o in firsts):
                return _humanized("$value", part.unit)
            name = f"brimline_{rule.kind}_{part.name}"
            return _query(f"{name}{{{_same(rule.kind)}}}", rule.kind, part.unit, ABSENT)


def _humanized(value: str, unit: Unit | None) -> str:
    return _HUMANIZED[unit or Unit.COUNT] % value


def _same(kind: Kind) -> str:
    """Return the matchers of the alert's own subject, to be filled by printf."""
    return ",".join(f"{label}=%q" for label in (*SUBJECT_LABELS[kind], *_SCRAPED))


def _query(series: str, kind: Kind, unit: Unit | None, otherwise: str) -> str:
    """Return what prints a series of the alert's own subject, or `otherwise` where there is none."""
    labels = " ".join(f"$labels.{label}" for label in (*SUBJECT_LABELS[kind], *_SCRAPED))
    found = _humanized(". | first | value", unit)
    return f"{{{{ with printf `{series}` {labels} | query }}}}{found}{{{{ else }}}}{otherwise}{{{{ end }}}}"
