"""Rules that say the same thing twice: whenever one fires, another of the same severity fires for the subject. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from brimline.rules import selector
from brimline.rules.regions import region, within
from brimline.rules.terms import Comparison, Rule, Selector


def sentences(rule: Rule, rules: Sequence[Rule]) -> Iterator[str]:
    """Yield a sentence for each rule that makes this one superfluous; of two alike only the later one is."""
    here = rules.index(rule)
    for index, other in enumerate(rules):
        if other is not rule and _covers(other, rule) and not (index > here and _covers(rule, other)):
            yield (
                f'whenever it fires, "{other.alert}" ({other.where}) fires with the same severity; '
                'remove one, or tell them apart by "where" or "severity"'
            )


def _covers(wide: Rule, narrow: Rule) -> bool:
    """Return whether the narrow rule adds nothing: a shorter `for` or another action would be a reason to have it."""
    return (
        wide.kind is narrow.kind
        and wide.severity == narrow.severity
        and wide.for_seconds <= narrow.for_seconds
        and set(narrow.actions) <= set(wide.actions)
        and _may_meet(wide.selector, narrow.selector)
        and all(
            any(_follows(narrow_all, wide_all) for wide_all in wide.when.alternatives)
            for narrow_all in narrow.when.alternatives
        )
    )


def _follows(given: Sequence[Comparison], wanted: Sequence[Comparison]) -> bool:
    """Return whether all that is wanted holds wherever all that is given does."""
    return all(any(_implies(one, other) for one in given) for other in wanted)


def _implies(one: Comparison, other: Comparison) -> bool:
    if one == other:
        return True
    if one.operand != other.operand or isinstance(one.threshold, str) or isinstance(other.threshold, str):
        return False
    return within(region(one.op, one.threshold), region(other.op, other.threshold))


def _may_meet(one: Selector, other: Selector) -> bool:
    """Return whether a subject might match both: what cannot be told counts as yes."""
    theirs = {pattern.label: pattern for pattern in other.patterns}
    for pattern in one.patterns:
        their = theirs.get(pattern.label)
        if their is None:
            continue
        for exact, against in ((pattern, their), (their, pattern)):
            text = selector.literal(exact)
            if text is not None and not exact.negated and not against.matches(text):
                return False
    return True
