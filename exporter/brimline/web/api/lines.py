"""Rules, sources, pauses and lines of the journal as the API shows them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from brimline.deeds import Entry, Pause
from brimline.model import SourceStatus, Subject
from brimline.rules import clauses, expression, template
from brimline.rules.terms import Rule, RuleSet
from brimline.web.api.about import (
    EntryAnswer,
    Journal,
    PauseAnswer,
    RuleAnswer,
    Rules,
    SourceAnswer,
    SubjectAnswer,
)


def rules(found: RuleSet) -> Rules:
    """Return the rules in the order of their files."""
    levels = found.levels
    return Rules(alert_at=levels.alert_at, restart_at=levels.restart_at, rules=tuple(map(_rule, found.rules)))


def journal(entries: Sequence[Entry], limit: int) -> Journal:
    """Return a page of so many lines; where there is one more, another page follows."""
    page = entries[:limit]
    following = str(page[-1].seq) if len(entries) > limit else None
    return Journal(entries=tuple(map(_entry, page)), next=following)


def source(status: SourceStatus) -> SourceAnswer:
    """Return a source's health."""
    return SourceAnswer(
        source=status.source,
        up=status.up,
        seconds=status.seconds,
        error=status.error,
        errors_total=status.errors_total,
        info=dict(status.info),
    )


def pause(found: Pause) -> PauseAnswer:
    """Return a pause."""
    return PauseAnswer(glob=found.glob, at=found.at, until=found.until, caller=found.caller)


def _rule(rule: Rule) -> RuleAnswer:
    return RuleAnswer(
        name=rule.name,
        group=rule.group,
        alert=rule.alert,
        kind=rule.kind,
        where={pattern.label: pattern.text for pattern in rule.selector.patterns},
        when=clauses.spell(rule.when),
        clear=None if rule.clear is None else expression.spell(rule.clear),
        for_seconds=rule.for_seconds,
        keep_firing_seconds=rule.keep_firing_seconds,
        severity=rule.severity,
        labels=dict(rule.labels),
        annotations={name: template.spell(text) for name, text in rule.annotations},
        actions=rule.actions,
        source=rule.where,
    )


def _entry(entry: Entry) -> EntryAnswer:
    return EntryAnswer(
        seq=entry.seq,
        at=entry.at.wall,
        kind=entry.kind,
        text=entry.text,
        subject=None if entry.subject is None else _subject(entry.subject),
        action=entry.action,
        decision_id=entry.decision_id,
        facts=dict(entry.facts),
    )


def _subject(subject: Subject) -> SubjectAnswer:
    return SubjectAnswer(kind=subject.kind, name=subject.name, labels=subject.labels, uid=subject.uid)
