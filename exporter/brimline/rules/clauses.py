"""`when`, `any` and `clear`: how comparisons are put together in a rule, and which of them contradict. Pure."""

from __future__ import annotations

from typing import Final

from brimline.model import Kind
from brimline.options import describe
from brimline.rules import expression
from brimline.rules.regions import Region, both, region
from brimline.rules.shape import Page
from brimline.rules.terms import ALERT_AT, Comparison, Condition, Levels, Names, Op, Vocabulary
from brimline.yamlfile import Path

_EXAMPLE: Final = '["memory_used_ratio > 85%"]'
_FOREIGN: Final = frozenset({"expr", "if"})  # refused with the same hint as a missing "when"
_ONE: Final = _EXAMPLE[1:-1]


def spell(condition: Condition) -> str:
    """Write the condition in one line, for people."""
    alternatives = [" and ".join(map(expression.spell, alternative)) for alternative in condition.alternatives]
    if len(alternatives) == 1:
        return alternatives[0]
    return " or ".join(f"({text})" if " and " in text else text for text in alternatives)


def read(page: Page, path: Path, kind: Kind | None, vocabulary: Vocabulary) -> Condition | None:
    """Read `when` or `any` of the rule at the path."""
    found = page.mapping(path)
    if "when" in found and "any" in found:
        message = '"when" and "any" are both written; put what all alternatives need into each of them'
        page.refuse((*path, "any"), message, key=True)
        return None
    if "any" in found:
        alternatives = [_all(page, item, kind, vocabulary) for item in page.items((*path, "any"), _EXAMPLE)]
        for index, alternative in enumerate(alternatives):
            if alternative and alternative in alternatives[:index]:
                page.refuse((*path, "any", index), "the same alternative is written twice; remove one")
    elif "when" in found:
        alternatives = [_all(page, (*path, "when"), kind, vocabulary)]
    else:
        if not _FOREIGN & set(found):
            page.refuse(path, 'missing key "when"; write "when: memory_used_ratio > 85%"')
        return None
    return Condition(tuple(alternatives)) if alternatives and all(alternatives) else None


def _all(page: Page, path: Path, kind: Kind | None, vocabulary: Vocabulary) -> tuple[Comparison, ...]:
    """Read one comparison or a list of them; empty where one is wrong."""
    found = page.value(path)
    if isinstance(found, dict):
        instead = '"any:" in place of "when:"' if "any" in found else f"a comparison, such as {_ONE}, or a list"
        page.refuse(path, f"found a mapping; write {instead}")
        return ()
    items = page.items(path, _EXAMPLE) if isinstance(found, list) else [path]
    comparisons = [_one(page, item, kind, vocabulary) for item in items]
    for index, comparison in enumerate(comparisons):
        if comparison is not None and comparison in comparisons[:index]:
            page.refuse(items[index], f'"{expression.spell(comparison)}" is written twice; remove one')
    known = tuple(comparison for comparison in comparisons if comparison is not None)
    return known if len(known) == len(comparisons) else ()


def _one(page: Page, path: Path, kind: Kind | None, vocabulary: Vocabulary) -> Comparison | None:
    found = page.value(path)
    if not isinstance(found, str):
        page.refuse(path, f"found {describe(found)}; write a comparison, such as {_ONE}")
        return None
    if kind is None:
        return None
    return page.read(path, found, lambda text: expression.parse(text, kind, vocabulary))


def read_clear(page: Page, path: Path, kind: Kind | None, when: Condition | None, names: Names) -> Comparison | None:
    """Read `clear`: one comparison of what one in `when` compares, on the other side of it."""
    here = (*path, "clear")
    if isinstance(page.value(here), list):
        page.refuse(here, "clear: found a list; write one comparison")
        return None
    clear = _one(page, here, kind, names.vocabulary)
    cleared = None if when is None or clear is None else _cleared(page, here, when, clear)
    if cleared is None or clear is None:
        return None
    if both(_region(cleared, names.levels), _region(clear, names.levels)):
        found = f'"{expression.spell(clear)}" and "{expression.spell(cleared)}" can hold at once'
        page.refuse(here, f"clear: {found}; {_other_side(cleared)}")
        return None
    return clear


def _cleared(page: Page, path: Path, when: Condition, clear: Comparison) -> Comparison | None:
    """Return the one comparison of the condition that has the second threshold."""
    if len(when.alternatives) > 1:
        message = 'clear: alternatives have no one threshold to clear; remove it, or write "keep_firing_for"'
        page.refuse(path, message, key=True)
        return None
    found = [comparison for comparison in when.alternatives[0] if comparison.operand == clear.operand]
    if not found:
        compared = expression.spell_operand(when.alternatives[0][0].operand)
        page.refuse(path, f'clear: it must compare what the condition compares; write "{compared} ..."')
    if len(found) > 1:
        compared = expression.spell_operand(clear.operand)
        page.refuse(path, f'clear: the condition compares "{compared}" twice; remove one of the two')
    return found[0] if len(found) == 1 else None


def _other_side(when: Comparison) -> str:
    operand, limit = expression.spell_operand(when.operand), expression.spell_threshold(when)
    match when.op:
        case Op.GT | Op.GE:
            return f'write "{operand} < ..." with {limit} or less'
        case Op.LT | Op.LE:
            return f'write "{operand} > ..." with {limit} or more'
        case Op.EQ | Op.NE:
            return f'write "{operand} {Op.NE if when.op is Op.EQ else Op.EQ} {limit}"'


def _region(comparison: Comparison, levels: Levels) -> Region:
    return region(comparison.op, threshold_of(comparison, levels))


def threshold_of(comparison: Comparison, levels: Levels) -> float:
    """Return the number compared with, for a subject that names no level of its own."""
    if isinstance(comparison.threshold, str):
        return levels.alert_at if comparison.threshold == ALERT_AT else levels.restart_at
    return comparison.threshold
