"""The nouns of the rule language, as loaded: everything is resolved, checked and frozen here. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from brimline.model import SUBJECT_LABELS, Kind, Metric, Subject

ALERT_AT: Final = "alert_at"
RESTART_AT: Final = "restart_at"
LEVELS: Final[Mapping[str, str]] = {ALERT_AT: "alert", RESTART_AT: "restart"}  # and what `level` says in the series
LEVELLED: Final = "memory_used_ratio"  # the one measure that is compared with a level


class Op(StrEnum):
    """How a measure is compared; written as in PromQL."""

    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="
    EQ = "=="
    NE = "!="


INVERSE: Final[Mapping[Op, Op]] = {
    Op.GT: Op.LE,
    Op.GE: Op.LT,
    Op.LT: Op.GE,
    Op.LE: Op.GT,
    Op.EQ: Op.NE,
    Op.NE: Op.EQ,
}  # what holds where the comparison does not


class Func(StrEnum):
    """What is made of a window; written as in the rule."""

    INCREASE = "increase"
    RATE = "rate"
    MAX = "max"
    MIN = "min"
    AVG = "avg"


OF_COUNTERS: Final = frozenset({Func.INCREASE, Func.RATE})


class Unit(StrEnum):
    """What a number counts; it decides how a quantity is written and shown."""

    BYTES = "bytes"
    RATIO = "ratio"
    SECONDS = "seconds"
    MOMENT = "moment"  # seconds since the epoch: shown, never compared
    COUNT = "count"
    FLAG = "flag"  # 0 or 1
    BYTES_PER_SECOND = "bytes per second"
    SECONDS_PER_SECOND = "seconds per second"  # a share of one core or of the time
    PER_SECOND = "per second"


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric as a rule names it: without the prefix."""

    name: str
    metric: Metric
    unit: Unit


Vocabulary: TypeAlias = Mapping[Kind, Mapping[str, Measure]]


_UNITS: Final[Mapping[tuple[Func, Unit], Unit]] = MappingProxyType(
    {
        (Func.RATE, Unit.BYTES): Unit.BYTES_PER_SECOND,
        (Func.RATE, Unit.SECONDS): Unit.SECONDS_PER_SECOND,
        (Func.RATE, Unit.COUNT): Unit.PER_SECOND,
        (Func.AVG, Unit.FLAG): Unit.COUNT,
    }
)


@dataclass(frozen=True, slots=True)
class Operand:
    """The left side of a comparison: a measure now, or a function of its last `window` seconds."""

    measure: Measure
    func: Func | None = None
    window: float | None = None

    @property
    def unit(self) -> Unit:
        """What it counts: a rate is per second, an average of flags a plain number."""
        unit = self.measure.unit
        return unit if self.func is None else _UNITS.get((self.func, unit), unit)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`operand op threshold`; a text as threshold names the subject's own level (ALERT_AT, RESTART_AT)."""

    operand: Operand
    op: Op
    threshold: float | str


@dataclass(frozen=True, slots=True)
class Condition:
    """Any of the alternatives, each of which is all of its comparisons; one comparison alone is ((c,),)."""

    alternatives: tuple[tuple[Comparison, ...], ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """What one label must match, as an anchored regex both Python and Prometheus read alike, and as it was written."""

    label: str
    regex: str
    negated: bool = False
    text: str = ""
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the regex once."""
        object.__setattr__(self, "_compiled", re.compile(self.regex))

    def matches(self, text: str) -> bool:
        """Return whether the whole text matches, or does not where the pattern is negated."""
        return (self._compiled.fullmatch(text) is None) is self.negated


@dataclass(frozen=True, slots=True)
class Selector:
    """Which subjects of a kind a rule judges."""

    kind: Kind
    patterns: tuple[Pattern, ...] = ()

    def matches(self, subject: Subject) -> bool:
        """Return whether the subject is of the kind and each pattern matches its label; a missing label is ""."""
        if subject.kind is not self.kind:
            return False
        values = dict(zip(SUBJECT_LABELS[self.kind], subject.labels, strict=True))
        return all(pattern.matches(values[pattern.label]) for pattern in self.patterns)


class Slot(Enum):
    """What fills a placeholder."""

    LABEL = "label"
    MEASURE = "measure"
    VALUE = "value"
    THRESHOLD = "threshold"


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`{name}` in an annotation; `unit` says how its number is written, `measure` where it comes from."""

    name: str
    slot: Slot
    unit: Unit | None = None
    measure: Measure | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """An annotation: texts and placeholders in their order."""

    parts: tuple[str | Placeholder, ...]


@dataclass(frozen=True, slots=True)
class Levels:
    """The two levels of a subject that names none of its own."""

    alert_at: float = 0.80
    restart_at: float = 0.85


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `fingerprint` covers what decides its state: not its annotations, its actions or its place."""

    group: str
    alert: str
    kind: Kind
    selector: Selector
    when: Condition
    clear: Comparison | None
    for_seconds: float
    keep_firing_seconds: float
    severity: str  # "" where the rule states none
    labels: tuple[tuple[str, str], ...]  # sorted; without the severity
    annotations: tuple[tuple[str, Template], ...]
    actions: tuple[str, ...]
    where: str  # file:line
    fingerprint: str

    @property
    def name(self) -> str:
        """Return `group/alert`, with the labels where there are any: no two rules share it."""
        labels = ",".join(f"{key}={value}" for key, value in self.all_labels)
        return f"{self.group}/{self.alert}" + (f"{{{labels}}}" if labels else "")

    @property
    def stays(self) -> tuple[Comparison, ...]:
        """Return what keeps it firing where `when` fails: `clear` not met, and the rest of the list; else nothing."""
        if self.clear is None:
            return ()
        kept = Comparison(self.clear.operand, INVERSE[self.clear.op], self.clear.threshold)
        (every,) = self.when.alternatives
        return tuple(kept if comparison.operand == kept.operand else comparison for comparison in every)

    @property
    def all_labels(self) -> tuple[tuple[str, str], ...]:
        """Return the labels its alerts bear beside the subject's, the severity among them."""
        severity = (("severity", self.severity),) if self.severity else ()
        return tuple(sorted((*severity, *self.labels)))


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules in force, in the order of their files, and the levels of subjects without their own."""

    rules: tuple[Rule, ...]
    levels: Levels


@dataclass(frozen=True, slots=True)
class Names:
    """What a rule may name: measures, actions with the kinds they are possible for, and what the levels are."""

    vocabulary: Vocabulary
    actions: Mapping[str, frozenset[Kind]]
    levels: Levels
