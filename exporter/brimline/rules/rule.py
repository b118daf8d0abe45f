"""One rule, from its mapping to its meaning; what cannot be meant is refused where it stands. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from hashlib import blake2s
from types import MappingProxyType
from typing import Final

from brimline.mistakes import did_you_mean
from brimline.model import SUBJECT_LABELS, Kind
from brimline.options import describe
from brimline.rules import clauses, expression, selector, template
from brimline.rules.shape import Page
from brimline.rules.terms import Condition, Names, Pattern, Rule, Selector, Template, Vocabulary
from brimline.units import parse_duration
from brimline.yamlfile import Path

KEYS: Final = (
    "alert",
    "on",
    "where",
    "when",
    "any",
    "for",
    "clear",
    "keep_firing_for",
    "severity",
    "labels",
    "annotations",
    "do",
)  # fmt: skip - as they are usually written, in this order
_FOREIGN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "expr": 'write "when: memory_used_ratio > 85%"',
        "record": "Prometheus records series, rules here only alert; remove it",
        "kind": 'did you mean "on"?',
        "selector": 'did you mean "where"?',
        "if": 'did you mean "when"?',
        "actions": 'did you mean "do"?',
    }
)
_KINDS: Final = ", ".join(Kind)
_CHANGING: Final = "a label holds no placeholder, or each new value would be another alert; write an annotation"
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Labels Prometheus itself gives a series or an alert, beside the subject's: a rule's own would change which is which.
_TAKEN: Final = frozenset({"alertname", "alertstate", "instance", "job"})


def read(page: Page, path: Path, group: str, names: Names) -> Rule | None:
    """Read the rule at the path as far as it can be read; None where not even its name can."""
    page.about = f'rule {int(path[-1]) + 1} of "{group}": '
    found = page.mapping(path)
    if not found:
        return None
    alert = page.word((*path, "alert"), "InferenceMemoryHigh") if "alert" in found else None
    if alert:
        page.about = f'rule "{alert}": '
    page.mapping(path, KEYS, _FOREIGN)
    if "alert" not in found:
        page.refuse(path, 'missing key "alert"; write "alert: InferenceMemoryHigh"')
    kind = _kind(page, path)
    when = clauses.read(page, path, kind, names.vocabulary)
    clear = clauses.read_clear(page, path, kind, when, names) if "clear" in found else None
    rule = Rule(
        group=group,
        alert=alert or "",
        kind=kind or Kind.CONTAINER,
        selector=Selector(kind or Kind.CONTAINER, _where(page, path, kind)),
        when=when or Condition(()),
        clear=clear,
        for_seconds=_duration(page, path, "for"),
        keep_firing_seconds=_duration(page, path, "keep_firing_for"),
        severity=_severity(page, path) if "severity" in found else "",
        labels=_labels(page, path, kind),
        annotations=_annotations(page, path, kind, when, names.vocabulary),
        actions=_actions(page, path, kind, names.actions),
        where=page.document.where(path).rpartition(":")[0],
        fingerprint="",
    )
    return replace(rule, fingerprint=fingerprint(rule)) if alert else None


def fingerprint(rule: Rule) -> str:
    """Return what stays the same as long as the rule decides the same: a reload keeps the timers of such rules."""
    decisive = (
        rule.name,
        rule.kind,
        *(f"{pattern.label}={pattern.text}" for pattern in rule.selector.patterns),
        clauses.spell(rule.when),
        "" if rule.clear is None else expression.spell(rule.clear),
        str(rule.for_seconds),
        str(rule.keep_firing_seconds),
    )
    return blake2s("\0".join(decisive).encode(), digest_size=8).hexdigest()


def _kind(page: Page, path: Path) -> Kind | None:
    here = (*path, "on")
    found = page.mapping(path)
    if "on" not in found:
        page.refuse(path, f'missing key "on"; write "on: container", or one of {_KINDS}')
        return None
    written = page.text(here, "container")
    if written is None or written in set(Kind):
        return None if written is None else Kind(written)
    close = get_close_matches(written.lower(), list(Kind), n=1, cutoff=0.6)
    hint = f'did you mean "{close[0]}"?' if close else f"write one of {_KINDS}"
    page.refuse(here, f"on: found {describe(written)}; {hint}")
    return Kind(close[0]) if close else None  # so that the rest of the rule is read too


def _duration(page: Page, path: Path, key: str) -> float:
    if key not in page.mapping(path):
        return 0.0
    return page.quantity((*path, key), parse_duration, "30s") or 0.0


def _where(page: Page, path: Path, kind: Kind | None) -> tuple[Pattern, ...]:
    if "where" not in page.mapping(path):
        return ()
    here = (*path, "where")
    patterns = []
    for label in page.mapping(here):
        if kind is not None and label not in SUBJECT_LABELS[kind]:
            known = SUBJECT_LABELS[kind]
            hint = did_you_mean(label, known) if known else "; remove it: there is one host"
            page.refuse((*here, label), f'where: a {kind} has no label "{label}"{hint}', key=True)
            continue
        text = page.text((*here, label), "whisper-*")
        if text is not None:
            pattern = page.read((*here, label), text, partial(selector.parse, label), label)
            patterns += [] if pattern is None else [pattern]
    return tuple(patterns)


def _severity(page: Page, path: Path) -> str:
    here = (*path, "severity")
    severity = page.word(here, "critical") or ""
    if "{" in severity:
        page.refuse(here, f"severity: {_CHANGING}")
    return severity


def _labels(page: Page, path: Path, kind: Kind | None) -> tuple[tuple[str, str], ...]:
    if "labels" not in page.mapping(path):
        return ()
    here = (*path, "labels")
    labels = []
    for label in page.mapping(here):
        value = page.word((*here, label), "ml")
        if refused := _refused_label(label, value or "", kind):
            page.refuse((*here, label), f"labels: {refused}", key=True)
        elif value is not None:
            labels.append((label, value))
    return tuple(sorted(labels))


def _refused_label(label: str, value: str, kind: Kind | None) -> str:
    """Return what is wrong with a label of a rule, or nothing."""
    if label == "severity":
        return 'write "severity: ..." beside "labels:", not in it'
    if kind is not None and label in SUBJECT_LABELS[kind]:
        return f'every {kind} has a label "{label}" of its own; rename it'
    if label in _TAKEN or label.startswith("__"):
        return f'"{label}" is Prometheus\'s own; rename it'
    if not _LABEL.fullmatch(label):
        return f'"{label}" is no label name; write letters, digits and "_"'
    return _CHANGING if "{" in value else ""


def _annotations(
    page: Page, path: Path, kind: Kind | None, when: Condition | None, vocabulary: Vocabulary
) -> tuple[tuple[str, Template], ...]:
    if "annotations" not in page.mapping(path):
        return ()
    here = (*path, "annotations")
    annotations = []
    for name in page.mapping(here):
        if not _LABEL.fullmatch(name):
            page.refuse((*here, name), f'annotations: "{name}" is no name; write letters, digits and "_"', key=True)
        text = page.text((*here, name), "{container} holds {memory_used_ratio}")
        if text is not None and kind is not None:
            parse = partial(template.parse, kind=kind, condition=when, vocabulary=vocabulary)
            parsed = page.read((*here, name), text, parse, name)
            annotations += [] if parsed is None else [(name, parsed)]
    return tuple(annotations)


def _actions(page: Page, path: Path, kind: Kind | None, known: Mapping[str, frozenset[Kind]]) -> tuple[str, ...]:
    if "do" not in page.mapping(path):
        return ()
    actions: list[str] = []
    for here in page.items((*path, "do"), "[notify]"):
        action = page.text(here, "notify")
        if action is None:
            continue
        if action not in known:
            page.refuse(here, f'do: unknown action "{action}"{did_you_mean(action, known)}')
        elif kind is not None and kind not in known[action]:
            possible = " and ".join(f'"on: {k}"' for k in Kind if k in known[action])
            page.refuse(here, f'do: "{action}" is impossible for a {kind}; it is for {possible}')
        elif action in actions:
            page.refuse(here, f'do: "{action}" is written twice; remove one')
        else:
            actions.append(action)
    return tuple(actions)
