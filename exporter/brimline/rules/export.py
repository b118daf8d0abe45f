"""Rule files for Prometheus: for each rule the twin that fires and resolves at the same evaluations. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from brimline.rules.annotation import annotation
from brimline.rules.promql import expression
from brimline.rules.terms import Levels, Rule, RuleSet
from brimline.units import spell_duration, spell_ratio

_PLAIN: Final = re.compile(
    r"[A-Za-z][\w.-]*(?: [\w.-]+)*|(?:[0-9]+(?:ms|[smhdwy]))+", re.ASCII
)  # needs no quotes in YAML
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})  # which YAML takes for others

HEADER: Final = """\
# The same rules for Prometheus (2.42 or later), written by "brimline rules export"; edit the rules, not this file.
#
# Each alert fires and resolves at the same evaluations as Brimline's own. By design the two differ in this:
# - unknown: while a source fails, Brimline keeps every phase and stops its clocks; here the series are gone and the
#   alert resolves, or starts anew;
# - a new incarnation: when a container is restarted or made anew, Brimline's alert resolves at once; here the series
#   goes on, and so does the alert, until a value says otherwise;
# - the start period: here an alert is only an alert. Brimline acts on none before a container's first healthy check or
#   the end of its start period;
# - windows: a range here reaches over restarts of Brimline, which begins its windows anew; and Prometheus before 3.0
#   counts a sample that stands exactly where a range begins, Prometheus 3 and Brimline do not;
# - levels: alert_at ({alert_at}) and restart_at ({restart_at}) are read from what Brimline serves for each subject.
"""


Twin: TypeAlias = "dict[str, str | dict[str, str]]"  # a Prometheus alerting rule


def twin(rule: Rule, levels: Levels) -> Twin:
    """Return the rule as a Prometheus alerting rule."""
    found: Twin = {"alert": rule.alert, "expr": expression(rule)}
    if rule.for_seconds:
        found["for"] = spell_duration(rule.for_seconds)
    if rule.keep_firing_seconds:
        found["keep_firing_for"] = spell_duration(rule.keep_firing_seconds)
    if rule.all_labels:
        found["labels"] = dict(rule.all_labels)
    if rule.annotations:
        found["annotations"] = {name: annotation(template, rule, levels) for name, template in rule.annotations}
    return found


def document(rules: RuleSet) -> str:
    """Return the whole rule file; groups of the same name become one."""
    return "\n".join([*_header(rules.levels), "groups:", *_groups(rules)]) + "\n"


def _header(levels: Levels) -> list[str]:
    text = HEADER.format(alert_at=spell_ratio(levels.alert_at), restart_at=spell_ratio(levels.restart_at))
    return text.splitlines()


def _groups(rules: RuleSet) -> Iterator[str]:
    for group in dict.fromkeys(rule.group for rule in rules.rules):
        yield f"  - name: {_scalar(group)}"
        yield "    rules:"
        for rule in rules.rules:
            if rule.group == group:
                yield from _rule(twin(rule, rules.levels))


def _rule(found: Twin) -> Iterator[str]:
    lead = "      - "
    for key, value in found.items():
        if isinstance(value, str):
            yield f"{lead}{key}: {_scalar(value)}"
        else:
            yield f"{lead}{key}:"
            for name, text in value.items():
                yield f"          {name}: {_scalar(text)}"
        lead = "        "


def _scalar(text: str) -> str:
    """Write a text in YAML: plainly, in single quotes, or with escapes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text)
