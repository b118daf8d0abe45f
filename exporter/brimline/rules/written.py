"""A RuleSet as the data of a rule file that loads to the same rules; for people, pages and machines. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TypeAlias

from brimline.rules import expression, template
from brimline.rules.quantity import spell
from brimline.rules.terms import ALERT_AT, RESTART_AT, Comparison, Rule, RuleSet, Unit
from brimline.units import spell_duration

Written: TypeAlias = "dict[str, Written] | list[Written] | str"


def as_text(rules: RuleSet) -> str:
    """Return a rule file: JSON, which is YAML too."""
    return json.dumps(as_data(rules), indent=2, ensure_ascii=False) + "\n"


def as_data(rules: RuleSet) -> Written:
    """Return the rule file's data; groups of the same name become one."""
    groups = dict.fromkeys(rule.group for rule in rules.rules)
    levels: Written = {
        ALERT_AT: spell(rules.levels.alert_at, Unit.RATIO),
        RESTART_AT: spell(rules.levels.restart_at, Unit.RATIO),
    }
    found: list[Written] = [
        {"name": group, "rules": [rule_data(rule) for rule in rules.rules if rule.group == group]} for group in groups
    ]
    return {"levels": levels, "groups": found}


def rule_data(rule: Rule) -> Written:
    """Return one rule's mapping, without the keys it does not need."""
    found: dict[str, Written] = {"alert": rule.alert, "on": str(rule.kind)}
    if rule.selector.patterns:
        found["where"] = {pattern.label: pattern.text for pattern in rule.selector.patterns}
    alternatives = [_all(alternative) for alternative in rule.when.alternatives]
    if len(alternatives) == 1:
        found["when"] = alternatives[0]
    else:
        found["any"] = alternatives
    if rule.for_seconds:
        found["for"] = spell_duration(rule.for_seconds)
    if rule.clear is not None:
        found["clear"] = expression.spell(rule.clear)
    if rule.keep_firing_seconds:
        found["keep_firing_for"] = spell_duration(rule.keep_firing_seconds)
    if rule.severity:
        found["severity"] = rule.severity
    if rule.labels:
        found["labels"] = dict(rule.labels)
    if rule.annotations:
        found["annotations"] = {name: template.spell(text) for name, text in rule.annotations}
    if rule.actions:
        found["do"] = list(rule.actions)
    return found


def _all(comparisons: Iterable[Comparison]) -> Written:
    texts: list[Written] = [expression.spell(comparison) for comparison in comparisons]
    return texts[0] if len(texts) == 1 else texts
