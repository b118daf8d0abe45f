"""What the tests of the rule language share: the real vocabulary, a rule file around a few lines, random rules."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import strategies as st

from brimline.errors import ConfigError
from brimline.metrics.catalog import by_name
from brimline.model import SUBJECT_LABELS, Kind, MetricKind
from brimline.rules import expression, rule, selector, spec, template
from brimline.rules.slips import SlipError
from brimline.rules.terms import (
    LEVELLED,
    LEVELS,
    OF_COUNTERS,
    Comparison,
    Condition,
    Func,
    Levels,
    Measure,
    Op,
    Operand,
    Pattern,
    Rule,
    RuleSet,
    Selector,
    Template,
    Unit,
    Vocabulary,
)
from brimline.rules.vocabulary import vocabulary


@cache
def words() -> Vocabulary:
    return vocabulary(by_name().values())


def rules_of(*texts: str) -> RuleSet:
    """Load files named r1.yml, r2.yml, ..."""
    return spec.load_all([(f"r{i}.yml", textwrap.dedent(text)) for i, text in enumerate(texts, 1)], words())


def one(text: str) -> Rule:
    """Load one rule from its lines, without its name."""
    return rules_of(file_of(text)).rules[0]


def file_of(text: str, name: str = "X") -> str:
    body = textwrap.indent(textwrap.dedent(text), "        ")
    return f"groups:\n  - name: g\n    rules:\n      - alert: {name}\n{body}"


def mistakes_of(*texts: str) -> list[str]:
    """Return what loading the files says."""
    with pytest.raises(ConfigError) as error:
        rules_of(*texts)
    return [str(problem) for problem in error.value.problems]


def sentence(text: str) -> str:
    """Return the one mistake of one rule, without its place and name."""
    found = mistakes_of(file_of(text))
    assert len(found) == 1, found
    return found[0].partition('rule "X": ')[2]


def thresholds(unit: Unit) -> st.SearchStrategy[float]:
    """Return every number that can be written for the unit."""
    match unit:
        case Unit.BYTES | Unit.BYTES_PER_SECOND:
            return st.integers(0, 1 << 50).map(float)
        case Unit.RATIO | Unit.SECONDS_PER_SECOND:
            return st.floats(0, 10, allow_subnormal=False).filter(lambda x: x == 0 or x > 1e-9)
        case Unit.SECONDS | Unit.MOMENT:
            return st.integers(0, 10**12).map(lambda milliseconds: milliseconds / 1000)
        case Unit.FLAG:
            return st.sampled_from([0.0, 1.0])
        case Unit.COUNT | Unit.PER_SECOND:
            return st.floats(0, 1e12, allow_subnormal=False).filter(lambda x: x == 0 or x > 1e-9)


@st.composite
def operands(draw: st.DrawFn, kind: Kind) -> Operand:
    usable = [measure for measure in words()[kind].values() if measure.unit is not Unit.MOMENT]
    measure: Measure = draw(st.sampled_from(usable))
    counter = measure.metric.kind is MetricKind.COUNTER
    func = draw(st.sampled_from([None, *(f for f in Func if (f in OF_COUNTERS) == counter)]))
    window = draw(st.integers(1, 86_400_000)) / 1000 if func else None
    return Operand(measure, func, window)


@st.composite
def comparisons(draw: st.DrawFn, kind: Kind) -> Comparison:
    operand = draw(operands(kind))
    threshold: float | str = draw(thresholds(operand.unit))
    if operand.measure.name == LEVELLED and kind in expression.LEVELLED_KINDS and draw(st.booleans()):
        threshold = draw(st.sampled_from(sorted(LEVELS)))
    return Comparison(operand, draw(st.sampled_from(Op)), threshold)


def globs() -> st.SearchStrategy[str]:
    """Return texts that are globs: anything without a bracket, and classes."""
    plain = st.text(st.characters(codec="utf-8", exclude_characters="[", exclude_categories=("C", "Z")), max_size=6)
    classes = st.sampled_from(["[ab]", "[!a-f]", "[]x]", "[a&|~-]", "[[]", "[^a]", "[0-9]"])
    return st.lists(plain | classes, max_size=3).map("".join)


@st.composite
def patterns(draw: st.DrawFn, kind: Kind) -> tuple[Pattern, ...]:
    labels = draw(st.lists(st.sampled_from(SUBJECT_LABELS[kind]), unique=True)) if SUBJECT_LABELS[kind] else []
    return tuple(selector.parse(label, draw(globs())) for label in labels)


@st.composite
def templates(draw: st.DrawFn, kind: Kind, condition: Condition) -> Template:
    names = [*SUBJECT_LABELS[kind], *words()[kind], "value", "threshold"]
    pieces = st.sampled_from(names).map(lambda name: f"{{{name}}}") | st.sampled_from(
        ["{{", "}}", "a b", "é", "$", "%"]
    )
    text = "".join(draw(st.lists(pieces, max_size=6)))
    try:
        return template.parse(text, kind, condition, words())
    except SlipError:  # alternatives that disagree about {value}, or braces that look like Prometheus's
        return Template((text.replace("{", "").replace("}", "") or "x",))


names = st.from_regex(r"[A-Z][A-Za-z0-9_]{0,12}", fullmatch=True)
labels = st.from_regex(r"x_[a-z_]{1,8}", fullmatch=True)
word = st.text(
    st.characters(codec="utf-8", exclude_characters="{", exclude_categories=("C", "Z")), min_size=1, max_size=8
)
durations = st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    kind = draw(st.sampled_from(Kind))
    unique = st.lists(comparisons(kind), min_size=1, max_size=3, unique_by=expression.spell)
    when = Condition(tuple(map(tuple, draw(st.lists(unique, min_size=1, max_size=3, unique_by=repr)))))
    only = when.alternatives[0][0]
    clear = None
    alike = [comparison for comparison in when.alternatives[0] if comparison.operand == only.operand]
    if len(when.alternatives) == len(alike) == 1 and not isinstance(only.threshold, str) and draw(st.booleans()):
        other = {Op.GT: Op.LT, Op.GE: Op.LT, Op.LT: Op.GT, Op.LE: Op.GT, Op.EQ: Op.NE, Op.NE: Op.EQ}[only.op]
        clear = Comparison(only.operand, other, only.threshold)
    possible = [action for action, kinds in spec.ACTIONS.items() if kind in kinds]
    own = draw(st.dictionaries(labels, word, max_size=2))
    texts = draw(st.dictionaries(labels, templates(kind, when), max_size=2))
    found = Rule(
        group=draw(names),
        alert=draw(names),
        kind=kind,
        selector=Selector(kind, draw(patterns(kind))),
        when=when,
        clear=clear,
        for_seconds=draw(durations),
        keep_firing_seconds=draw(durations),
        severity=draw(st.just("") | word),
        labels=tuple(sorted(own.items())),
        annotations=tuple(texts.items()),
        actions=tuple(draw(st.lists(st.sampled_from(possible), unique=True))),
        where="",
        fingerprint="",
    )
    return replace(found, fingerprint=rule.fingerprint(found))


def rule_sets() -> st.SearchStrategy[RuleSet]:
    levels = st.lists(st.integers(1, 100), min_size=2, max_size=2).map(sorted)
    several = st.lists(rules(), min_size=1, max_size=4, unique_by=lambda rule: rule.alert)
    return st.builds(
        lambda found, level: RuleSet(
            tuple(sorted(found, key=lambda rule: rule.group)), Levels(level[0] / 100, level[1] / 100)
        ),
        several,
        levels,
    )
